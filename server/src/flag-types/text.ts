import type { CodeFlag } from '../flags/code.ts';

/** Longer texts are not names that code compares with, so the flag is any string then. */
const MAX_LITERAL_LENGTH = 100;

/** Returns the values of a string flag as literals, sorted, or undefined if it has long texts. */
export const literalsOf = ({ values }: CodeFlag): readonly string[] | undefined =>
  values.some(value => JSON.stringify(value).length > MAX_LITERAL_LENGTH + 2)
    ? undefined
    : [...new Set(values.map(value => JSON.stringify(value)))].toSorted();

/** Returns the description as one line, or undefined if there is none. */
export const commentOf = ({ description = '' }: CodeFlag): string | undefined =>
  description.replaceAll(/[\p{Cc}\p{Z}]+/gu, ' ').trim() || undefined;
