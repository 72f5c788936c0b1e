import { afterAll, beforeAll, expect, it } from 'vitest';

import { copyCheckout, scriptsOf, type Checkout } from '../support/checkout.ts';
import { startProcess } from '../support/process.ts';
import { ADMIN_KEY, newDirectory } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

let checkout: Checkout;
beforeAll(() => {
  checkout = copyCheckout();
});
afterAll(() => checkout.remove());

it('every worker serves the console, which the primary process builds once', async () => {
  expect(checkout.countBuilds()).toBe(0);
  const server = await startProcess({
    env: {
      REDIS_URL: redis().url,
      PENNON_ADMIN_KEY: ADMIN_KEY,
      PENNON_DATA: newDirectory(),
      PENNON_INIT: 'empty',
      PENNON_WORKERS: '3',
      PENNON_CONSOLE: 'on',
    },
    command: [checkout.main],
  });
  try {
    const [script = ''] = await scriptsOf(server.url);
    // Each connection may reach another worker.
    const open = async (path: string) =>
      (await fetch(`${server.url}/${path}`, { headers: { connection: 'close' } })).status;
    const paths = Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? '' : script));
    const statuses = await Promise.all(paths.map(open));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect([checkout.countBuilds(), checkout.builds().length]).toEqual([1, 1]);
  } finally {
    await server.stop();
  }
});
