import { afterAll, beforeAll, expect, it } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { slowTime } from '../../../packages/sync/test/support/patience.ts';
import { openReal } from './support/open.ts';

let server: FlagServer;

beforeAll(async () => {
  server = await startFlagServer();
  await server.putFlag('checkout', {
    rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', variant: 'on' }],
    defaultVariant: 'off',
  });
});
afterAll(() => server.close());

/** The server stores counts every 10 s. */
const PATIENCE = { timeout: 90_000, interval: 250 };

const usageOf = (flag: string) => server.api('GET', `usage?environment=production&flag=${flag}`);

it('a real server has what a service got until it was closed', async () => {
  const { secret: key } = await server.createKey('server');
  const { provider, client, started } = openReal({ url: server.url(), key }, slowTime);
  expect(await started).toBe('ok');
  for (let call = 0; call < 3; call += 1)
    await client.getBooleanValue('checkout', false, { plan: 'pro' });
  await client.getBooleanValue('checkout', false);
  await client.getBooleanValue('no-such-flag', false);
  await provider.onClose();
  await expect.poll(() => usageOf('checkout'), PATIENCE).toMatchObject({ total: 4 });
  expect(await usageOf('checkout')).toMatchObject({
    counts: expect.arrayContaining([
      expect.objectContaining({ variant: 'on', reason: 'TARGETING_MATCH', count: 3 }),
      expect.objectContaining({ variant: 'off', reason: 'DEFAULT', count: 1 }),
    ]),
  });
  expect(await server.api('GET', 'usage/unknown?environment=production')).toMatchObject({
    keys: ['no-such-flag'],
  });
});

it('in remote mode, each evaluation counts once', async () => {
  await server.putFlag('remote', {});
  const { secret: key } = await server.createKey('server');
  const { provider, client, started } = openReal(
    { url: server.url(), key, mode: 'remote' },
    slowTime,
  );
  expect(await started).toBe('ok');
  for (let call = 0; call < 5; call += 1) await client.getBooleanValue('remote', false);
  await provider.onClose();
  await expect.poll(() => usageOf('remote'), PATIENCE).toMatchObject({ total: 5 });
});
