import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { slowTime } from '../../../packages/sync/test/support/patience.ts';
import { startServer } from '../../../server/test/support/server.ts';
import type { TestServer } from '../../../server/test/support/server.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startForwardProxy } from './support/forward-proxy.ts';
import { openReal } from './support/open.ts';
import { startSwallowingProxy } from './support/swallowing-proxy.ts';
import type { SwallowingProxy } from './support/swallowing-proxy.ts';

let server: TestServer;
let url: string;
const cleanups: (() => void)[] = [];
beforeEach(async () => {
  server = await startServer();
  url = await server.listen();
  await switchTo('on');
});
afterEach(async () => {
  for (const clean of cleanups.splice(0)) clean();
  await server.close();
});

const switchTo = (defaultVariant: 'on' | 'off') =>
  server.api('PUT', '/flags/live', {
    body: { key: 'live', enabled: true, clientVisible: true, defaultVariant },
  });

const portOf = (address: string): number => Number(new URL(address).port);

type Route = { readonly network: SwallowingProxy; readonly options: Partial<OnlineOptions> };

const directly = async (): Promise<Route> => {
  const network = await startSwallowingProxy(portOf(url));
  cleanups.push(network.close);
  return { network, options: { url: `http://127.0.0.1:${network.port}` } };
};

const throughProxy = async (): Promise<Route> => {
  const proxy = await startForwardProxy();
  const network = await startSwallowingProxy(proxy.port);
  cleanups.push(network.close, proxy.close);
  return { network, options: { proxy: `http://127.0.0.1:${network.port}` } };
};

/** Starts a provider with open connections, all of which are dead after `freeze`. */
const start = async (connect: () => Promise<Route>, extra: Partial<OnlineOptions>) => {
  const { network, options } = await connect();
  const key = await server.keyOf('server');
  let frozenMs = 0;
  const opened = openReal(
    { url, key, cacheEntries: 0, ...options, ...extra },
    { ...slowTime, monotonic: () => slowTime.monotonic() + frozenMs },
  );
  expect(await opened.started).toBe('ok');
  const evaluate = () => opened.client.getBooleanValue('live', false);
  await Promise.all([evaluate(), opened.client.getBooleanValue('live', false, { a: 1 })]);
  const freeze = () => {
    network.swallow();
    frozenMs += 40_000;
  };
  return { ...opened, evaluate, freeze, swallow: network.swallow };
};

describe.each([
  ['directly', directly],
  ['through a proxy', throughProxy],
])(
  'a provider that is connected %s, whose connections died while the process was frozen',
  (_, connect) => {
    it.each([
      ['streams', {}],
      ['polls', { stream: false }],
      ['evaluates remotely', { mode: 'remote' }],
    ] as const)('and that %s has the current flags within a second', async (__, options) => {
      const { provider, client, evaluate, freeze } = await start(connect, options);
      freeze();
      await switchTo('off');
      expect(await provider.refresh({ timeoutMs: 1_000 })).toBe(true);
      expect([await evaluate(), client.providerStatus]).toEqual([false, 'READY']);
    });

    it('and whose key cannot read the flag set has current results', async () => {
      const key = await server.keyOf('client');
      const opened = await start(connect, { mode: 'remote', key });
      const { provider, client, evaluate, freeze, swallow } = opened;
      swallow();
      await switchTo('off');
      expect(await provider.refresh({ timeoutMs: 1_000 })).toBe(true);
      expect([await evaluate(), client.providerStatus]).toEqual([false, 'READY']);
      freeze();
      await switchTo('on');
      expect([await evaluate(), client.providerStatus]).toEqual([true, 'READY']);
    });

    it('evaluates remotely at once', async () => {
      const { evaluate, freeze } = await start(connect, {
        mode: 'remote',
        requestTimeoutMs: 1_000,
      });
      freeze();
      await switchTo('off');
      // After a time-out, the result would be that of the last flags.
      expect(await evaluate()).toBe(false);
    });
  },
);

it('a closed provider leaves no connection open', async () => {
  const { network, options } = await directly();
  const key = await server.keyOf('server');
  const { provider, started } = openReal({ url, key, ...options, stream: false });
  await started;
  expect(network.connections()).toBe(1);
  await provider.onClose();
  await expect.poll(network.connections).toBe(0);
});
