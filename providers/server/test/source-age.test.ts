import { MultiProvider, OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import type { Provider } from '@openfeature/server-sdk';
import { expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { startFakeServer } from './support/fake-server.ts';
import { openProvider, startOn } from './support/open.ts';
import { PennonProvider } from '../src/index.ts';
import { SERVER_URL } from './support/fake-server.ts';

const heartbeat = (seconds: number) => ({ revision: 1, sourceAgeMs: seconds * 1_000 });

it('a provider is stale while its server is cut off from the store, and its status has the reason', async () => {
  const server = startFakeServer();
  const { client, events, provider } = await startOn(server);
  const messages: unknown[] = [];
  client.addHandler(ProviderEvents.Stale, details => messages.push(details?.message));
  await server.send('heartbeat', heartbeat(2));
  expect(provider.freshness()).toMatchObject({ mode: 'streaming', dataAgeMs: 2_000 });
  await server.send('heartbeat', heartbeat(16));
  await server.advance(4_000);
  expect(provider.freshness()).toMatchObject({
    mode: 'stale',
    dataAgeMs: 20_000,
    sourceAgeMs: 16_000,
  });
  expect(client.providerStatus).toBe('STALE');
  expect(messages).toEqual(['the server is cut off from its store, and its data are 16 s old']);
  await server.send('heartbeat', heartbeat(1));
  expect(client.providerStatus).toBe('READY');
  expect(events).toEqual(['READY', 'STALE', 'READY']);
});

it.each<[string, string | undefined, (provider: PennonProvider) => Provider]>([
  ['for a domain', 'cut-off', provider => provider],
  ['as the default', undefined, provider => provider],
  ['inside another provider', 'cut-off-inside', provider => new MultiProvider([{ provider }])],
])(
  'a provider that starts on a server that is cut off, %s, is STALE as soon as the start is over',
  async (_, domain, wrap) => {
    const server = startFakeServer();
    server.setSourceAge(48_000);
    const provider = wrap(new PennonProvider({ url: SERVER_URL, key: 'k' }, server.runtime));
    const client = domain === undefined ? OpenFeature.getClient() : OpenFeature.getClient(domain);
    await (domain === undefined
      ? OpenFeature.setProviderAndWait(provider)
      : OpenFeature.setProviderAndWait(domain, provider));
    expect(client.providerStatus).toBe('STALE');
    await settle();
    expect(client.providerStatus).toBe('STALE');
  },
);

/** Starts in remote mode with a key that cannot read the flag set. */
const startRemote = async () => {
  const server = startFakeServer({
    live: { type: 'boolean', enabled: true, variants: { on: true }, defaultVariant: 'on' },
  });
  for (const route of ['stream', 'poll'] as const) server.behave({ status: 403 }, route);
  const options = { url: SERVER_URL, key: 'k', mode: 'remote', cacheEntries: 0 } as const;
  const opened = openProvider(new PennonProvider(options, server.runtime));
  await server.advance(2_000);
  await opened.started;
  const evaluate = () => opened.client.getBooleanValue('live', false);
  return { ...opened, server, evaluate };
};

it('a provider in remote mode is stale as soon as a result comes from a server that is cut off', async () => {
  const { server, client, provider, evaluate } = await startRemote();
  expect(client.providerStatus).toBe('READY');
  server.setSourceAge(48_000);
  expect(await evaluate()).toBe(true);
  expect(client.providerStatus).toBe('STALE');
  expect(provider.freshness()).toMatchObject({ mode: 'stale', dataAgeMs: 48_000 });
  server.setSourceAge(100);
  await server.advance(5_000);
  expect(client.providerStatus).toBe('READY');
  expect(provider.freshness().mode).toBe('polling');
});

it('a provider in remote mode is current with the first result of a server that is current again', async () => {
  const { server, client, evaluate } = await startRemote();
  server.setSourceAge(48_000);
  await evaluate();
  server.setSourceAge(100);
  await evaluate();
  expect(client.providerStatus).toBe('READY');
});

it('the mode of a key that only evaluates follows the responses of the server, as the status does', async () => {
  const { server, client, provider, evaluate } = await startRemote();
  server.setSourceAge(2_000);
  await evaluate();
  await server.advance(1_000);
  expect(provider.freshness()).toMatchObject({
    mode: 'polling',
    source: 'poll',
    dataAgeMs: 3_000,
    sourceAgeMs: 2_000,
  });
  server.behave('broken', 'evaluate');
  await evaluate();
  expect([client.providerStatus, provider.freshness().mode]).toEqual(['STALE', 'disconnected']);
  server.behave('normal', 'evaluate');
  await server.advance(30_000);
  expect([client.providerStatus, provider.freshness().mode]).toEqual(['READY', 'polling']);
});

it('results from a cut off and a current server in turns make the status alternate only once', async () => {
  const { server, events, evaluate } = await startRemote();
  for (let count = 0; count < 10; count += 1) {
    server.setSourceAge(count % 2 === 0 ? 48_000 : 100);
    await evaluate();
    await server.advance(1_000);
  }
  expect(events).toEqual(['READY', 'STALE', 'READY', 'STALE']);
});

it('a closed provider checks no longer', async () => {
  const { server, provider, evaluate } = await startRemote();
  server.setSourceAge(48_000);
  await evaluate();
  await provider.onClose();
  expect(server.timers()).toBe(0);
});
