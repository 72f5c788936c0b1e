import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../redis/processes.ts';
import { freePorts } from '../support/free-ports.ts';
import { endWithTests, startProcess, type ServerProcess } from '../support/process.ts';

const KEY = 'an-admin-key-of-24-characters-or-more';
const STREAMS = 40;

/** The settings of `deploy/proxy/Caddyfile`, with a certificate of Caddy's own, because HTTP/2 needs TLS. */
const caddyfile = (proxyPort: number, serverPort: number): string => `{
	admin off
	grace_period 1s
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:${proxyPort} {
	tls internal
	reverse_proxy 127.0.0.1:${serverPort} {
		flush_interval -1
		transport http {
			read_timeout 60s
		}
	}
}
`;

let directory: string;
let server: ServerProcess;
let origin: string;
let session: ClientHttp2Session;
let stopProxy = async () => {};

const openSession = (): ClientHttp2Session => connect(origin, { rejectUnauthorized: false });

const isServing = (): Promise<boolean> =>
  new Promise(resolve => {
    const attempt = openSession();
    attempt.on('error', () => resolve(false));
    attempt.on('connect', () => {
      attempt.close();
      resolve(true);
    });
  });

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pennon-http2-'));
  const [proxyPort = 0, serverPort = 0] = await freePorts(2);
  server = await startProcess({
    env: { PORT: String(serverPort), PENNON_DATA: ':memory:', PENNON_ADMIN_KEY: KEY },
  });
  const config = join(directory, 'Caddyfile');
  writeFileSync(config, caddyfile(proxyPort, serverPort));
  const child = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', config], {
    stdio: 'ignore',
    env: { ...process.env, HOME: directory, XDG_DATA_HOME: directory },
  });
  endWithTests(child);
  const ended = once(child, 'exit');
  stopProxy = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  origin = `https://localhost:${proxyPort}`;
  await eventually(isServing);
  session = openSession();
});
afterAll(async () => {
  session.destroy();
  await stopProxy();
  await server.stop();
  rmSync(directory, { recursive: true });
});

/** Opens the stream of a browser over the one connection, and returns a function that returns what has arrived. */
const openStream = (targetingKey: string): (() => string) => {
  let received = '';
  const stream = session.request({
    ':method': 'POST',
    ':path': '/api/v1/evaluations/stream?environment=production',
    authorization: `Bearer ${KEY}`,
    'content-type': 'application/json',
  });
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => (received += text));
  stream.end(JSON.stringify({ context: { targetingKey } }));
  return () => received;
};

describe('behind a proxy with HTTP/2', () => {
  it(`${STREAMS} streams of one connection receive changes and heartbeats at once`, async () => {
    const streams = Array.from({ length: STREAMS }, (_, index) => openStream(`user-${index}`));
    const allContain = (text: string) => () =>
      Promise.resolve(streams.every(received => received().includes(text)));
    await eventually(allContain('event: values'));
    expect(session.alpnProtocol).toBe('h2');
    const created = await fetch(`${server.url}/api/v1/flags?environment=production`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ key: 'banner', enabled: true }),
    });
    expect(created.status).toBe(201);
    await eventually(allContain('event: change'));
    // The first heartbeat comes after 15 s.
    await eventually(allContain('event: heartbeat'));
  });
});
