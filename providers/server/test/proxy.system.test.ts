import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createServer, rootCertificates, setDefaultCACertificates } from 'node:tls';
import type { Server } from 'node:tls';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startForwardProxy } from './support/forward-proxy.ts';
import type { ForwardProxy } from './support/forward-proxy.ts';
import { openReal } from './support/open.ts';

const certificate = (file: string): string =>
  readFileSync(
    new URL(`../../../server/test/redis/certificate/${file}.pem`, import.meta.url),
    'utf8',
  );

/** Accepts TLS in front of a server. */
const startTls = async (serverUrl: string): Promise<Server> => {
  const tls = createServer(
    { key: certificate('key'), cert: certificate('certificate') },
    client => {
      const upstream = connect(Number(new URL(serverUrl).port), '127.0.0.1');
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    },
  );
  await new Promise<void>(resolve => void tls.listen(0, resolve));
  return tls;
};

let server: FlagServer;
let tls: Server;
let key: string;
let proxy: ForwardProxy;
beforeAll(async () => {
  server = await startFlagServer();
  key = (await server.createKey('server')).secret;
  tls = await startTls(server.url());
});
afterAll(async () => {
  tls.close();
  await server.close();
});
beforeEach(async () => {
  proxy = await startForwardProxy();
  setDefaultCACertificates([certificate('certificate')]);
});
afterEach(() => {
  proxy.close();
  setDefaultCACertificates([...rootCertificates]);
});

const PATIENCE = { timeout: 90_000 };
const CREDENTIALS = 'Basic YWRhOnBAc3M=';

const tlsPort = (): number => {
  const { port } = tls.address() as AddressInfo;
  return port;
};

const open = (url: string, options: Partial<OnlineOptions>, random = Math.random) =>
  openReal(
    { url, key, proxy: `http://ada:p%40ss@127.0.0.1:${proxy.port}`, ...options },
    { random },
  );

describe.each([
  ['http', 'in-process'],
  ['http', 'remote'],
  ['https', 'in-process'],
  ['https', 'remote'],
] as const)('through a proxy to a server with %s, %s', (scheme, mode) => {
  it('follows changes, sends the credentials, and ends its connections', async () => {
    const flagKey = `flag-${scheme}-${mode}`;
    await server.putFlag(flagKey, {});
    const url = scheme === 'http' ? server.url() : `https://localhost:${tlsPort()}`;
    const { provider, client, started } = open(url, { mode });
    expect(await started).toBe('ok');
    await vi.waitUntil(() => provider.freshness().mode === 'streaming', PATIENCE);
    expect(await client.getBooleanValue(flagKey, false)).toBe(true);
    await server.putFlag(flagKey, { enabled: false });
    await expect.poll(() => client.getBooleanValue(flagKey, false), PATIENCE).toBe(false);
    expect(proxy.received).toContain(
      scheme === 'http'
        ? `GET ${url}/api/v1/flag-set ${CREDENTIALS}`
        : `CONNECT localhost:${tlsPort()} ${CREDENTIALS}`,
    );
    await vi.waitUntil(() => provider.freshness().mode === 'streaming', PATIENCE);
    const before = proxy.inFlight();
    await provider.onClose();
    // The tunnels of complete requests stay open for a while, to be used again.
    await vi.waitUntil(() => proxy.inFlight() < before, PATIENCE);
  });
});

it('rejects the certificate of another host in a tunnel, without connecting again and again', async () => {
  // The certificate is for localhost and 127.0.0.1 only.
  const url = `https://127.0.0.2:${tlsPort()}`;
  const { provider, started } = open(url, { initTimeoutMs: 2_000 }, () => 0.5);
  expect(await started).toMatch(/^GENERAL: no flags available/);
  const reason = () => provider.freshness().lastError?.message;
  await expect.poll(reason, PATIENCE).toContain('does not match');
  expect(proxy.received.length).toBeLessThan(10);
  await provider.onClose();
});
