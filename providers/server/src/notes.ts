import type { LastError } from '@pennon/sync';

/** What went wrong with the flags themselves: with copies and files, and with what a source told. */
export type Notes = {
  readonly note: (message: string) => void;
  /** Whether all is well; else it is noted why not. */
  readonly isWell: (trouble: string | undefined) => boolean;
  readonly last: () => LastError | undefined;
};

export const createNotes = (now: () => number): Notes => {
  let last: LastError | undefined;
  const note = (message: string) => {
    last = { message, status: undefined, at: now() };
  };
  return {
    note,
    isWell(trouble) {
      if (trouble !== undefined) note(trouble);
      return trouble === undefined;
    },
    last: () => last,
  };
};

export const later = (a: LastError | undefined, b: LastError | undefined): LastError | undefined =>
  a !== undefined && (b === undefined || a.at > b.at) ? a : b;
