import type { SQLOutputValue } from 'node:sqlite';

import { StoreError } from '../store.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** A text column. Anything else was not written by us. */
export const text = (row: Row | undefined, column: string): string => {
  const value = row?.[column];
  return typeof value === 'string' ? value : refuse(column, value);
};

/** A column of whole numbers. */
export const whole = (row: Row | undefined, column: string): number => {
  const value = row?.[column];
  return typeof value === 'number' ? value : refuse(column, value);
};

const refuse = (column: string, value: SQLOutputValue | undefined): never => {
  throw new StoreError('corrupt', `the column "${column}" holds a ${typeof value}`);
};
