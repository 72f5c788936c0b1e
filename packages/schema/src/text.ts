import { z } from 'zod';

import { LIMITS } from './limits.ts';

/** Length in code points; an unpaired surrogate counts one. Python's `len` counts the same. */
const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/** Whether the text has `min` to `max` code points; counts only where UTF-16 units leave it open. */
export const hasLength = (text: string, min: number, max: number): boolean =>
  text.length >= min && (text.length <= max || codePoints(text) <= max);

/** Text of `min` to `max` code points. */
export const text = (min: number, max: number) =>
  z
    .string()
    .refine(value => hasLength(value, min, max), {
      error:
        min === 0 ? `must be at most ${max} characters` : `must be ${min} to ${max} characters`,
    })
    .meta({ minLength: min, maxLength: max });

const KEY = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** A flag, segment or environment key: always one safe path segment of a URL. */
export const Key = z
  .string()
  .max(LIMITS.keyLength, `must be 1 to ${LIMITS.keyLength} characters`)
  .regex(
    KEY,
    'must consist of letters, digits, ".", "_" and "-", start with a letter or digit, and not contain ".."',
  );

/** A variant's name or a rule's id. */
export const Name = text(1, LIMITS.nameLength);

/** An instant in UTC, as the server writes it: `2026-01-31T12:00:00.000Z`. */
export const Instant = z.iso.datetime({
  offset: true,
  error: 'must be a date and time such as 2026-01-31T12:00:00Z',
});

const encoder = new TextEncoder();

/** Bytes of the value's JSON text in UTF-8. */
export const jsonBytes = (value: unknown): number =>
  encoder.encode(JSON.stringify(value) ?? '').length;

/** A check for `superRefine`: the value's JSON text must fit in `max` bytes. */
export const fits = (max: number) => ({
  check: (value: unknown) => jsonBytes(value) <= max,
  error: `must be at most ${max / 1024} KiB as JSON`,
});
