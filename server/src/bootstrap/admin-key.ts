import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Random } from '../random.ts';

/** The file that a first start without PENNON_ADMIN_KEY leaves its key in, for its owner alone. */
export type AdminKeyFile = {
  readonly path: string;
  exists(): boolean;
  /** The key in the file; undefined where there is none, or this user may not read it. */
  read(): string | undefined;
  /** The key in the file, made now where there is none. It is on disk before anybody relies on it. */
  readonly readOrMake: () => string;
  /** Removes a key that no longer holds. */
  remove(): void;
};

const KEY_LENGTH = 40;

export const adminKeyFile = (directory: string, random: Random): AdminKeyFile => {
  const path = join(directory, 'admin-key');
  const readKey = () => readFileSync(path, 'utf8').trim();
  const make = () => {
    const key = `pennon_admin_${random(KEY_LENGTH)}`;
    writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
    chmodSync(path, 0o600);
    return key;
  };
  return {
    path,
    exists: () => existsSync(path),
    read() {
      try {
        return readKey();
      } catch {
        return undefined;
      }
    },
    readOrMake: () => (existsSync(path) ? readKey() : make()),
    remove: () => rmSync(path, { force: true }),
  };
};
