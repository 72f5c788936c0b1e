import { dirname } from 'node:path';

import { files } from './files.ts';
import type { Content } from './flag-file.ts';

/** The last flags that were good, in a file that is at every moment either the old or the new one, whole. */
export type CacheFile = {
  /** Writes in the background; of several that wait, only the newest. */
  save(content: Content): void;
  /** Resolves when all is written. Nothing is from then on. */
  close(): Promise<void>;
};

let drafts = 0;

const writeWhole = async (path: string, content: Content): Promise<void> => {
  const { mkdir, open, rename, rm } = await files();
  await mkdir(dirname(path), { recursive: true });
  drafts += 1;
  const draft = `${path}.${process.pid}.${drafts}.tmp`;
  try {
    // For its owner's eyes: rules may name people.
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(content));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
};

export const createCacheFile = (path: string, onTrouble: (message: string) => void): CacheFile => {
  let next: Content | undefined;
  let writing: Promise<void> | undefined;
  let closed = false;

  const writeAll = async (): Promise<void> => {
    while (next !== undefined) {
      const content = next;
      next = undefined;
      try {
        await writeWhole(path, content);
      } catch (error) {
        onTrouble(
          `${path} was not written: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
    writing = undefined;
  };

  return {
    save(content) {
      if (closed) return;
      next = content;
      writing ??= writeAll();
    },
    async close() {
      closed = true;
      await writing;
    },
  };
};
