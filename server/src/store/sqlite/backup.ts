import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

import { storeError, toStoreError } from './errors.ts';
import { databasePath, openForReading } from './file.ts';
import { writeNewFile } from './new-file.ts';
import { textColumn } from './sql.ts';

/**
 * Writes a whole copy of the database to a new file that only its owner can read. The server may be running
 * and writing: `VACUUM INTO` copies one state in one read transaction. (SQLite's other online backup starts
 * again after each write of another process.)
 */
export const backUp = (directory: string, file: string): void => {
  const target = resolve(file);
  if (existsSync(target)) throw new Error(`${target} exists: choose a new name`);
  const database = openForReading(databasePath(directory));
  try {
    writeNewFile(target, draft => {
      database.exec(`VACUUM INTO '${draft.replaceAll("'", "''")}'`);
    });
  } catch (error) {
    throw toStoreError(error, target);
  } finally {
    database.close();
  }
};

/** Creates the database of an empty directory from a backup, which must be whole. */
export const restore = (directory: string, file: string): void => {
  const source = resolve(file);
  if (!existsSync(source)) throw new Error(`${source} does not exist`);
  if (!statSync(source).isFile()) throw new Error(`${source} is not a file`);
  requireEmpty(directory);
  const target = databasePath(directory);
  try {
    writeNewFile(target, draft => {
      copyFileSync(source, draft);
      requireIntact(draft, source);
    });
  } catch (error) {
    throw toStoreError(error, target);
  }
};

/** Throws a StoreError if a part of the directory's database is damaged, its audit log included. */
export const requireIntactData = (directory: string): void => {
  const path = databasePath(directory);
  requireIntact(path, path);
};

/** ext4 creates `lost+found` in a volume that is otherwise empty. */
const requireEmpty = (directory: string): void => {
  if (!existsSync(directory)) return;
  const files = readdirSync(directory).filter(name => name !== 'lost+found');
  if (files.length > 0)
    throw new Error(
      `${directory} is not empty (it contains ${files[0]}): restore into a new directory`,
    );
};

/** The columns that contain JSON, which SQLite itself does not check. */
const JSON_COLUMNS = [
  ['documents', 'document'],
  ['versions', 'entry'],
  ['audit', 'entry'],
] as const;

const requireJson = (
  database: DatabaseSync,
  source: string,
  { table, column }: { readonly table: string; readonly column: string },
): void => {
  // A backup of an earlier format lacks the versions.
  const exists = database.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table);
  if (exists === undefined) return;
  const query = `SELECT key FROM ${table} WHERE NOT json_valid(${column}) LIMIT 1`;
  const damaged = database.prepare(query).get();
  if (damaged !== undefined)
    throw storeError(
      'corrupt',
      source,
      `an entry of ${table} for ${String(damaged['key'])} is not JSON`,
    );
};

/** `source` is the path to name if the file at `path` is damaged. */
const requireIntact = (path: string, source: string): void => {
  const database = openForReading(path, source);
  try {
    const found = textColumn(
      database.prepare('PRAGMA integrity_check(1)').get(),
      'integrity_check',
    );
    if (found !== 'ok') throw storeError('corrupt', source, found);
    for (const [table, column] of JSON_COLUMNS) requireJson(database, source, { table, column });
  } catch (error) {
    throw toStoreError(error, source, 'corrupt');
  } finally {
    database.close();
  }
};
