import { describe } from './format.ts';
import { isObject, optional, ownValue, type RawObject } from './json.ts';
import { PersistentMap } from './persistent-map.ts';
import type { Problem } from './problems.ts';

const FORMAT_VERSION = 1;

/** Unchecked flags or segments, by key. */
export type Definitions = {
  readonly get: (key: string) => unknown;
  readonly has: (key: string) => boolean;
  readonly keyList: () => readonly string[];
};

/** The unchecked flags and segments of a flag set. */
export type Contents = { readonly flags: Definitions; readonly segments: Definitions };

const known = new WeakMap<object, Definitions>();

/** Returns the definitions in an object: the same ones for the same object. */
const definitionsOf = (object: RawObject): Definitions => {
  if (object instanceof PersistentMap) return object;
  const existing = known.get(object);
  if (existing !== undefined) return existing;
  const created: Definitions = {
    get: key => ownValue(object, key),
    has: key => Object.hasOwn(object, key),
    keyList: () => Object.keys(object),
  };
  known.set(object, created);
  return created;
};

const NO_DEFINITIONS = definitionsOf({});

export type Envelope = Contents & {
  /** Whether nothing of the flag set can be used. */
  readonly refused: boolean;
  readonly problems: readonly Problem[];
};

const problem = (path: string, message: string): Problem => ({ flagKey: '', path, message });

const refuse = (message: string): Envelope => ({
  flags: NO_DEFINITIONS,
  segments: NO_DEFINITIONS,
  refused: true,
  problems: [problem('', message)],
});

/**
 * Reads the outer fields of a flag set, whose flags and segments are objects or persistent maps. Unknown fields are
 * ignored, because the server may be newer.
 */
export const readEnvelope = (flagSet: unknown): Envelope => {
  if (!isObject(flagSet))
    return refuse(`a flag set must be an object, but is ${describe(flagSet)}`);
  const version = optional(flagSet, 'formatVersion') ?? FORMAT_VERSION;
  if (version !== FORMAT_VERSION) {
    return refuse(
      `the engine reads format version ${FORMAT_VERSION}, not ${describe(version)}: update the SDK`,
    );
  }
  const flags = ownValue(flagSet, 'flags');
  if (!isObject(flags))
    return refuse(`the flags of a flag set must be an object, but are ${describe(flags)}`);
  const segments = optional(flagSet, 'segments') ?? {};
  const contents = {
    flags: definitionsOf(flags),
    segments: isObject(segments) ? definitionsOf(segments) : NO_DEFINITIONS,
  };
  if (isObject(segments)) return { ...contents, refused: false, problems: [] };
  const problems = [problem('segments', `must be an object, but is ${describe(segments)}`)];
  return { ...contents, refused: false, problems };
};
