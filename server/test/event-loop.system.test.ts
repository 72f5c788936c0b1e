import { afterAll, describe, expect, it } from 'vitest';

import type { Store } from '../src/store/store.ts';
import { useRedis } from './redis/setup.ts';
import { openStore as openRedisStore } from './redis/store.ts';
import { newDirectory, openStore as openSqliteStore } from './store/sqlite-directory.ts';
import { largeImport } from './support/large-import.ts';
import { longestTurnMs } from './support/longest-turn.ts';
import { ADMIN_KEY, startServer } from './support/server.ts';

/** The bound is 50 ms. Here the client and the tests are part of the process. */
const MAX_TURN_MS = 100;
const FLAGS = 4_000;

const redis = useRedis();
const stores: Store[] = [];
afterAll(() => Promise.all(stores.map(store => store.close())));

const opened = async (opening: Promise<Store>): Promise<Store> => {
  const store = await opening;
  stores.push(store);
  return store;
};

describe.each([
  ['memory', async () => undefined],
  ['SQLite', () => opened(openSqliteStore(newDirectory()))],
  ['Redis', () => opened(openRedisStore(redis().url))],
])('with %s, the event loop never stands still for long', (name, open) => {
  it('during a large import, and while followers receive it', { timeout: 120_000 }, async () => {
    const store = await open();
    await using server = await startServer({ wrapStore: own => store ?? own });
    const url = await server.listen();
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
    const send = async (path: string, body?: Uint8Array<ArrayBuffer>) => {
      const init = body === undefined ? { headers } : { method: 'POST', headers, body };
      const response = await fetch(url + path, init);
      return { status: response.status, bytes: (await response.arrayBuffer()).byteLength };
    };
    const first = largeImport(FLAGS, {});
    const second = largeImport(FLAGS, { enabled: false });
    for (const body of [first, second]) {
      const { result, ms } = await longestTurnMs(() => send('/api/v1/import?overwrite=true', body));
      expect([name, result.status, ms < MAX_TURN_MS || ms]).toEqual([name, 200, true]);
    }
    const read = await longestTurnMs(() => send('/api/v1/flag-set?environment=production'));
    expect(read.result.bytes).toBeGreaterThan(FLAGS * 3_000);
    expect(read.ms < MAX_TURN_MS || read.ms).toBe(true);
  });
});
