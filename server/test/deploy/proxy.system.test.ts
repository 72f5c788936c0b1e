import { request, type IncomingMessage } from 'node:http';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../redis/processes.ts';
import { freePorts } from '../support/free-ports.ts';
import { startProcess, type ServerProcess } from '../support/process.ts';
import { openSse } from '../support/sse.ts';
import { caddy, nginx, startProxy } from './proxies.ts';

const KEY = 'an-admin-key-of-24-characters-or-more';
const RATE_LIMIT = 10;
/** More than the server grants, also if it takes some seconds. */
const BURST = 10 * RATE_LIMIT;

const isServing = (url: string): Promise<boolean> =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

describe.each([
  ['nginx.conf', nginx('nginx.conf'), ''],
  ['nginx-path.conf', nginx('nginx-path.conf'), '/flags'],
  ['Caddyfile', caddy('Caddyfile'), ''],
  ['Caddyfile-path', caddy('Caddyfile-path'), '/flags'],
])('behind deploy/proxy/%s', (_, program, basePath) => {
  let server: ServerProcess;
  let url: string;
  let api: string;
  let stopProxy = async () => {};

  beforeAll(async () => {
    const [proxyPort = 0, serverPort = 0] = await freePorts(2);
    server = await startProcess({
      env: {
        PORT: String(serverPort),
        PENNON_DATA: ':memory:',
        PENNON_ADMIN_KEY: KEY,
        PENNON_TRUST_PROXY: '1',
        PENNON_RATE_LIMIT: String(RATE_LIMIT),
        ...(basePath === '' ? {} : { PENNON_BASE_PATH: basePath }),
      },
    });
    stopProxy = startProxy(program, { proxy: proxyPort, servers: [serverPort] });
    url = `http://127.0.0.1:${proxyPort}${basePath}`;
    api = `${url}/api/v1`;
    await eventually(() => isServing(`${url}/healthz`));
  });
  afterAll(async () => {
    await stopProxy();
    await server.stop();
  });

  const call = (method: string, path: string, body: object) =>
    fetch(api + path, {
      method,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('a change arrives while the stream is open, so nothing is buffered', async () => {
    const path = '/flag-set/stream?environment=production';
    const stream = await openSse(api + path, { key: KEY });
    expect(await stream.next()).toMatchObject({ event: 'set' });
    for (const key of ['first', 'second']) {
      const body = { key, enabled: true };
      const created = await call('POST', '/flags?environment=production', body);
      expect([created.status, created.headers.get('location')]).toEqual([
        201,
        `${basePath}/api/v1/flags/${key}?environment=production`,
      ]);
      expect(await stream.next()).toMatchObject({
        event: 'change',
        data: { flags: { [key]: {} } },
      });
    }
    stream.close();
  });

  it('the stream of a browser begins at once', async () => {
    const path = '/evaluations/stream?environment=production';
    const response = await call('POST', path, { context: { targetingKey: 'ada' } });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('event: values')) {
      const { value, done = true } = (await reader?.read()) ?? {};
      if (done) throw new Error(`the stream has ended: ${text}`);
      text += value;
    }
    expect(text).toContain('event: values');
    await reader?.cancel();
  });

  it('/docs loads its files, and its document names the right server', async () => {
    const page = await (await fetch(`${url}/docs`)).text();
    const files = [...page.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(files).toHaveLength(3);
    for (const file of files) expect((await fetch(new URL(file ?? '', url))).status).toBe(200);
    const document = await (await fetch(`${url}/openapi.json`)).json();
    expect(document).toMatchObject({ servers: [{ url: basePath === '' ? '/' : basePath }] });
  });

  it('the rate limit of a client key counts each address, and ignores what a client claims to be', async () => {
    const body = { name: 'page', role: 'client', environment: 'production' };
    const { secret } = (await (await call('POST', '/keys', body)).json()) as { secret: string };
    const evaluateFrom = (localAddress: string, forwardedFor: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = request(
          `${api}/evaluations?environment=production`,
          {
            method: 'POST',
            localAddress,
            headers: {
              authorization: `Bearer ${secret}`,
              'content-type': 'application/json',
              'x-forwarded-for': forwardedFor,
            },
          },
          (response: IncomingMessage) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        );
        sent.on('error', reject);
        sent.end(JSON.stringify({ context: {} }));
      });
    const burst = Array.from({ length: BURST }, (_value, i) =>
      evaluateFrom('127.0.0.1', `10.0.0.${i}`),
    );
    const statuses = await Promise.all(burst);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(await evaluateFrom('127.0.0.2', '127.0.0.1')).toBe(200);
  });
});
