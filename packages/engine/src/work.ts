/**
 * Limits the work of one evaluation, so that no context, however large, can hold a process. One unit is about
 * 4 ns: what a regular expression needs at most for one character and one part of its pattern. Every engine
 * counts the same units, so all of them refuse the same evaluations. Ordinary evaluations count nothing.
 */
export const MAX_WORK = 10_000_000;

/** Text up to this length, in UTF-16 code units, is not counted. */
export const LONG_TEXT = 1_024;

/** Thrown by an evaluation that exceeds its limit. One object, because a stack trace takes time. */
export const WORK_EXCEEDED = new Error('the evaluation takes too much work');

let done = 0;

/** Begins an evaluation. */
export const resetWork = (): void => void (done = 0);

/** Returns the units that the current or last evaluation has used. */
export const workDone = (): number => done;

export const addWork = (units: number): void => {
  done += units;
  if (done > MAX_WORK) throw WORK_EXCEEDED;
};

/** Counts the reading of a text. */
export const addText = (text: string): void => {
  if (text.length > LONG_TEXT) addWork(text.length >>> 2);
};
