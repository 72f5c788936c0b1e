import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { storeError, toStoreError } from './errors.ts';
import { integerColumn, transaction } from './sql.ts';
import { USAGE_APPLICATION_ID, USAGE_MIGRATIONS } from './usage-format.ts';

const usagePath = (directory: string): string => join(directory, 'usage.db');

/**
 * Runs work on `usage.db`, which is a file of its own so that damage to it affects no flag. It is opened at first use,
 * and again after an error.
 */
export const openUsageFile = (directory: string) => {
  const path = usagePath(directory);
  let open: DatabaseSync | undefined;
  const close = () => {
    open?.close();
    open = undefined;
  };
  const run = <Result>(work: (database: DatabaseSync) => Result): Result => {
    try {
      const database = (open ??= openDatabase(path));
      return transaction(database, () => work(database));
    } catch (error) {
      close();
      throw toStoreError(error, path, 'corrupt');
    }
  };
  return { run, close };
};

const openDatabase = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path);
  try {
    chmodSync(path, 0o600);
    // The last second may be lost with the power, but never more.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF',
    );
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
};

const migrate = (database: DatabaseSync, path: string): void => {
  const read = (name: string) => integerColumn(database.prepare(`PRAGMA ${name}`).get(), name);
  const format = read('user_version');
  if (format > 0 && read('application_id') !== USAGE_APPLICATION_ID)
    throw storeError('corrupt', path, 'it has no usage of Pennon');
  if (format > USAGE_MIGRATIONS.length)
    throw storeError(
      'newer',
      path,
      `format ${format}; this version reads up to ${USAGE_MIGRATIONS.length}`,
    );
  if (format === USAGE_MIGRATIONS.length) return;
  transaction(database, () => {
    for (const script of USAGE_MIGRATIONS.slice(format)) database.exec(script);
    database.exec(`PRAGMA application_id = ${USAGE_APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${USAGE_MIGRATIONS.length}`);
  });
};
