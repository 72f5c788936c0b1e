import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { APPLICATION_ID, FORMAT, MIGRATIONS } from './format.ts';
import { storeError, toStoreError } from './errors.ts';
import { writeNewFile } from './new-file.ts';
import { integerColumn, textColumn, transaction } from './sql.ts';

/** Long enough for a previous process that is closing. */
const LOCK_WAIT_MS = 1_000;
/** The size to which a large write-ahead log is truncated. */
const WAL_SIZE_LIMIT_BYTES = 16 * 1024 * 1024;

export const databasePath = (directory: string): string => join(directory, 'pennon.db');
const walPath = (path: string): string => `${path}-wal`;

/** Whether the directory contains a database, or what is left of one. */
export const databaseExists = (directory: string): boolean => {
  const path = databasePath(directory);
  return existsSync(path) || existsSync(walPath(path));
};

/** A database that no other server can open, but that other processes can read. */
export type OwnedDatabase = { readonly database: DatabaseSync; readonly close: () => void };

/** Opens the directory's database as its only server. Creates both if they do not exist. */
export const openDatabase = (directory: string): OwnedDatabase => {
  const path = databasePath(directory);
  createDirectory(directory);
  if (!existsSync(path)) createDatabase(directory, path);
  const lockPath = join(directory, 'pennon.lock');
  requireWritable([directory, path, walPath(path), lockPath].filter(file => existsSync(file)));
  requireNotEmpty(path);
  const lock = acquireLock(lockPath, path);
  try {
    const database = openExisting(path, initialize);
    return {
      database,
      close() {
        database.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
};

/** Opens a database that exists and prepares it. */
const openExisting = (
  path: string,
  prepare: (database: DatabaseSync, path: string) => void,
  source = path,
): DatabaseSync => {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
    prepare(database, source);
    return database;
  } catch (error) {
    database.close();
    throw toStoreError(error, source, 'corrupt');
  }
};

/**
 * Locks an empty file until the process ends, even if it is killed. The database itself stays unlocked, so
 * another process can back it up. The file is never removed: a process could be waiting for it.
 */
const acquireLock = (lockPath: string, path: string): DatabaseSync => {
  const lock = new DatabaseSync(lockPath);
  try {
    chmodSync(lockPath, 0o600);
    lock.exec(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}; BEGIN EXCLUSIVE`);
    return lock;
  } catch (error) {
    lock.close();
    throw toStoreError(error, path);
  }
};

/**
 * Opens a database to read it, even if a server uses it. `source` is the path to name in errors, if the
 * file is a copy.
 */
export const openForReading = (path: string, source = path): DatabaseSync => {
  if (!existsSync(path)) throw storeError('missing', source, 'there is no database');
  requireNotEmpty(path, source);
  return openExisting(path, readFormat, source);
};

const createDirectory = (directory: string): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw toStoreError(error, directory, 'readonly');
  }
};

/**
 * Creates the database as a new file, so an empty or partial `pennon.db` is always damage and never an
 * interrupted first start. If two processes start at once there is one database, and the lock decides which
 * process gets it.
 */
const createDatabase = (directory: string, path: string): void => {
  if (existsSync(walPath(path)))
    throw storeError('corrupt', path, 'it is missing, but its write-ahead log exists');
  try {
    writeNewFile(path, writeEmptyDatabase, linkIfMissing);
  } catch (error) {
    throw toStoreError(error, directory);
  }
};

const writeEmptyDatabase = (draft: string): void => {
  const database = new DatabaseSync(draft);
  try {
    chmodSync(draft, 0o600);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    migrate(database, 0);
  } finally {
    database.close();
  }
};

const linkIfMissing = (draft: string, path: string): void => {
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  }
};

/** SQLite opens a file without write access and fails only later. */
const requireWritable = (files: readonly string[]): void => {
  for (const file of files)
    try {
      accessSync(file, constants.R_OK | constants.W_OK);
    } catch (error) {
      throw toStoreError(error, file);
    }
};

/** SQLite treats an empty file as a new database and deletes its write-ahead log. */
const requireNotEmpty = (path: string, source = path): void => {
  if (statSync(path).size === 0) throw storeError('corrupt', source, 'the file is empty');
};

const initialize = (database: DatabaseSync, path: string): void => {
  const format = readFormat(database, path);
  checkPages(database, path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = ${WAL_SIZE_LIMIT_BYTES};
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
  `);
  migrate(database, format);
};

const pragma = (database: DatabaseSync, name: 'application_id' | 'user_version'): number =>
  integerColumn(database.prepare(`PRAGMA ${name}`).get(), name);

const readFormat = (database: DatabaseSync, path: string): number => {
  const format = pragma(database, 'user_version');
  if (pragma(database, 'application_id') !== APPLICATION_ID || format < 1)
    throw storeError('corrupt', path, 'it is not a Pennon database');
  if (format > FORMAT)
    throw storeError('newer', path, `format ${format}; this version reads up to ${FORMAT}`);
  return format;
};

/**
 * Finds damage at start instead of days later. Checks only the tables that a server reads completely at
 * start, so it takes about as long as that. The audit log can be gigabytes and is not checked: damage
 * there is reported as `corrupt` when it is read.
 */
const checkPages = (database: DatabaseSync, path: string): void => {
  for (const table of ['ledgers', 'documents']) {
    const found = textColumn(
      database.prepare(`PRAGMA quick_check('${table}')`).get(),
      'quick_check',
    );
    if (found !== 'ok') throw storeError('corrupt', path, found);
  }
};

const migrate = (database: DatabaseSync, from: number): void => {
  if (from === FORMAT) return;
  transaction(database, () => {
    for (const script of MIGRATIONS.slice(from)) database.exec(script);
    database.exec(`PRAGMA user_version = ${FORMAT}`);
  });
};

/** Writes the format that is already there, because only a write shows whether there is space. */
export const checkWritable = (database: DatabaseSync): void => {
  database.exec(`PRAGMA user_version = ${FORMAT}`);
};
