const TYPES = 'must be a flag, or its value: a boolean, a string, a number or an object';
const ENABLED = 'must have true or false as "enabled"; an object as value belongs in "variants"';

/** Flags of an application that are malformed, and the message for each, without the key of the flag. */
export const MALFORMED_FLAGS: readonly [flag: unknown, message: string][] = [
  [null, TYPES],
  [undefined, TYPES],
  [[true], TYPES],
  [Number.NaN, TYPES],
  [() => true, TYPES],
  [{ enabled: 'x' }, ENABLED],
  [{ enabled: null }, ENABLED],
  [{ enabled: 1, color: 'red' }, ENABLED],
  [{ variants: { a: 'x' }, defaultVariant: 'a' }, ENABLED],
  [{ enabled: true, defaultVarient: 'off' }, 'there is no field "defaultVarient"; '],
  [{ enabled: true, colour: 'red' }, 'there is no field "colour"; the fields are key'],
];
