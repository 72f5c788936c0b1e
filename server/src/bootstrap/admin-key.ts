import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ConfigError } from '../config.ts';
import type { Random } from '../random.ts';
import { StoreError } from '../store/store.ts';
import type { StoreLocation } from '../store/stores.ts';

/** The admin key that a first start without PENNON_ADMIN_KEY generates. */
export type GeneratedAdminKey = {
  /** Returns the key. Generates and stores it first if there is none. */
  readonly readOrCreate: () => string;
  /** Returns the key, or undefined when there is none that can be read. */
  readonly read: () => string | undefined;
  /** Removes a key that is no longer valid. */
  readonly remove: () => void;
  /** A line that shows the location of the key, or the key itself if it has none. */
  readonly notice: () => string;
  /** The key as a word of a shell command. */
  readonly shellWord: () => string;
};

const KEY_LENGTH = 40;

const generateKey = (random: Random): string => `pennon_admin_${random(KEY_LENGTH)}`;

/** Returns how a server with this store handles a generated admin key. */
export const generatedAdminKeyFor = (
  { isShared, data }: StoreLocation,
  random: Random,
): GeneratedAdminKey => {
  if (isShared) return NO_GENERATED_KEY;
  if (data === undefined) return adminKeyInMemory(random);
  const file = adminKeyFile(data.directory, random);
  if (existsSync(file.path) && !data.exists())
    throw new StoreError(
      'corrupt',
      `${data.directory} has an admin key but no database: restore pennon.db from a backup, or remove ${file.path} to start with empty data`,
    );
  return file;
};

/** Servers that share a store need the same key, and a file of one server is not visible to the others. */
const NO_GENERATED_KEY: GeneratedAdminKey = {
  readOrCreate() {
    throw new ConfigError(
      'the store is empty, and its first start requires an admin key that all servers share: ' +
        'set PENNON_ADMIN_KEY to at least 24 characters',
    );
  },
  read: () => undefined,
  remove: () => {},
  notice: () => '',
  shellWord: () => '$PENNON_ADMIN_KEY',
};

/** Without a file the key itself is shown. It is valid until the server stops. */
const adminKeyInMemory = (random: Random): GeneratedAdminKey => {
  const key = generateKey(random);
  return {
    readOrCreate: () => key,
    read: () => key,
    remove: () => {},
    notice: () => `The admin key is ${key} until the server stops`,
    shellWord: () => key,
  };
};

/** A file that only its owner can read. It is on disk before the key is used. */
const adminKeyFile = (
  directory: string,
  random: Random,
): GeneratedAdminKey & { readonly path: string } => {
  const path = join(directory, 'admin-key');
  const readKey = () => readFileSync(path, 'utf8').trim();
  return {
    path,
    read() {
      try {
        return readKey();
      } catch {
        return undefined;
      }
    },
    readOrCreate() {
      if (existsSync(path)) return readKey();
      const key = generateKey(random);
      writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
      chmodSync(path, 0o600);
      return key;
    },
    remove: () => rmSync(path, { force: true }),
    notice: () => `The admin key is in ${path}`,
    shellWord: () => `$(cat '${path.replaceAll("'", `'\\''`)}')`,
  };
};
