import { createHash } from 'node:crypto';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { loggedEvents, startExperiment } from '../../../packages/sync/test/support/experiment.ts';
import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { slowTime } from '../../../packages/sync/test/support/patience.ts';
import type { OnlineOptions } from '../src/index.ts';
import { openReal } from './support/open.ts';

let server: FlagServer;
let key: string;

beforeAll(async () => {
  server = await startFlagServer();
  key = (await server.createKey('server')).secret;
  await startExperiment(server);
});
afterAll(() => server.close());

const open = async (options: Partial<OnlineOptions> = {}) => {
  const opened = openReal({ url: server.url(), key, ...options }, slowTime);
  expect(await opened.started).toBe('ok');
  return opened;
};

it('the server accepts what the provider sends, and verifies the variants', async () => {
  const { provider, client } = await open();
  for (let unit = 0; unit < 40; unit += 1)
    await client.getStringValue('checkout', '', { targetingKey: `user-${unit}` });
  client.track('bought', { targetingKey: 'user-1' }, { value: 9.5, currency: 'EUR' });
  expect(await provider.flush()).toBe(true);
  expect(provider.events).toMatchObject({ queued: 0, sent: 41, dropped: 0, lastError: undefined });
  expect((await loggedEvents(server)).filter(name => name === 'exposure')).toHaveLength(40);
});

it('what the provider has when it is closed is in the log', async () => {
  const { provider } = await open();
  const before = (await loggedEvents(server)).length;
  provider.evaluate('checkout', { targetingKey: 'the last one' });
  await provider.onClose();
  expect(await loggedEvents(server)).toHaveLength(before + 1);
});

it('hashed units are accepted without a check of their variants', async () => {
  const { provider } = await open({ events: { hashUnits: true } });
  for (let unit = 0; unit < 20; unit += 1)
    provider.evaluate('checkout', {
      targetingKey: createHash('md5').update(`${unit}`).digest('hex'),
    });
  expect(await provider.flush()).toBe(true);
  expect(provider.events).toMatchObject({ sent: 20, dropped: 0 });
});
