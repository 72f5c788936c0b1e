import { hash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll } from 'vitest';

import { secureRandom } from '../../src/random.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { StoreError, type Ledger, type Store } from '../../src/store/store.ts';
import { contents, entry, flag, flags, write } from './fixtures.ts';

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

/** An empty directory, removed when the tests of the file are done. */
export const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-store-'));
  made.push(directory);
  return directory;
};

export const file = (directory: string): string => join(directory, 'pennon.db');

export const open = (directory: string): Promise<Store> =>
  openSqliteStore({ directory, random: secureRandom });

/** The StoreError with which the directory is refused. */
export const refusal = async (directory: string): Promise<StoreError> => {
  const opened = await open(directory).catch((error: unknown) => error);
  if (opened instanceof StoreError) return opened;
  throw new Error(`${directory} was not refused as it should be`, { cause: opened });
};

/** Names and digests of the files in a directory. */
export const filesOf = (directory: string): [string, string][] =>
  readdirSync(directory)
    .toSorted()
    .map(name => [name, hash('sha256', readFileSync(join(directory, name)))]);

export const LEDGER: Ledger<'flagSet'> = { kind: 'flagSet', id: 'kept' };

/** A directory with data in it: flags in pages of their own, and audit entries as large. */
export const directoryWithData = async () => {
  const directory = newDirectory();
  const store = await open(directory);
  for (const key of ['a', 'b', 'c', 'd']) {
    const document = flag(key, { description: key.repeat(9_000) });
    await write(store, LEDGER, flags(document), {
      audit: [entry(key, { after: key.repeat(9_000) })],
    });
  }
  const kept = await contents(store, LEDGER);
  await store.close();
  return { directory, kept };
};
