import { StoreError, type StoreErrorCode } from '../store.ts';

/** What each code means for a file or directory, and what to do about it. */
const MESSAGES = {
  unavailable: (path, detail) => `${path} cannot be used (${detail})`,
  missing: (path, detail) => `${path} is missing (${detail})`,
  replaced: (path, detail) => `${path} has the data of another installation (${detail})`,
  full: (path, detail) =>
    `${path} cannot grow (${detail}): the disk is full, or a quota or file size limit is reached. ` +
    'Nothing was written; free some space and try again',
  readonly: (path, detail) =>
    `${path} cannot be written to (${detail}). Give the user that runs Pennon write access to it, ` +
    'or choose another data directory',
  corrupt: (path, detail) =>
    `${path} is not valid Pennon data (${detail}). Pennon does not overwrite it: ` +
    'move it away and restore a backup of the data directory',
  locked: (path, detail) =>
    `${path} is in use by another process (${detail}). Only one process can use it: stop the other one, ` +
    'or choose another data directory',
  newer: (path, detail) =>
    `${path} was written by a newer Pennon (${detail}). Start that version or a newer one, ` +
    'or restore a backup from before the upgrade',
} satisfies Record<StoreErrorCode, (path: string, detail: string) => string>;

export const storeError = (code: StoreErrorCode, path: string, detail: string): StoreError =>
  new StoreError(code, MESSAGES[code](path, detail));

/** By SQLite's primary result code, the lower 8 bits of an error code. */
const CODE_BY_SQLITE_CODE: Readonly<Record<number, StoreErrorCode>> = {
  5: 'locked', // SQLITE_BUSY
  6: 'locked', // SQLITE_LOCKED
  7: 'unavailable', // SQLITE_NOMEM
  8: 'readonly', // SQLITE_READONLY
  10: 'unavailable', // SQLITE_IOERR
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'full', // SQLITE_FULL
  14: 'unavailable', // SQLITE_CANTOPEN
  26: 'corrupt', // SQLITE_NOTADB
};

/**
 * A write, or the growth of the shared memory file, failed for a reason other than ENOSPC: a quota, a file
 * size limit or a broken disk.
 */
const CANNOT_GROW: ReadonlySet<number> = new Set([778, 4874]); // SQLITE_IOERR_WRITE, _SHMSIZE

const CODE_BY_SYSTEM_CODE: Readonly<Record<string, StoreErrorCode>> = {
  EACCES: 'readonly',
  EPERM: 'readonly',
  EROFS: 'readonly',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
};

/**
 * Converts errors of SQLite and the file system to StoreErrors, and returns other errors unchanged.
 * `fallback` is the code for an error that the tables do not list.
 */
export const toStoreError = (error: unknown, path: string, fallback?: StoreErrorCode): unknown => {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const code = sqliteErrorCode(error, fallback) ?? systemErrorCode(error, fallback);
  return code === undefined ? error : storeError(code, path, error.message);
};

const sqliteErrorCode = (error: Error, fallback?: StoreErrorCode): StoreErrorCode | undefined => {
  if (!('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  if (CANNOT_GROW.has(error.errcode)) return 'full';
  return CODE_BY_SQLITE_CODE[error.errcode & 0xff] ?? fallback;
};

const systemErrorCode = (error: Error, fallback?: StoreErrorCode): StoreErrorCode | undefined => {
  if (!('syscall' in error) || !('code' in error)) return undefined;
  return CODE_BY_SYSTEM_CODE[String(error.code)] ?? fallback ?? 'unavailable';
};
