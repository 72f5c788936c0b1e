import { needsPatterns, references } from '@pennon/engine/core';
import type { References } from '@pennon/engine/core';
import { sameJson } from '@pennon/sync';

import { isFields, recordOf } from './flag-file.ts';
import type { Content, Fields } from './flag-file.ts';
import { inTurns } from './turns.ts';

/** What is known of a flag or a segment before it is compiled. */
type Study = { readonly names: References; readonly needsPatterns: boolean };
type Studies = ReadonlyMap<string, Study>;

/** Content that was looked through, and what was found in it. */
export type Taken = {
  readonly content: Content;
  readonly flags: Studies;
  readonly segments: Studies;
};

/** So few are looked at within one turn of the event loop: a millisecond or two, also in code that never ran before. */
const IN_ONE_TURN = 100;

/** A record, and what is known of each of its values. */
type Looked = { readonly record: Fields; readonly studies: Studies };

const NOTHING: Looked = { record: {}, studies: new Map() };

const lookInto = (definition: unknown): Study => ({
  names: references(definition),
  needsPatterns: needsPatterns(definition),
});

/** The value of before where the new one says the same, which is then known already. */
const takeOne = (before: Looked, name: string, value: unknown) => {
  const known = before.studies.get(name);
  return known !== undefined && sameJson(before.record[name], value)
    ? { value: before.record[name], study: known }
    : { value, study: lookInto(value) };
};

const takeEach = async (before: Looked, after: Fields): Promise<Looked> => {
  const studies = new Map<string, Study>();
  const record: Record<string, unknown> = {};
  // Inherits nothing, so that `__proto__` is a name like any other.
  Object.setPrototypeOf(record, null);
  await inTurns(Object.keys(after), IN_ONE_TURN, name => {
    const { value, study } = takeOne(before, name, after[name]);
    record[name] = value;
    studies.set(name, study);
  });
  return { record, studies };
};

/**
 * The content with the objects of the one before wherever they say the same, so that only what is new is
 * looked into and compiled. Takes as many turns of the event loop as it takes, and none of them for long.
 */
export const takeOver = async (before: Taken | undefined, after: Content): Promise<Taken> => {
  const of = (name: 'flags' | 'segments'): Looked =>
    before === undefined
      ? NOTHING
      : { record: recordOf(before.content[name]), studies: before[name] };
  const flags = await takeEach(of('flags'), after.flags);
  const segments = await takeEach(of('segments'), recordOf(after.segments));
  return {
    content: {
      ...after,
      flags: flags.record,
      // What is no record of segments is for the engine to refuse.
      segments: isFields(after.segments) ? segments.record : after.segments,
    },
    flags: flags.studies,
    segments: segments.studies,
  };
};

/** Whether there is a flag or a segment that only regular expressions can decide. */
export const wantsPatterns = ({ flags, segments }: Taken): boolean => {
  for (const { needsPatterns: needy } of flags.values()) if (needy) return true;
  for (const { needsPatterns: needy } of segments.values()) if (needy) return true;
  return false;
};
