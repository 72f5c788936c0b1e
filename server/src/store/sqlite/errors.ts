import { StoreError, type StoreErrorCode } from '../store.ts';

/** What each trouble means for the file or directory at `place`, and what to do about it. */
const MESSAGES = {
  unavailable: (place, detail) => `${place} cannot be used (${detail})`,
  full: (place, detail) =>
    `${place} has no room left (${detail}): the disk is full, or a quota or file size limit is reached. ` +
    'Nothing was written; free some space and try again',
  readonly: (place, detail) =>
    `${place} cannot be written to (${detail}). Give the user that runs Pennon write access to it, ` +
    'or choose another data directory',
  corrupt: (place, detail) =>
    `${place} is not sound Pennon data (${detail}). Pennon will not start afresh in its place: ` +
    'move it away and restore a backup of the data directory',
  locked: (place, detail) =>
    `${place} is in use by another process (${detail}). One process owns the data: stop the other one, ` +
    'or choose another data directory',
  newer: (place, detail) =>
    `${place} was written by a newer Pennon (${detail}). Start that version or a newer one, ` +
    'or restore a backup made before the upgrade',
} satisfies Record<StoreErrorCode, (place: string, detail: string) => string>;

export const storeError = (code: StoreErrorCode, place: string, detail: string): StoreError =>
  new StoreError(code, MESSAGES[code](place, detail));

/** SQLite's primary result codes; the lower 8 bits of what an error carries. */
const CODE_BY_PRIMARY_CODE: Readonly<Record<number, StoreErrorCode>> = {
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

/** A write that the system refused for any reason but ENOSPC: a quota, a file size limit, a bad disk. */
const SQLITE_IOERR_WRITE = 778;

const CODE_BY_SYSTEM_CODE: Readonly<Record<string, StoreErrorCode>> = {
  EACCES: 'readonly',
  EPERM: 'readonly',
  EROFS: 'readonly',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
};

/**
 * The StoreError that an error of SQLite or of the file system amounts to; other errors as they are.
 * `otherwise` is what an error amounts to that no table here names.
 */
export const asStoreError = (
  error: unknown,
  place: string,
  otherwise?: StoreErrorCode,
): unknown => {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const trouble = ofSqlite(error, otherwise) ?? ofSystem(error, otherwise);
  return trouble === undefined ? error : storeError(trouble, place, error.message);
};

const ofSqlite = (error: Error, otherwise?: StoreErrorCode): StoreErrorCode | undefined => {
  if (!('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  if (error.errcode === SQLITE_IOERR_WRITE) return 'full';
  return CODE_BY_PRIMARY_CODE[error.errcode & 0xff] ?? otherwise;
};

const ofSystem = (error: Error, otherwise?: StoreErrorCode): StoreErrorCode | undefined => {
  if (!('syscall' in error) || !('code' in error)) return undefined;
  return CODE_BY_SYSTEM_CODE[String(error.code)] ?? otherwise ?? 'unavailable';
};
