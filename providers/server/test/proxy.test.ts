import { readFileSync } from 'node:fs';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { until } from '../../../packages/sync/test/support/patience.ts';
import { PennonProvider } from '../src/index.ts';
import { startForwardProxy } from './support/forward-proxy.ts';
import type { ForwardProxy } from './support/forward-proxy.ts';
import { openProvider } from './support/open.ts';

type ProxyCase = {
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly url: string;
  readonly options?: { readonly proxy: string };
  readonly proxied: boolean;
};

const { cases }: { cases: ProxyCase[] } = JSON.parse(
  readFileSync(new URL('../../../packages/spec/proxies.json', import.meta.url), 'utf8'),
);

let proxy: ForwardProxy;
beforeEach(async () => {
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY', 'REQUEST_METHOD']) {
    vi.stubEnv(name, undefined);
    vi.stubEnv(name.toLowerCase(), undefined);
  }
  proxy = await startForwardProxy();
});
afterEach(() => {
  vi.unstubAllEnvs();
  proxy.close();
});

const withProxy = (text: string): string => text.replace('PROXY', `127.0.0.1:${proxy.port}`);

it.each(cases)('$name', async ({ variables, url, options, proxied }) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, withProxy(value));
  const given = options && { proxy: withProxy(options.proxy) };
  const provider = new PennonProvider({ url, key: 'k', initTimeoutMs: 100, ...given });
  const { started } = openProvider(provider);
  await until(() => provider.freshness().lastError !== undefined);
  expect(await started).not.toBe('ok');
  expect(proxy.received.length > 0).toBe(proxied);
});

it('does not put the password of a proxy into an error', async () => {
  const url = 'http://127.0.0.1:4';
  const given = { url, key: 'k', initTimeoutMs: 2_000, proxy: 'http://ada:s3cret@127.0.0.1:4' };
  const { provider, started } = openProvider(new PennonProvider(given));
  const message = await started;
  await until(() => provider.freshness().lastError !== undefined);
  const all = message + String(provider.freshness().lastError?.message);
  expect(all).toContain('fetch failed');
  expect(all).not.toContain('s3cret');
});

it('refuses `fetch` and `proxy` together', () => {
  const options = { url: 'http://flags.test', key: 'k', fetch, proxy: 'http://proxy:3128' };
  expect(() => new PennonProvider(options)).toThrow('pass either "fetch" or "proxy", not both');
});
