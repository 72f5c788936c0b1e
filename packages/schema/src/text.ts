import { z } from 'zod';

import { LIMITS } from './limits.ts';

/** Length in code points; an unpaired surrogate counts one. Python's `len` counts the same. */
const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/**
 * Whether the text has `min` to `max` code points. Counts only where the number of UTF-16 units, one
 * or two a code point, leaves it open, so that a very long text costs nothing.
 */
export const hasLength = (text: string, min: number, max: number): boolean => {
  if (text.length < min || text.length > 2 * max) return false;
  if (text.length >= 2 * min && text.length <= max) return true;
  const length = codePoints(text);
  return length >= min && length <= max;
};

/** Text of `min` to `max` code points. */
export const text = (min: number, max: number) =>
  z
    .string()
    .refine(value => hasLength(value, min, max), {
      error:
        min === 0 ? `must be at most ${max} characters` : `must be ${min} to ${max} characters`,
    })
    .meta(min === 0 ? { maxLength: max } : { minLength: min, maxLength: max });

/** A flag, segment or environment key: always one safe path segment of a URL. */
export const Key = z
  .string()
  .min(1, `must be 1 to ${LIMITS.keyLength} characters`)
  .max(LIMITS.keyLength, `must be 1 to ${LIMITS.keyLength} characters`)
  .regex(
    /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'must consist of letters, digits, ".", "_" and "-", start with a letter or digit, and not contain ".."',
  );

/** A variant's name or a rule's id: any text of 1 to 100 code points. */
export const Name = text(1, LIMITS.nameLength);

/** An instant, of the years 0000 to 9999, in UTC or with an offset: `2026-01-31T12:00:00.000Z`. */
export const Instant = z.iso.datetime({
  offset: true,
  error: 'must be a date and time such as "2026-01-31T12:00:00Z"',
});

const encoder = new TextEncoder();

/** Bytes of the value's JSON text in UTF-8; 0 for what JSON cannot say. */
export const jsonBytes = (value: unknown): number =>
  encoder.encode(JSON.stringify(value) ?? '').length;

/** One UTF-16 unit is at most six bytes of JSON text: `\u0000`. */
const surelyFits = (value: unknown, max: number): boolean =>
  typeof value === 'string' ? 6 * value.length + 2 <= max : typeof value !== 'object';

/** The arguments of a `refine`: the value's JSON text must fit in `max` bytes. */
export const fits = (max: number) =>
  [
    (value: unknown) => surelyFits(value, max) || jsonBytes(value) <= max,
    `must be at most ${max / 1024} KiB as JSON`,
  ] as const;
