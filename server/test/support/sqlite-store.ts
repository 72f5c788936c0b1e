import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { secureRandom } from '../../src/random.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Store } from '../../src/store/store.ts';

export type { Store };

/** A prefix of keys in Redis that no other test has. */
export const newPrefix = (): string => `test-${secureRandom(8)}`;

/** Opens embedded stores, each in a directory of its own. `remove` removes the directories. */
export const createSqliteStores = () => {
  const directories: string[] = [];
  return {
    open: (): Promise<Store> => {
      const directory = mkdtempSync(join(tmpdir(), 'pennon-store-'));
      directories.push(directory);
      return openSqliteStore({ directory, random: secureRandom });
    },
    remove: (): void => {
      for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
    },
  };
};
