import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';

import { StoreError } from '../store.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** Returns a text column. Throws if it has another type, because only damage can cause that. */
export const textColumn = (row: Row | undefined, column: string): string => {
  const value = row?.[column];
  return typeof value === 'string' ? value : throwCorrupt(column, value);
};

/** Returns a column of bytes as a string with one character for each. */
export const bytesColumn = (row: Row | undefined, column: string): string => {
  const value = row?.[column];
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
    : throwCorrupt(column, value);
};

/** Returns an integer column. */
export const integerColumn = (row: Row | undefined, column: string): number => {
  const value = row?.[column];
  return typeof value === 'number' ? value : throwCorrupt(column, value);
};

const throwCorrupt = (column: string, value: SQLOutputValue | undefined): never => {
  throw new StoreError('corrupt', `the column "${column}" contains a ${typeof value}`);
};

/** Runs `work` in a transaction. */
export const transaction = <Result>(database: DatabaseSync, work: () => Result): Result => {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
};

/** SQLite rolls back by itself after some errors, for example if the disk is full, and then rejects this. */
const rollBack = (database: DatabaseSync): void => {
  try {
    database.exec('ROLLBACK');
  } catch {
    // The transaction has already ended.
  }
};
