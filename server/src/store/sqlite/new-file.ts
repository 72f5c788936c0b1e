import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Writes a draft under a temporary name and links it to `target` once it is on disk, so a partial file never
 * has that name. `link` must not overwrite a file.
 */
export const writeNewFile = (
  target: string,
  write: (draft: string) => void,
  link: (draft: string, target: string) => void = linkSync,
): void => {
  const directory = dirname(target);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const temporary = mkdtempSync(join(directory, 'new-'));
  try {
    const draft = join(temporary, 'pennon.db');
    write(draft);
    chmodSync(draft, 0o600);
    sync(draft, 'r+');
    link(draft, target);
    sync(directory, 'r');
  } finally {
    rmSync(temporary, { recursive: true });
  }
};

const sync = (path: string, mode: 'r' | 'r+'): void => {
  const handle = openSync(path, mode);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};
