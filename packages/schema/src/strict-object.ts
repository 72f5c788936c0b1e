import { z } from 'zod';

const quoted = (names: readonly string[]): string => names.map(name => `"${name}"`).join(', ');

/** The length in UTF-16 units to which a message shortens names of the input. */
const REPEATED_LENGTH = 50;
/** Returns a name of the input, shortened if it is too long for a message. */
export const shortened = (name: string): string =>
  name.length > REPEATED_LENGTH ? `${name.slice(0, REPEATED_LENGTH)}…` : name;

/** Returns the message for an unknown field. `allowed` is empty for schemas that cannot list their fields. */
export const unknownField = (allowed: readonly string[]): string =>
  allowed.length > 0
    ? `is an unknown field; the fields here are ${quoted(allowed)}`
    : 'is an unknown field; leave it out';

/** Returns a strict object schema. If a field is unknown, its message lists the known fields. */
export const strictObject = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject
        ? unknownField(Object.keys(issue.inst.shape))
        : undefined,
  });
