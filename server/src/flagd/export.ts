import type { EvaluationFlag } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { SharedText } from '../flag-set/text.ts';
import { once } from '../once.ts';
import { mapSteps, runInSlices, type Steps } from '../slices.ts';
import { ITEM_TYPES, type Logic } from './logic.ts';
import { createDefinitions, type Definitions } from './references.ts';
import { hasHashedRules, targetingLogic } from './targeting.ts';
import { attempt, Unsupported } from './unsupported.ts';

/** The name of a flag's metadata that states how its results can differ from Pennon's. */
const DIFFERS = 'pennon.differs';
const BUCKETS = 'pennon.buckets';
const OMITTED = 'pennon.omitted';

/** The metadata that a document has only for its readers. */
export const OWN_METADATA: ReadonlySet<string> = new Set([DIFFERS, BUCKETS, OMITTED]);

const BUCKETS_DIFFER = 'percentages and splits serve the same shares, but to other subjects';

/** Pennon also finds attributes whose name itself has dots. */
const pathsOf = (targeting: string): readonly string[] => [
  ...new Set(
    Array.from(targeting.matchAll(/\{"var":("[^"]*\.[^"]*")\}/g), ([, name = '']) => name),
  ),
];

const differencesOf = (targeting: string): readonly string[] => {
  const paths = pathsOf(targeting);
  return [
    ...(targeting.includes('{"fractional":') ? [BUCKETS_DIFFER] : []),
    ...(targeting.includes('{"sem_ver":') ? ['a list of versions is an error'] : []),
    ...(paths.length > 0 ? [`${paths.join(', ')}: only a path, not a name with dots`] : []),
  ];
};

const metadataOf = (
  flag: EvaluationFlag,
  targeting: Logic | undefined,
  definitions: Definitions,
): object | undefined => {
  const differences = differencesOf(definitions.withSegments(JSON.stringify(targeting ?? null)));
  const metadata = {
    ...flag.metadata,
    ...(differences.length > 0 ? { [DIFFERS]: differences.join('; ') } : {}),
  };
  return Object.keys(metadata).length > 0 ? metadata : undefined;
};

const requireNoReferences = ({ variants }: EvaluationFlag): void => {
  if (JSON.stringify(variants).includes('"$ref":'))
    throw new Unsupported('a variant has a member "$ref", which flagd would replace');
};

/** A disabled flag is never evaluated, so its rules are left out if flagd cannot express them. */
const targetingOf = (flag: EvaluationFlag, definitions: Definitions): Logic | undefined => {
  const targeting = attempt(() => targetingLogic(flag, definitions.referencesOf()));
  if (!(targeting instanceof Unsupported)) return targeting;
  if (flag.enabled) throw targeting;
  return undefined;
};

const flagText = (flag: EvaluationFlag, definitions: Definitions): string => {
  requireNoReferences(flag);
  const targeting = targetingOf(flag, definitions);
  return JSON.stringify({
    state: flag.enabled ? 'ENABLED' : 'DISABLED',
    variants: flag.variants,
    defaultVariant: flag.defaultVariant,
    targeting,
    metadata: metadataOf(flag, targeting, definitions),
  });
};

/** A flag as flagd's JSON, or why it is left out. flagd then reports FLAG_NOT_FOUND, never a wrong value. */
const exportFlag = (
  flag: EvaluationFlag,
  { compiled }: FlagSetView,
  definitions: Definitions,
): string | Unsupported => {
  const [problem] = compiled.problemsOf(flag.key);
  if (problem !== undefined) return new Unsupported(`it cannot be evaluated: ${problem.message}`);
  return attempt(() => flagText(flag, definitions));
};

const setMetadata = (
  { flagSet }: FlagSetView,
  omitted: number,
  isHashed: boolean,
): Readonly<Record<string, string>> => ({
  flagSetId: flagSet.environment,
  version: String(flagSet.revision),
  ...(isHashed ? { [BUCKETS]: BUCKETS_DIFFER } : {}),
  ...(omitted > 0
    ? { [OMITTED]: `"omitted" lists the flags (${omitted}) that flagd cannot express` }
    : {}),
});

type Entries<Value> = readonly (readonly [name: string, value: Value])[];

const objectText = (entries: Entries<unknown>): string =>
  `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',\n')}}`;

/** Each flag is on a line, and a piece of its own. */
function* flagPieces(flags: Entries<string>): Steps<Uint8Array[]> {
  const pieces = yield* mapSteps(flags, ([key, text]) =>
    Buffer.from(`,\n${JSON.stringify(key)}:${text}`),
  );
  // The first one follows no other one.
  return pieces.map((piece, at) => (at === 0 ? piece.subarray(1) : piece));
}

/** Serializes a flag set as a document of flagd. */
function* documentSteps(view: FlagSetView): Steps<SharedText> {
  const definitions = createDefinitions(view.flagSet, view.compiled);
  const flags = [...view.flagSet.flags.values()];
  const exported: (readonly [key: string, text: string])[] = [];
  const omitted: (readonly [key: string, reason: string])[] = [];
  for (const flag of flags) {
    const text = exportFlag(flag, view, definitions);
    if (typeof text === 'string') exported.push([flag.key, text]);
    else omitted.push([flag.key, text.message]);
    yield;
  }
  const metadata = JSON.stringify(setMetadata(view, omitted.length, flags.some(hasHashedRules)));
  const evaluators = objectText([...Object.entries(ITEM_TYPES), ...definitions.shared()]);
  const end = omitted.length > 0 ? `},\n"omitted":${objectText(omitted)}}\n` : '}}\n';
  return [
    Buffer.from(`{"metadata":${metadata},\n"$evaluators":${evaluators},\n"flags":{`),
    ...(yield* flagPieces(exported)),
    Buffer.from(end),
  ];
}

/** Returns a flag set as a document of flagd. It is serialized once for each revision. */
export const flagdText: (view: FlagSetView) => Promise<SharedText> = once(view =>
  runInSlices(documentSteps(view)),
);
