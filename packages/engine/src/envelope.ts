import { describe } from './format.ts';
import { isObject, optional, ownValue, type RawObject } from './json.ts';
import type { Problem } from './problems.ts';

const FORMAT_VERSION = 1;

/** The unchecked flags and segments of a flag set, by key. */
export type Contents = { readonly flags: RawObject; readonly segments: RawObject };

export type Envelope = Contents & {
  /** Whether nothing of the flag set can be used. */
  readonly refused: boolean;
  readonly problems: readonly Problem[];
};

const problem = (path: string, message: string): Problem => ({ flagKey: '', path, message });

const refuse = (message: string): Envelope => ({
  flags: {},
  segments: {},
  refused: true,
  problems: [problem('', message)],
});

/** Reads the outer fields of a flag set. Unknown fields are ignored, because the server may be newer. */
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
  if (isObject(segments)) return { flags, segments, refused: false, problems: [] };
  const problems = [problem('segments', `must be an object, but is ${describe(segments)}`)];
  return { flags, segments: {}, refused: false, problems };
};
