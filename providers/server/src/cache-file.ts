import { dirname } from 'node:path';

import type { RawFlagSet } from './flag-file.ts';

/** Saves the last known good flags. Readers see the previous or the new flag set, never a part of one. */
export type CacheFile = {
  /** Writes in the background. While a write is in progress, only the latest flag set is kept for the next. */
  save(flagSet: RawFlagSet): void;
  /** Resolves when everything is written. Later calls of `save` do nothing. */
  close(): Promise<void>;
};

let temporaryFiles = 0;

const writeAtomically = async (path: string, flagSet: RawFlagSet): Promise<void> => {
  const { mkdir, open, rename, rm } = await import('node:fs/promises');
  await mkdir(dirname(path), { recursive: true });
  temporaryFiles += 1;
  const temporary = `${path}.${process.pid}.${temporaryFiles}.tmp`;
  try {
    // Only the owner may read it: rules may contain personal data.
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(flagSet));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
};

/** `onError` receives the reason of a failed write. */
export const createCacheFile = (path: string, onError: (message: string) => void): CacheFile => {
  let pending: RawFlagSet | undefined;
  let writing: Promise<void> | undefined;
  let closed = false;

  const writePending = async (): Promise<void> => {
    while (pending !== undefined) {
      const flagSet = pending;
      pending = undefined;
      try {
        await writeAtomically(path, flagSet);
      } catch (error) {
        onError(
          `${path} could not be written: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
    writing = undefined;
  };

  return {
    save(flagSet) {
      if (closed) return;
      pending = flagSet;
      writing ??= writePending();
    },
    async close() {
      closed = true;
      await writing;
    },
  };
};
