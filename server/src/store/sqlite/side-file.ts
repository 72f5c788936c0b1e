import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { storeError, toStoreError } from './errors.ts';
import { integerColumn, transaction } from './sql.ts';

/** A file beside `pennon.db`. */
export type SideFile = {
  readonly name: string;
  readonly applicationId: number;
  /** The scripts that make each format from the one before. */
  readonly migrations: readonly string[];
  /** What it has, for errors. */
  readonly content: string;
};

/**
 * Runs work on a file of its own, so that damage to it affects no flag. It is opened at first use, and again after an
 * error.
 */
export const openSideFile = (directory: string, file: SideFile) => {
  const path = join(directory, file.name);
  let open: DatabaseSync | undefined;
  const close = () => {
    open?.close();
    open = undefined;
  };
  const run = <Result>(work: (database: DatabaseSync) => Result): Result => {
    try {
      const database = (open ??= openDatabase(path, file));
      return transaction(database, () => work(database));
    } catch (error) {
      close();
      throw toStoreError(error, path, 'corrupt');
    }
  };
  return { run, close };
};

const openDatabase = (path: string, file: SideFile): DatabaseSync => {
  const database = new DatabaseSync(path);
  try {
    chmodSync(path, 0o600);
    // The last second may be lost with the power, but never more.
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF',
    );
    migrate(database, path, file);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
};

const migrate = (
  database: DatabaseSync,
  path: string,
  { applicationId, migrations, content }: SideFile,
): void => {
  const read = (name: string) => integerColumn(database.prepare(`PRAGMA ${name}`).get(), name);
  const format = read('user_version');
  if (format > 0 && read('application_id') !== applicationId)
    throw storeError('corrupt', path, `it has no ${content} of Pennon`);
  if (format > migrations.length)
    throw storeError(
      'newer',
      path,
      `format ${format}; this version reads up to ${migrations.length}`,
    );
  if (format === migrations.length) return;
  transaction(database, () => {
    for (const script of migrations.slice(format)) database.exec(script);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
};
