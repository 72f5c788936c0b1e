import type { EvaluationFlag, EvaluationSegment } from '@pennon/schema';

import { once } from '../once.ts';
import { mapSteps, type Steps } from '../slices.ts';

/** JSON in UTF-8, in pieces that other texts share. */
export type SharedText = readonly Uint8Array[];

type Definition = EvaluationFlag | EvaluationSegment;

/** The text of a definition, as a member after others. Serialized once, for all sets and changes that have it. */
const memberText = once((definition: Definition): Buffer =>
  Buffer.from(`,${JSON.stringify(definition.key)}:${JSON.stringify(definition)}`),
);

const removedText = (key: string): Buffer => Buffer.from(`,${JSON.stringify(key)}:null`);

type Definitions = Iterable<readonly [key: string, definition: Definition | null]>;

function* membersOf(definitions: Definitions): Steps<Uint8Array[]> {
  const members = yield* mapSteps(definitions, ([key, definition]) =>
    definition === null ? removedText(key) : memberText(definition),
  );
  // The first member follows no other one.
  return members.map((member, index) => (index === 0 ? member.subarray(1) : member));
}

const SEGMENTS = Buffer.from('},"segments":{');
const END = Buffer.from('}}');

/** Serializes a flag set, or a change of one. */
export function* textSteps({
  flags,
  segments,
  ...others
}: {
  readonly flags: Definitions;
  readonly segments: Definitions;
}): Steps<SharedText> {
  const start = Buffer.from(`${JSON.stringify(others).slice(0, -1)},"flags":{`);
  return [start, ...(yield* membersOf(flags)), SEGMENTS, ...(yield* membersOf(segments)), END];
}

export const bytesOfText = (text: SharedText): number =>
  text.reduce((sum, { length }) => sum + length, 0);
