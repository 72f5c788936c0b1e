import { z } from 'zod';

const quoted = (names: readonly string[]): string => names.map(name => `"${name}"`).join(', ');

/** The longest name of a caller's own making that a message repeats, in UTF-16 units. */
const REPEATED_LENGTH = 50;
/** A caller's text as a message may repeat it: never long. */
export const shortened = (name: string): string =>
  name.length > REPEATED_LENGTH ? `${name.slice(0, REPEATED_LENGTH)}…` : name;

/** Says of an unknown field what is known; `allowed` is empty where the object's own fields are not. */
export const unknownField = (allowed: readonly string[]): string =>
  allowed.length > 0
    ? `is an unknown field; the fields here are ${quoted(allowed)}`
    : 'is an unknown field; leave it out';

/** A strict object whose refusal of an unknown field names the fields that it has. */
export const strictObject = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject
        ? unknownField(Object.keys(issue.inst.shape))
        : undefined,
  });
