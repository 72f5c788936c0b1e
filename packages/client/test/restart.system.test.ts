import { afterAll, beforeAll, expect, it } from 'vitest';

import type { Proxy } from '../../sync/test/support/proxy.ts';
import { startProxy } from '../../sync/test/support/proxy.ts';
import type { FlagServer } from '../../sync/test/support/flag-server.ts';
import { startFlagServer } from '../../sync/test/support/flag-server.ts';
import { createApiClient } from '../src/index.ts';

let server: FlagServer;
let proxy: Proxy;

beforeAll(async () => {
  server = await startFlagServer();
  proxy = await startProxy(server.url());
});
afterAll(async () => {
  await proxy.close();
  await server.close();
});

it('a watch survives cut connections and a killed server without losing or repeating an event', async () => {
  const { secret } = await server.createKey('viewer');
  const api = createApiClient({ url: proxy.url, key: secret });
  const sets: number[] = [];
  const changes: string[] = [];
  const watch = api.flags.watch.subscribe(
    {},
    {
      onData({ data }) {
        if (data.event === 'set') sets.push(data.flagSet.revision);
        else changes.push(...Object.keys(data.change.flags));
      },
    },
  );
  await expect.poll(() => sets.length).toBe(1);

  await server.putFlag('one', {});
  await expect.poll(() => changes).toEqual(['one']);
  proxy.cutConnections();
  await server.putFlag('two', {});
  await expect.poll(() => changes).toEqual(['one', 'two']);

  await server.kill();
  await server.restart();
  await server.putFlag('three', {});
  proxy.retarget(server.url());
  // A restarted server has no past changes in memory, so it sends the whole set.
  const received = () => changes.includes('three') || sets.length > 1;
  await expect.poll(received).toBe(true);
  await server.putFlag('four', {});
  await expect.poll(() => changes.at(-1)).toBe('four');
  watch.unsubscribe();
  await expect.poll(() => proxy.inFlight()).toBe(0);
});
