import { ErrorCode } from '@openfeature/core';
import { FlagdCore, MemoryStorage } from '@openfeature/flagd-core';
import type {
  Condition,
  Evaluation,
  Operator,
  Rule,
  Scalar,
  SegmentMember,
  SplitEntry,
} from '@pennon/schema';
import { OPERATORS } from '@pennon/schema';
import fc from 'fast-check';

const noLogger = { error() {}, warn() {}, info() {}, debug() {} };

const load = (document: string, isStrict: boolean): FlagdCore => {
  const storage = new MemoryStorage(noLogger);
  storage.setConfigurations(document, isStrict);
  return new FlagdCore(storage, noLogger);
};

/** Loads a document, and throws if it is not valid by flagd's own schema. */
export const loadFlagd = (document: string): FlagdCore => load(document, true);

/** Loads a document as flagd does by default, even if it is not valid by the schema. */
export const loadFlagdLeniently = (document: string): FlagdCore => load(document, false);

/** What both evaluations have in common: a variant with its value, no variant, or an error. */
export type Outcome =
  | { readonly variant: string; readonly value: unknown }
  | 'code default'
  | 'disabled'
  | 'error'
  | 'not found';

const RESOLVE = {
  boolean: 'resolveBooleanEvaluation',
  string: 'resolveStringEvaluation',
  number: 'resolveNumberEvaluation',
  object: 'resolveObjectEvaluation',
} as const;
const CODE_DEFAULT = { boolean: false, string: '', number: 0, object: {} } as const;

export type FlagTypeName = keyof typeof RESOLVE;

/** Evaluates a flag with flagd. The context is copied, because it arrives as JSON. */
export const flagdOutcome = (
  core: FlagdCore,
  key: string,
  type: FlagTypeName,
  context: object,
): Outcome => {
  const copy = structuredClone(context);
  const resolve = core[RESOLVE[type]].bind(core) as (
    key: string,
    fallback: unknown,
    context: object,
  ) => { value: unknown; variant?: string; reason?: string; errorCode?: ErrorCode };
  const { value, variant, reason, errorCode } = resolve(key, CODE_DEFAULT[type], copy);
  if (errorCode !== undefined)
    return errorCode === ErrorCode.FLAG_NOT_FOUND ? 'not found' : 'error';
  if (variant !== undefined) return { variant, value };
  return reason === 'DISABLED' ? 'disabled' : 'code default';
};

export const pennonOutcome = (evaluation: Evaluation): Outcome => {
  if ('variant' in evaluation) return { variant: evaluation.variant, value: evaluation.value };
  if (evaluation.reason === 'ERROR') return 'error';
  return evaluation.reason === 'DISABLED' ? 'disabled' : 'code default';
};

const ATTRIBUTES = ['plan', 'age', 'user.tier', 'app.version', 'tags', 'a b', 'targetingKey'];
const attribute = fc.constantFrom(...ATTRIBUTES);

const TEXTS = [
  'pro',
  'pr',
  'o',
  'team-pro',
  'Ä',
  'a"b\\c',
  '$& $1',
  '0',
  '18',
  'true',
  'null',
  ' ',
];
const NUMBERS = [0, -0, 1, 18, -1.5, 1e21, 1e-7];
const VERSIONS = ['1.2.3', '1.2.4', '1.2.3-rc.1', '1.2.3-rc.1+b.1', '0.0.0', '10.0.0', '1.10.0'];
const ALMOST_VERSIONS =
  'v1.2.3|V1.2.3|1.2|1|1.| 1.2.3|1.2.3 |1.2.3.4|01.2.3|1.2.x|1.2.3+a+b|1.2.3-|=1.2.3|2.0|.1.2|1..2|1.2.3-01|1.2.3\n'.split(
    '|',
  );

const text = fc.constantFrom(...TEXTS);
const number = fc.constantFrom(...NUMBERS);
const scalar: fc.Arbitrary<Scalar> = fc.oneof(text, number, fc.boolean());

/** The operands of each kind of operator that flagd can express. */
const OPERANDS = {
  scalar,
  list: fc.array(scalar, { maxLength: 4 }),
  string: text,
  number,
  none: fc.constant(true),
  semver: fc.constantFrom(...VERSIONS),
} satisfies Partial<Record<keyof typeof OPERATORS, fc.Arbitrary<unknown>>>;

const not = fc.option(fc.boolean());

const comparison = fc
  .constantFrom(...(Object.keys(OPERANDS) as (keyof typeof OPERANDS)[]))
  .chain(kind =>
    fc.record({
      attribute,
      operator: fc.constantFrom<Operator>(...OPERATORS[kind]),
      value: OPERANDS[kind] as fc.Arbitrary<unknown>,
      not,
    }),
  ) as fc.Arbitrary<SegmentMember>;

const group = <Member>(member: fc.Arbitrary<Member>) => {
  const members = fc.array(member, { minLength: 1, maxLength: 3 });
  return fc.oneof(fc.record({ any: members, not }), fc.record({ all: members, not }));
};

const members = fc.oneof(
  { weight: 3, arbitrary: comparison },
  group(comparison),
) as fc.Arbitrary<SegmentMember>;

export const SEGMENTS = ['pros', 'with.dot', 'with-dollar'];

const conditionOn = (flags: readonly string[]): fc.Arbitrary<Condition> =>
  fc.oneof(
    { weight: 6, arbitrary: members },
    { weight: 1, arbitrary: fc.record({ segment: fc.constantFrom(...SEGMENTS), not }) },
    ...(flags.length === 0
      ? []
      : [
          {
            weight: 1,
            arbitrary: fc.record({
              flag: fc.constantFrom(...flags),
              variants: fc.constantFrom<string[]>(['a'], ['a', 'b'], ['none']),
              not,
            }),
          },
        ]),
  );

const VALUES = {
  boolean: { a: true, b: false, 'ä c': true },
  string: { a: 'A', b: '', 'ä c': 'ü$&' },
  number: { a: 1, b: 0.5, 'ä c': -3 },
  object: { a: { deep: [1, null] }, b: {}, 'ä c': { $: '$&' } },
} as const;
const variant = fc.constantFrom('a', 'b', 'ä c');

const conditionsOn = (flags: readonly string[]) => fc.array(conditionOn(flags), { maxLength: 3 });

const bucketing = { percentage: fc.constantFrom(0, 0.001, 25, 100), bucketBy: attribute };
const split = fc.constantFrom<SplitEntry[]>(
  [{ variant: 'a', weight: 1 }],
  [
    { variant: 'ä c', weight: 2 },
    { variant: 'a', weight: 3 },
  ],
);

const plainRule = (flags: readonly string[]) =>
  fc.record({ conditions: conditionsOn(flags), variant });
const hashedRule = fc.oneof(
  fc.record({ conditions: conditionsOn([]), variant, ...bucketing }),
  fc.record({ conditions: conditionsOn([]), split, ...bucketing }),
);

const flagWith = (key: string, rules: fc.Arbitrary<Omit<Rule, 'id'>[]>) =>
  fc.constantFrom<FlagTypeName>('boolean', 'string', 'number', 'object').chain(type =>
    fc.record({
      key: fc.constant(key),
      type: fc.constant(type),
      enabled: fc.integer({ min: 0, max: 9 }).map(n => n > 0),
      variants: fc.constant(VALUES[type]),
      defaultVariant: fc.option(variant),
      metadata: fc.constantFrom({}, { owner: 'me', '$&': 1, ok: true }),
      rules: rules.map(all => all.map((rule, at): Rule => ({ id: `r${at}`, ...rule }))),
    }),
  );

const keysBelow = (count: number) => Array.from({ length: count }, (_, at) => `f${at}`);

/** Flags without hashed rules, which may depend on the ones before them. */
export const flagsOf = (count: number) =>
  fc.tuple(
    ...keysBelow(count).map((key, at) =>
      flagWith(key, fc.array(plainRule(keysBelow(at)), { maxLength: 4 })),
    ),
  );

/** Flags with one rule, which hashes. */
export const hashedFlagsOf = (count: number) =>
  fc.tuple(
    ...keysBelow(count).map(key =>
      flagWith(
        key,
        hashedRule.map(rule => [rule]),
      ),
    ),
  );

export const segments = fc.tuple(
  ...SEGMENTS.map(key =>
    fc.array(members, { minLength: 1, maxLength: 3 }).map(conditions => ({ key, conditions })),
  ),
);

const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 2, arbitrary: fc.constantFrom(...VERSIONS, ...ALMOST_VERSIONS) },
  { weight: 1, arbitrary: fc.constantFrom('', null, 'x'.repeat(300), '🦩') },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.oneof(
        { weight: 6, arbitrary: scalar },
        { weight: 1, arbitrary: fc.constantFrom<unknown>(...VERSIONS) },
        { weight: 1, arbitrary: fc.constantFrom<unknown>(null, {}, { a: 1 }, [], [1, 2], ['pro']) },
      ),
      { maxLength: 3 },
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<unknown>({}, { tier: 'pro' }, { length: 1 }) },
);

/** A context as JSON, with attributes that are missing, of any type, or nested. */
export const context = fc
  .record(
    {
      targetingKey: value,
      plan: value,
      age: value,
      tags: value,
      'a b': value,
      user: fc.oneof(value, fc.record({ tier: value })),
      app: fc.oneof(value, fc.record({ version: value })),
    },
    { requiredKeys: [] },
  )
  .map(attributes => JSON.parse(JSON.stringify(attributes)) as object);
