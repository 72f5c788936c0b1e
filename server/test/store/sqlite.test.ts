import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { secureRandom } from '../../src/random.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { describeStore } from './suite.ts';

describeStore('the SQLite store', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-store-'));
  const open = () => openSqliteStore({ directory, random: secureRandom });
  let store = await open();
  return {
    store,
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
    async cleanup() {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});
