import fc from 'fast-check';

/** JsonLogic of any shape. */
type Logic = unknown;

const variable = (name: string): fc.Arbitrary<Logic> =>
  fc.constantFrom<Logic>({ var: name }, { var: [name] });

const TEXTS = ['pro', 'team', 'pr', 'o', ''];
const NUMBERS = [-1, 0, 5, 10, 17.5, 18];
const VERSIONS = ['0.9.0', '1.2.3', '1.2.3-rc.1', '1.3.0', '2.0.0-0', '2.0.0'];

const text = fc.constantFrom(...TEXTS);
const number = fc.constantFrom(...NUMBERS);
const item = fc.constantFrom('new', 'old');

const EQUALITY = ['==', '===', '!=', '!=='];
const ORDER = ['<', '<=', '>', '>='];
const FAMILIES = [
  EQUALITY,
  ORDER,
  ['and', 'or', 'all', 'if'],
  ['!', '!!'],
  ['some', 'none', 'all'],
  ['starts_with', 'ends_with'],
  ['cat', 'merge', 'missing', 'fractional', 'unknown'],
];

const operation = (operators: readonly string[], ...operands: fc.Arbitrary<Logic>[]) =>
  fc
    .tuple(fc.constantFrom(...operators), fc.tuple(...operands), fc.boolean())
    .map(([operator, all]): Logic => ({ [operator]: all }));

/** A comparison with the attribute on either side. */
const onEitherSide = (
  operators: readonly string[],
  left: fc.Arbitrary<Logic>,
  right: fc.Arbitrary<Logic>,
) => fc.oneof(operation(operators, left, right), operation(operators, right, left));

const plan = fc.constantFrom('plan', 'user.tier').chain(variable);
const ITEM = { var: '' };

const textTest = fc.oneof(
  onEitherSide(EQUALITY, plan, fc.oneof(text, fc.constant(null))),
  operation(['in'], plan, fc.array(text, { maxLength: 3 })),
  operation(['in'], text, plan),
  operation(['starts_with', 'ends_with'], plan, text),
);

const numberTest = fc.oneof(
  onEitherSide([...ORDER, ...EQUALITY], variable('age'), number),
  operation(ORDER, number, variable('age'), number),
  operation(['in'], variable('age'), fc.array(number, { maxLength: 3 })),
);

const booleanTest = onEitherSide(EQUALITY, variable('beta'), fc.boolean());

const versionTest = operation(
  ['sem_ver'],
  variable('version'),
  fc.constantFrom('=', '!=', '<', '<=', '>', '>=', '^', '~', '=='),
  fc.constantFrom(...VERSIONS, '1.2', 'v1.2.3', '1.2.3-01'),
);

const listTest = fc.oneof(
  operation(
    ['some', 'none'],
    variable('tags'),
    fc.oneof(
      onEitherSide(['==', '==='], fc.constant(ITEM), item),
      operation(['in'], fc.constant(ITEM), fc.array(item, { maxLength: 2 })),
    ),
  ),
  operation(['some', 'none'], variable('counts'), onEitherSide(ORDER, fc.constant(ITEM), number)),
  operation(['in'], item, variable('tags')),
  operation(['in'], number, variable('counts')),
);

const EVALUATORS = ['isPro', 'isAdult', 'isBoth', 'isNeither'];

const { condition } = fc.letrec<{ condition: Logic }>(tie => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    textTest,
    numberTest,
    booleanTest,
    versionTest,
    listTest,
    fc.constantFrom<Logic>(true, false, ...EVALUATORS.map(name => ({ $ref: name }))),
    fc
      .tuple(
        fc.constantFrom('and', 'or'),
        fc.array(tie('condition'), { minLength: 1, maxLength: 3 }),
      )
      .map(([operator, operands]): Logic => ({ [operator]: operands })),
    fc
      .tuple(fc.constantFrom('!', '!!'), tie('condition'), fc.boolean())
      .map(([operator, operand, isBare]): Logic => ({ [operator]: isBare ? operand : [operand] })),
  ),
}));

const VARIANTS = { on: 'ON', off: 'OFF', true: 'T', false: 'F' };
const variant = fc.constantFrom<Logic>('on', 'off', true, 'false', null);

const unit = fc.constantFrom<readonly Logic[]>(
  [],
  [{ var: 'email' }],
  [{ cat: [{ var: '$flagd.flagKey' }, { var: 'email' }] }],
  [{ cat: ['spring', { var: 'targetingKey' }] }],
);
const weight = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<readonly number[]>([], [0], [1], [25]) },
  { weight: 1, arbitrary: fc.constantFrom([100_000], [2 ** 31 - 1], [2 ** 31], [-1], [0.5]) },
);
const share = fc.tuple(variant, weight).map(([name, weights]) => [name, ...weights]);
const fractional = fc
  .tuple(unit, fc.array(share, { minLength: 1, maxLength: 3 }))
  .map(([units, shares]): Logic => ({ fractional: [...units, ...shares] }));

const { chain } = fc.letrec<{ outcome: Logic; chain: Logic }>(tie => ({
  outcome: fc.oneof(
    { maxDepth: 2 },
    { weight: 3, arbitrary: variant },
    { weight: 1, arbitrary: fractional },
    { weight: 1, arbitrary: condition },
    { weight: 1, arbitrary: tie('chain') },
  ),
  chain: fc
    .tuple(
      fc.array(fc.tuple(condition, tie('outcome')), { minLength: 1, maxLength: 3 }),
      fc.array(tie('outcome'), { maxLength: 1 }),
    )
    .map(([steps, last]): Logic => ({ if: [...steps.flat(), ...last] })),
}));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Changes the shape of one operation, not the types of what it compares. */
type Mutation = (operator: string, operands: unknown) => Logic;

const listOf = (operands: unknown): readonly unknown[] =>
  Array.isArray(operands) ? operands : [operands];

const MUTATIONS: readonly Mutation[] = [
  (operator, operands) => ({ [operator]: listOf(operands)[0] ?? null }),
  (operator, operands) => ({ [operator]: listOf(operands).slice(1) }),
  (operator, operands) => ({ [operator]: [...listOf(operands), null] }),
  (operator, operands) => ({ [operator]: [...listOf(operands), true] }),
  (operator, operands) => ({ [operator]: [listOf(operands)] }),
  (operator, operands) => ({ [operator]: listOf(operands).toReversed() }),
  (operator, operands) => ({ [operator]: operands, '!': [true] }),
  (operator, operands) => ({ $ref: 'isPro', [operator]: operands }),
  (operator, operands) => [{ [operator]: operands }],
  operator => ({ [operator]: [] }),
  operator => ({ [operator]: {} }),
  operator => ({ [operator]: null }),
  operator => ({ [operator === 'var' ? 'cat' : operator]: 'on' }),
  () => ({}),
  () => [],
  (operator, operands) => ({ '!': { [operator]: operands } }),
  ...FAMILIES.flatMap(family =>
    family.map((renamed): Mutation => (operator, operands) => ({
      [family.includes(operator) ? renamed : operator]: operands,
    })),
  ),
];

/** Applies a mutation to the operation at a position, in the order of the text. */
const mutate = (logic: Logic, position: number, mutation: Mutation): Logic => {
  let at = -1;
  const visit = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(visit);
    if (!isObject(each)) return each;
    at += 1;
    const [entry] = Object.entries(each);
    if (entry !== undefined && at === position) return mutation(...entry);
    return Object.fromEntries(Object.entries(each).map(([key, value]) => [key, visit(value)]));
  };
  return visit(logic);
};

const mutated = (logic: fc.Arbitrary<Logic>) =>
  fc.oneof(
    { weight: 1, arbitrary: logic },
    {
      weight: 1,
      arbitrary: fc
        .tuple(logic, fc.nat(12), fc.constantFrom(...MUTATIONS))
        .map(([each, position, mutation]) => mutate(each, position, mutation)),
    },
  );

const flag = fc.record({
  state: fc.constant('ENABLED'),
  variants: fc.constant(VARIANTS),
  defaultVariant: fc.constantFrom('off', 'false', null, ''),
  targeting: mutated(
    fc.oneof(
      { weight: 4, arbitrary: chain },
      { weight: 1, arbitrary: condition },
      { weight: 1, arbitrary: fractional },
    ),
  ).filter(isObject),
});

/** A file of flagd, as others write it. Half of the flags have a part of an unusual shape. */
export const foreignFile = fc.record({
  flags: fc
    .array(flag, { minLength: 30, maxLength: 30 })
    .map(all => Object.fromEntries(all.map((each, at) => [`f${at}`, each]))),
  $evaluators: fc.record({
    isBoth: fc.constantFrom<Logic>({ and: [{ $ref: 'isPro' }, { $ref: 'isAdult' }] }),
    isPro: mutated(textTest),
    isAdult: mutated(numberTest),
    isNeither: fc.constantFrom<Logic>({ '!': { $ref: 'isPro' } }),
  }),
});

/** A context whose attributes are missing, or have the types that the files compare with. */
export const foreignContext = fc
  .record(
    {
      targetingKey: fc.constantFrom('ada', 'bob'),
      email: fc.constantFrom('a@b.c', 'd@e.f'),
      plan: text,
      user: fc.record({ tier: text }, { requiredKeys: [] }),
      age: number,
      beta: fc.boolean(),
      tags: fc.array(item, { maxLength: 2 }),
      counts: fc.array(number, { maxLength: 2 }),
      version: fc.constantFrom(...VERSIONS, 'none'),
    },
    { requiredKeys: ['targetingKey', 'email'] },
  )
  .map((attributes): object => structuredClone(attributes));
