import { hash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll } from 'vitest';

import { secureRandom } from '../../src/random.ts';
import { openSqliteStore, type SqliteOptions } from '../../src/store/sqlite/index.ts';
import { StoreError, type Ledger, type Store } from '../../src/store/store.ts';
import { contents, entry, flag, flags, write } from './fixtures.ts';

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** Creates an empty directory, removed after the tests of the file. */
export const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-store-'));
  directories.push(directory);
  return directory;
};

export const databaseFile = (directory: string): string => join(directory, 'pennon.db');

/** Runs SQL on a database file that no store has open. */
export const execute = (file: string, sql: string): void => {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
};

export const PAGE_BYTES = 4_096;

/** Overwrites the first page of a table with zeros. */
export const zeroPage = (directory: string, table: string): void => {
  const file = databaseFile(directory);
  const first = (rootPage(file, table) - 1) * PAGE_BYTES;
  writeFileSync(file, readFileSync(file).fill(0, first, first + PAGE_BYTES));
};

const rootPage = (file: string, table: string): number => {
  const database = new DatabaseSync(file);
  const row = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table);
  database.close();
  return Number(row?.['rootpage']);
};

export const openStore = (
  directory: string,
  options: Pick<SqliteOptions, 'eventLogBytes'> = {},
): Promise<Store> => openSqliteStore({ directory, random: secureRandom, ...options });

/** Returns the StoreError of opening a store in the directory, which must fail. */
export const rejectedOpen = async (directory: string): Promise<StoreError> => {
  const opened = await openStore(directory).catch((error: unknown) => error);
  if (opened instanceof StoreError) return opened;
  throw new Error(`opening ${directory} did not fail with a StoreError`, { cause: opened });
};

/** Returns the names and digests of the files in a directory. */
export const listFiles = (directory: string): [string, string][] =>
  readdirSync(directory)
    .toSorted()
    .map(name => [name, hash('sha256', readFileSync(join(directory, name)))]);

export const LEDGER: Ledger<'flagSet'> = { kind: 'flagSet', id: 'kept' };

/** Creates a directory with flags and audit entries that each fill pages of their own. */
export const createDirectoryWithData = async () => {
  const directory = newDirectory();
  const store = await openStore(directory);
  for (const key of ['a', 'b', 'c', 'd']) {
    const document = flag(key, { description: key.repeat(9_000) });
    await write(store, LEDGER, flags(document), {
      audit: [entry(key, { after: key.repeat(9_000) })],
    });
  }
  const expected = await contents(store, LEDGER);
  await store.close();
  return { directory, expected };
};
