import type { CompiledFlagSet } from '@pennon/engine';

import type { IndexedFlagSet } from '../flag-set/documents.ts';
import { conditionsLogic, type References } from './conditions.ts';
import { referTo, spellOut, type Logic } from './logic.ts';
import { variantLogic } from './targeting.ts';
import { attempt, Unsupported } from './unsupported.ts';

/** Characters of JSON that the rules of one flag may have with all that is inserted into them. */
const MAX_LENGTH = 256 * 1024;

export const SEGMENT_PREFIX = 'segment:';

/** What other rules refer to, with its length as JSON. */
type Part = { readonly logic: Logic; readonly text: string };

/** Finds the logic of the segments and flags that rules refer to, each once. */
export type Definitions = {
  /** The segments that rules refer to by name. */
  readonly shared: () => readonly (readonly [name: string, logic: Logic])[];
  /** Returns the references of one flag, which throw `Unsupported` for what flagd cannot express. */
  readonly referencesOf: () => References;
  /** Returns the text of rules and of the segments that they refer to by name. */
  readonly withSegments: (text: string) => string;
};

const SHARED_SEGMENT = new RegExp(`\\{"\\$ref":"${SEGMENT_PREFIX}([^"]+)"\\}`, 'g');

const partOf = (logic: Logic): Part => ({ logic, text: JSON.stringify(logic) });

const memoized = <Value>(compute: (key: string) => Value) => {
  const known = new Map<string, Value>();
  return (key: string): Value => {
    const found = known.get(key) ?? compute(key);
    known.set(key, found);
    return found;
  };
};

const refuse = (reason: string): never => {
  throw new Unsupported(reason);
};

const requirePart = (part: Part | Unsupported, name: string): Part =>
  part instanceof Unsupported ? refuse(`${name} cannot be exported: ${part.message}`) : part;

/**
 * Whether flagd can insert a segment by reference. Its engines replace references in the text of the document,
 * by regular expressions, so neither the name nor the text may have characters with a meaning there. And what they
 * insert has no references itself.
 */
const canBeShared = (key: string, { text }: Part): boolean =>
  !key.includes('.') && !/[$\\]/.test(text);

/** A segment refers to nothing. */
const IN_SEGMENTS: References = {
  type: spellOut,
  segment: key => refuse(`it refers to the segment "${key}"`),
  flag: key => refuse(`it refers to the flag "${key}"`),
};

/** Counts the characters that are inserted into the rules of one flag. */
const createBudget = () => {
  let left = MAX_LENGTH;
  return (length: number): void => {
    left -= length;
    if (left < 0) refuse('its rules are too large with the flags and segments that they refer to');
  };
};

export const createDefinitions = (
  { flags, segments }: IndexedFlagSet,
  compiled: CompiledFlagSet,
): Definitions => {
  const segmentPart = memoized(key =>
    attempt(() => partOf(conditionsLogic(segments.get(key)?.conditions ?? [], IN_SEGMENTS))),
  );

  const flagPart = memoized((key: string): Part | Unsupported =>
    attempt(() => {
      const flag = flags.get(key);
      const isBroken = flag === undefined || compiled.problemsOf(key).length > 0;
      return partOf(isBroken ? null : variantLogic(flag, referencesOf()));
    }),
  );

  const referencesOf = (): References => {
    const spend = createBudget();
    return {
      type: referTo,
      segment(key) {
        const part = requirePart(segmentPart(key), `the segment "${key}"`);
        if (canBeShared(key, part)) return { $ref: SEGMENT_PREFIX + key };
        spend(part.text.length);
        return part.logic;
      },
      flag(key) {
        const part = requirePart(flagPart(key), `the flag "${key}"`);
        spend(part.text.length);
        return part.logic;
      },
    };
  };

  return {
    shared: () =>
      segments.keyList().flatMap(key => {
        const part = segmentPart(key);
        if (part instanceof Unsupported || !canBeShared(key, part)) return [];
        return [[SEGMENT_PREFIX + key, part.logic] as const];
      }),
    referencesOf,
    withSegments: text => {
      const used = new Set(Array.from(text.matchAll(SHARED_SEGMENT), ([, key = '']) => key));
      return [text, ...[...used].map(key => requirePart(segmentPart(key), key).text)].join('\n');
    },
  };
};
