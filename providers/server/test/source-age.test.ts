import { ProviderEvents } from '@openfeature/server-sdk';
import { expect, it } from 'vitest';

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
  await server.advance(15_000);
  expect(client.providerStatus).toBe('READY');
  expect(provider.freshness().mode).not.toBe('stale');
});

it('results from a cut off and a current server in turns do not make the status alternate', async () => {
  const { server, events, evaluate } = await startRemote();
  for (let count = 0; count < 10; count += 1) {
    server.setSourceAge(count % 2 === 0 ? 48_000 : 100);
    await evaluate();
    await server.advance(1_000);
  }
  expect(events).toEqual(['READY', 'STALE']);
});

it('a closed provider checks no longer', async () => {
  const { server, provider, evaluate } = await startRemote();
  server.setSourceAge(48_000);
  await evaluate();
  await provider.onClose();
  expect(server.timers()).toBe(0);
});
