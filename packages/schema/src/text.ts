import { z } from 'zod';

import { LIMITS } from './limits.ts';

/** Returns the length in code points, as Python's `len` does. An unpaired surrogate counts as one. */
const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/**
 * Whether the text has `min` to `max` code points. Counts them only if the number of UTF-16 units, one
 * or two per code point, leaves it open, so very long texts are cheap to refuse.
 */
export const hasLength = (text: string, min: number, max: number): boolean => {
  if (text.length < min || text.length > 2 * max) return false;
  if (text.length >= 2 * min && text.length <= max) return true;
  const length = codePoints(text);
  return length >= min && length <= max;
};

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'a boolean',
};

const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : (TYPE_NAMES[typeof value] ?? 'an object');
};

/** Returns the message for a value of the wrong type. `expectation` begins with "must be". */
export const expected = (expectation: string, value: unknown): string =>
  value === undefined ? `is missing: it ${expectation}` : `${expectation}, not ${typeOf(value)}`;

/** A schema for text of `min` to `max` code points. `what` describes it, for messages. */
export const text = (min: number, max: number, what = 'a string') =>
  z
    .string({ error: ({ input }) => expected(`must be ${what}`, input) })
    .refine(value => hasLength(value, min, max), {
      error:
        min === 0 ? `must be at most ${max} characters` : `must be ${min} to ${max} characters`,
    })
    .meta(min === 0 ? { maxLength: max } : { minLength: min, maxLength: max });

const isBlank = (value: string): boolean => value !== '' && value.trim() === '';
const notBlank = [
  (value: string) => !isBlank(value),
  'must not consist of white space only',
] as const;

/** A schema for one line of text in a request. What is stored may have any text. */
export const line = (min: number, max: number) =>
  text(min, max)
    .refine(value => !/\p{Cc}/u.test(value), 'must be one line of text, without control characters')
    .refine(...notBlank);

/** A schema for several lines of text in a request. */
export const lines = (min: number, max: number) =>
  text(min, max)
    .refine(
      value => !/[^\P{Cc}\t\n\r]/u.test(value),
      'must not have control characters, apart from tabs and line breaks',
    )
    .refine(...notBlank);

/** Returns the arguments of `refine` that refuse a list with the same `what` twice. */
export const distinct = (what: string) =>
  [
    (list: readonly string[]) => new Set(list).size === list.length,
    `must not name the same ${what} twice`,
  ] as const;

/** A flag, segment or environment key. Always one URL path segment that needs no encoding. */
export const Key = z
  .string()
  .min(1, `must be 1 to ${LIMITS.keyLength} characters`)
  .max(LIMITS.keyLength, `must be 1 to ${LIMITS.keyLength} characters`)
  .regex(
    /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'must consist of letters, digits, ".", "_" and "-", start with a letter or digit, and not contain ".."',
  );

/** The name of a variant or the id of a rule: any text of 1 to 100 code points. */
export const Name = text(1, LIMITS.nameLength);

/** A name in a request. */
export const NameInput = line(1, LIMITS.nameLength);

/** A date and time in UTC or with an offset, years 0000 to 9999: `2026-01-31T12:00:00.000Z`. */
export const Instant = z.iso.datetime({
  offset: true,
  error: 'must be a date and time such as "2026-01-31T12:00:00Z"',
});

const encoder = new TextEncoder();

/** Returns the size of the value as JSON in UTF-8, or 0 if JSON cannot represent it. */
export const jsonBytes = (value: unknown): number =>
  encoder.encode(JSON.stringify(value) ?? '').length;

/** A cheap check before encoding. A UTF-16 unit takes at most six bytes of JSON: `\u0000`. */
export const surelyFits = (value: unknown, max: number): boolean =>
  typeof value === 'string' ? 6 * value.length + 2 <= max : typeof value !== 'object';

/** Returns the arguments of `refine` that limit a value to `max` bytes of JSON. */
export const fits = (max: number) =>
  [
    (value: unknown) => surelyFits(value, max) || jsonBytes(value) <= max,
    `must be at most ${max / 1024} KiB as JSON`,
  ] as const;
