import { expect, it } from 'vitest';

import { startServerOn } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

it('every worker serves the console, which the primary process builds once', async () => {
  const server = await startServerOn(redis().url, { PENNON_WORKERS: '3', PENNON_CONSOLE: 'on' });
  const open = async () =>
    (await server.request('GET', '/', { headers: { connection: 'close' } })).status;
  try {
    await expect.poll(open, { timeout: 60_000, interval: 200 }).toBe(200);
    const statuses = await Promise.all(Array.from({ length: 30 }, open));
    expect(new Set(statuses)).toEqual(new Set([200]));
  } finally {
    await server.stop();
  }
});
