import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { storeError, toStoreError } from './errors.ts';
import { databasePath, openForReading, syncDirectory } from './file.ts';
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
  } finally {
    database.close();
  }
};

/** Creates the database of an empty directory from a backup, which must be whole. */
export const restore = (directory: string, file: string): void => {
  const source = resolve(file);
  if (!existsSync(source)) throw new Error(`${source} does not exist`);
  requireEmpty(directory);
  writeNewFile(databasePath(directory), draft => {
    copyFileSync(source, draft);
    requireIntact(draft, source);
  });
};

/** Throws a StoreError if a part of the directory's database is damaged, its audit log included. */
export const requireSoundData = (directory: string): void => {
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

/** Writes a draft and gives it its name once it is on disk, so a partial file never has that name. */
const writeNewFile = (target: string, write: (draft: string) => void): void => {
  const directory = dirname(target);
  let temporary: string | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    temporary = mkdtempSync(join(directory, 'new-'));
    const draft = join(temporary, 'pennon.db');
    write(draft);
    chmodSync(draft, 0o600);
    syncFile(draft);
    linkSync(draft, target);
    syncDirectory(directory);
  } catch (error) {
    throw toStoreError(error, target);
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true });
  }
};

const syncFile = (path: string): void => {
  const handle = openSync(path, 'r+');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};
