import type {
  AttributeCondition,
  Condition,
  Evaluation,
  EvaluationFlag,
  EvaluationSegment,
  Flag,
  FlagCreate,
  FlagSet,
  JsonObject,
  Rule,
  RuleInput,
  Segment,
  SegmentMember,
} from '@pennon/schema';
import { OPERATORS, toEvaluationFlag, toEvaluationSegment } from '@pennon/schema';
import fc from 'fast-check';

/** Returns a generator of text of this many code points, with unpaired surrogates. */
export const textOf = (minLength: number, maxLength: number) =>
  fc.string({
    unit: fc.oneof(
      { weight: 20, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.constant('\ud800') },
    ),
    minLength,
    maxLength,
  });

const key = fc
  .string({ unit: fc.constantFrom(...Array.from('abcXYZ019._-')), minLength: 1, maxLength: 100 })
  .filter(text => /^[A-Za-z0-9]/.test(text) && !text.includes('..'));
const name = textOf(1, 100);
/** Text that a request may have, on one line. */
const lineOf = (minLength: number, maxLength: number) =>
  textOf(minLength, maxLength).map(text => text.replaceAll(/\p{Cc}|^\s/gu, 'x'));
const line = lineOf(0, 50);
const nameInput = lineOf(1, 100);
const prose = textOf(0, 50);
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const scalar = fc.oneof(textOf(0, 20), number, fc.boolean());
const percentage = fc.double({ noNaN: true, min: 0, max: 100 });
const instant = fc
  .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map(date => date.toISOString());

/** Names never include `__proto__`: a record drops it, so the server refuses it before parsing. */
const recordOf = <Item>(item: fc.Arbitrary<Item>, minKeys = 0, names = name) =>
  fc.dictionary(
    names.filter(text => text !== '__proto__'),
    item,
    { minKeys, maxKeys: 5, noNullPrototype: true },
  );
const keyed = <Item>(item: fc.Arbitrary<Item>) =>
  fc.dictionary(key, item, { maxKeys: 3, noNullPrototype: true });

const jsonObject: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.string(),
  fc.oneof(scalar, fc.constant(null), fc.array(scalar), fc.dictionary(fc.string(), scalar)),
);
const value = fc.oneof(scalar, jsonObject);

const not = fc.option(fc.boolean());

const comparison = <const Name extends string, Value>(
  operators: readonly Name[],
  operand: fc.Arbitrary<Value>,
) =>
  fc.record(
    { attribute: textOf(1, 256), operator: fc.constantFrom(...operators), value: operand, not },
    { requiredKeys: ['attribute', 'operator', 'value'] },
  );

const network = fc.constantFrom('10.0.0.0/8', '2001:db8::/32', '::1');

/** Conditions by the kind of their operand. A new kind does not compile without a generator. */
const byOperand = {
  scalar: comparison(OPERATORS.scalar, scalar),
  list: comparison(OPERATORS.list, fc.array(scalar, { maxLength: 5 })),
  string: comparison(OPERATORS.string, textOf(1, 20)),
  number: comparison(OPERATORS.number, number),
  none: comparison(OPERATORS.none, fc.constantFrom(true as const, null)),
  date: comparison(OPERATORS.date, instant),
  semver: comparison(OPERATORS.semver, fc.constantFrom('1.2.3', '1.0.0-rc.1+build')),
  network: comparison(OPERATORS.network, fc.oneof(network, fc.array(network, { maxLength: 3 }))),
  pattern: comparison(OPERATORS.pattern, textOf(0, 20)),
} satisfies Record<keyof typeof OPERATORS, fc.Arbitrary<AttributeCondition>>;

export const attributeCondition: fc.Arbitrary<AttributeCondition> = fc.oneof(
  ...Object.values(byOperand),
);

const groupsOf = <Member>(member: fc.Arbitrary<Member>) => {
  const members = fc.array(member, { minLength: 1, maxLength: 3 });
  return fc.oneof(
    fc.record({ any: members, not }, { requiredKeys: ['any'] }),
    fc.record({ all: members, not }, { requiredKeys: ['all'] }),
  );
};

/** Groups are at most two deep and three wide, so five of them have fewer than 50 conditions. */
export const { condition } = fc.letrec<{ condition: Condition }>(tie => ({
  condition: fc.oneof(
    { maxDepth: 2 },
    attributeCondition,
    fc.record({ segment: key, not }, { requiredKeys: ['segment'] }),
    fc.record(
      { flag: key, variants: fc.array(name, { minLength: 1, maxLength: 3 }), not },
      { requiredKeys: ['flag', 'variants'] },
    ),
    groupsOf(tie('condition')),
  ),
}));

const { member } = fc.letrec<{ member: SegmentMember }>(tie => ({
  member: fc.oneof({ maxDepth: 2 }, attributeCondition, groupsOf(tie('member'))),
}));

const conditions = fc.array(condition, { maxLength: 4 });
const split = fc.array(fc.record({ variant: name, weight: fc.integer({ min: 0, max: 100_000 }) }), {
  minLength: 1,
  maxLength: 3,
});
const outcome = {
  variant: fc.option(name),
  split: fc.option(split),
  percentage: fc.option(percentage),
  bucketBy: fc.option(textOf(1, 256)),
  seed: fc.option(textOf(1, 256)),
};

const rule: fc.Arbitrary<Rule> = fc.record(
  { id: name, conditions, ...outcome },
  { requiredKeys: ['id', 'conditions'] },
);

const ruleInFull = fc.record(
  { id: fc.option(nameInput), conditions: fc.option(conditions), ...outcome },
  { requiredKeys: [] },
);
const ruleInShort = fc
  .tuple(attributeCondition, fc.record(outcome, { requiredKeys: [] }))
  .map(([{ attribute, operator, value: operand }, rest]) => ({
    attribute,
    operator,
    value: operand ?? null,
    ...rest,
  }));

export const ruleInput: fc.Arbitrary<RuleInput> = fc.oneof(ruleInFull, ruleInShort);

const descriptiveFields = {
  name: fc.option(prose),
  description: fc.option(prose),
  tags: fc.option(fc.array(textOf(1, 100), { maxLength: 3 })),
  owner: fc.option(prose),
};
const descriptiveInputs = {
  name: fc.option(line),
  description: fc.option(line),
  tags: fc.option(fc.uniqueArray(nameInput, { maxLength: 3 })),
  owner: fc.option(line),
};
const codeFields = {
  codeDefault: fc.option(value),
  numberType: fc.option(fc.constantFrom('integer', 'float')),
};
const serverManagedFields = {
  version: fc.integer({ min: 1 }),
  createdAt: instant,
  updatedAt: instant,
};
const readOnlyFields = {
  version: fc.option(fc.integer({ min: 1 })),
  createdAt: fc.option(instant),
  updatedAt: fc.option(instant),
};
const type = fc.constantFrom('boolean', 'string', 'number', 'object');
const variants = recordOf(value, 1);
const metadata = recordOf(scalar);

export const flag: fc.Arbitrary<Flag> = fc.record(
  {
    key,
    type,
    enabled: fc.boolean(),
    variants,
    defaultVariant: fc.option(name),
    rules: fc.array(rule, { maxLength: 3 }),
    seed: textOf(1, 256),
    clientVisible: fc.boolean(),
    metadata,
    ...serverManagedFields,
    ...descriptiveFields,
    ...codeFields,
  },
  {
    requiredKeys: [
      'key',
      'type',
      'enabled',
      'variants',
      'defaultVariant',
      'rules',
      'seed',
      'clientVisible',
      'metadata',
      'version',
      'createdAt',
      'updatedAt',
    ],
  },
);

export const flagCreate: fc.Arbitrary<FlagCreate> = fc.record(
  {
    key,
    enabled: fc.boolean(),
    type: fc.option(type),
    variants: fc.option(recordOf(value, 1, nameInput)),
    defaultVariant: fc.option(name),
    rules: fc.option(fc.array(ruleInput, { maxLength: 3 })),
    seed: fc.option(textOf(1, 256)),
    clientVisible: fc.option(fc.boolean()),
    metadata: fc.option(recordOf(scalar, 0, nameInput)),
    ...descriptiveInputs,
    ...codeFields,
    ...readOnlyFields,
  },
  { requiredKeys: ['key', 'enabled'] },
);

export const segment: fc.Arbitrary<Segment> = fc.record(
  {
    key,
    conditions: fc.array(member, { minLength: 1, maxLength: 4 }),
    ...serverManagedFields,
    ...descriptiveFields,
  },
  { requiredKeys: ['key', 'conditions', 'version', 'createdAt', 'updatedAt'] },
);

const withRequires = <Document extends object>(document: fc.Arbitrary<Document>) =>
  fc
    .tuple(document, fc.option(fc.array(name, { maxLength: 2 }), { nil: undefined }))
    .map(([fields, requires]) => ({ ...fields, ...(requires && { requires }) }));

export const evaluationFlag: fc.Arbitrary<EvaluationFlag> = withRequires(
  flag.map(toEvaluationFlag),
);
export const evaluationSegment: fc.Arbitrary<EvaluationSegment> = withRequires(
  segment.map(toEvaluationSegment),
);

export const flagSet: fc.Arbitrary<FlagSet> = fc.record({
  formatVersion: fc.constant(1 as const),
  environment: key,
  id: fc.string(),
  revision: fc.nat(),
  flags: keyed(evaluationFlag),
  segments: keyed(evaluationSegment),
});

export const evaluation: fc.Arbitrary<Evaluation> = fc.oneof(
  fc.record(
    {
      flagKey: key,
      enabled: fc.boolean(),
      reason: fc.constantFrom('STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT'),
      variant: name,
      value,
      ruleId: name,
      metadata,
    },
    { requiredKeys: ['flagKey', 'enabled', 'reason', 'variant', 'value'] },
  ),
  fc.record(
    {
      flagKey: key,
      enabled: fc.constant(false as const),
      reason: fc.constantFrom('DEFAULT', 'DISABLED'),
      metadata,
    },
    { requiredKeys: ['flagKey', 'enabled', 'reason'] },
  ),
  fc.record({
    flagKey: key,
    enabled: fc.constant(false as const),
    reason: fc.constant('ERROR' as const),
    errorCode: fc.constantFrom('FLAG_NOT_FOUND', 'PARSE_ERROR', 'TARGETING_KEY_MISSING'),
    errorMessage: fc.string(),
  }),
);
