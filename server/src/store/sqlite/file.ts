import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { APPLICATION_ID, FORMAT, MIGRATIONS } from './format.ts';
import { text, whole } from './row.ts';
import { atomically } from './transaction.ts';
import { asStoreError, storeError } from './errors.ts';

/** Long enough for a predecessor that is just closing. */
const LOCK_WAIT_MS = 1_000;
/** What a write-ahead log that once grew large is cut back to. */
const WAL_KEPT_BYTES = 16 * 1024 * 1024;

export const databasePath = (directory: string): string => join(directory, 'pennon.db');
const walPath = (path: string): string => `${path}-wal`;

/** Whether the directory holds a database, or what is left of one. */
export const databaseExists = (directory: string): boolean => {
  const path = databasePath(directory);
  return existsSync(path) || existsSync(walPath(path));
};

/** Opens the directory's database for this process alone, and makes both where there are none. */
export const openDatabase = (directory: string): DatabaseSync => {
  const path = databasePath(directory);
  makeDirectory(directory);
  if (!existsSync(path)) createDatabase(directory, path);
  refuseUnwritable([directory, path, walPath(path)].filter(file => existsSync(file)));
  refuseEmpty(path);
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    takeOver(database, path);
    return database;
  } catch (error) {
    database.close();
    throw asStoreError(error, path, 'corrupt');
  }
};

const makeDirectory = (directory: string): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw asStoreError(error, directory, 'readonly');
  }
};

/**
 * The database gets its name only when it is whole: an empty or half-made `pennon.db` is always damage,
 * never a first start that was cut short. `link` overwrites nothing, so where two processes start at
 * once there is one database, and the lock decides between them.
 */
const createDatabase = (directory: string, path: string): void => {
  if (existsSync(walPath(path)))
    throw storeError('corrupt', path, 'it is missing, but its write-ahead log is there');
  let workshop: string | undefined;
  try {
    workshop = mkdtempSync(join(directory, 'new-'));
    const draft = join(workshop, 'pennon.db');
    writeFirst(draft);
    linkUnlessThere(draft, path);
    sync(directory);
  } catch (error) {
    throw asStoreError(error, directory);
  } finally {
    if (workshop !== undefined) rmSync(workshop, { recursive: true });
  }
};

const writeFirst = (draft: string): void => {
  const database = new DatabaseSync(draft);
  try {
    chmodSync(draft, 0o600);
    database.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL',
    );
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    migrate(database, 0);
  } finally {
    database.close();
  }
};

const linkUnlessThere = (draft: string, path: string): void => {
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  }
};

const sync = (directory: string): void => {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** SQLite would open a file that it may not write to, and fail only later. */
const refuseUnwritable = (files: readonly string[]): void => {
  for (const file of files)
    try {
      accessSync(file, constants.R_OK | constants.W_OK);
    } catch (error) {
      throw asStoreError(error, file);
    }
};

/** SQLite takes an empty file for a new database, and deletes the write-ahead log beside it. */
const refuseEmpty = (path: string): void => {
  if (statSync(path).size === 0) throw storeError('corrupt', path, 'the file is empty');
};

const takeOver = (database: DatabaseSync, path: string): void => {
  // Before anything is read: the first read takes the lock, and the process holds it until it ends.
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  const format = checkedFormat(database, path);
  checkPages(database, path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = ${WAL_KEPT_BYTES};
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
  `);
  migrate(database, format);
};

const pragma = (database: DatabaseSync, name: 'application_id' | 'user_version'): number =>
  whole(database.prepare(`PRAGMA ${name}`).get(), name);

const checkedFormat = (database: DatabaseSync, path: string): number => {
  const format = pragma(database, 'user_version');
  if (pragma(database, 'application_id') !== APPLICATION_ID || format < 1)
    throw storeError('corrupt', path, 'it is no database of Pennon');
  if (format > FORMAT)
    throw storeError('newer', path, `format ${format}; this version reads up to ${FORMAT}`);
  return format;
};

/**
 * Damage to what a server serves is found at start, not days later. Only the tables that a server reads
 * whole at its start are checked, so this costs about as much again; the audit log may grow to gigabytes
 * and is left out: damage there shows, as `corrupt`, when it is read.
 */
const checkPages = (database: DatabaseSync, path: string): void => {
  for (const table of ['ledgers', 'documents']) {
    const found = text(database.prepare(`PRAGMA quick_check('${table}')`).get(), 'quick_check');
    if (found !== 'ok') throw storeError('corrupt', path, found);
  }
};

const migrate = (database: DatabaseSync, from: number): void => {
  if (from === FORMAT) return;
  atomically(database, () => {
    for (const script of MIGRATIONS.slice(from)) database.exec(script);
    database.exec(`PRAGMA user_version = ${FORMAT}`);
  });
};

/** Writes for real, since only a write tells whether there is room: the format that is there already. */
export const proveWritable = (database: DatabaseSync): void => {
  database.exec(`PRAGMA user_version = ${FORMAT}`);
};
