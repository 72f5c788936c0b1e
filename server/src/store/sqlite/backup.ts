import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

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

/** `source` is the path to name if the file at `path` is damaged. */
const requireIntact = (path: string, source: string): void => {
  const database = openForReading(path, source);
  try {
    const found = textColumn(
      database.prepare('PRAGMA integrity_check(1)').get(),
      'integrity_check',
    );
    if (found !== 'ok') throw storeError('corrupt', source, found);
  } catch (error) {
    throw toStoreError(error, source, 'corrupt');
  } finally {
    database.close();
  }
};
