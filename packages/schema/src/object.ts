import { z } from 'zod';

const quoted = (names: readonly string[]): string => names.map(name => `"${name}"`).join(', ');

/** The longest name of a caller's own making that a message repeats, in UTF-16 units. */
const REPEATED_LENGTH = 50;
const REPEATED_NAMES = 5;

/** A caller's text as a message may repeat it: never long. */
export const shortened = (name: string): string =>
  name.length > REPEATED_LENGTH ? `${name.slice(0, REPEATED_LENGTH)}…` : name;

/** Says which fields are unknown; `allowed` is empty where the object's own fields are not known. */
export const unknownFields = (keys: readonly string[], allowed: readonly string[]): string => {
  const shown = quoted(keys.slice(0, REPEATED_NAMES).map(shortened));
  const more = keys.length > REPEATED_NAMES ? ` and ${keys.length - REPEATED_NAMES} more` : '';
  const remedy = allowed.length > 0 ? `the fields here are ${quoted(allowed)}` : 'leave it out';
  return `has unknown ${keys.length > 1 ? 'fields' : 'field'} ${shown}${more}; ${remedy}`;
};

/** A strict object whose refusal of an unknown field names the fields that it has. */
export const strictObject = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject
        ? unknownFields(issue.keys, Object.keys(issue.inst.shape))
        : undefined,
  });
