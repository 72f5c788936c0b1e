import type { Operator } from '@pennon/schema';
import fc from 'fast-check';

/** Few names, so that they collide often, and some that every object inherits. */
export const flagKey = fc.constantFrom(
  'a',
  'b',
  'c',
  'd',
  'e',
  '__proto__',
  'constructor',
  'toString',
);
export const segmentKey = fc.constantFrom('s', 't', '__proto__', 'valueOf');
export const attributeName = fc.constantFrom(
  'plan',
  'age',
  'at',
  'ip',
  'version',
  'tags',
  'a.b',
  'a.b.c',
  'targetingKey',
  'toString',
  '__proto__',
);

const text = fc.oneof(
  fc.constantFrom(
    'pro',
    'free',
    '1.2.3',
    '2.0.0-beta.1',
    '10.1.2.3',
    '::1',
    '2026-01-31T12:00:00Z',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('\ud800', '\udc00x', '�', '\ud83d\ude00'),
);
const number = fc.oneof(
  fc.integer({ min: -3, max: 30 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
export const scalar = fc.oneof(text, number, fc.boolean());

/** Any value that a context can contain, and some that are not JSON. */
const attributeValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(fc.oneof(scalar, fc.constant(null)), { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined, Number.NaN, Infinity, {}) },
  { weight: 1, arbitrary: fc.record({ b: fc.oneof(scalar, fc.record({ c: scalar })) }) },
);

export const context = fc.dictionary(attributeName, attributeValue, { maxKeys: 6 });
export const bucketingValue = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.uuid(),
  fc.emailAddress(),
);

const not = fc.option(fc.boolean(), { nil: undefined });

const OPERANDS = {
  equals: scalar,
  notEquals: scalar,
  in: fc.array(scalar, { maxLength: 4 }),
  notIn: fc.array(scalar, { maxLength: 4 }),
  contains: fc.constantFrom('r', 'pro', '�', '.'),
  startsWith: fc.constantFrom('p', 'pro', '1'),
  endsWith: fc.constantFrom('o', 'e', '3', '\udc00'),
  greaterThan: number,
  lessThan: number,
  greaterOrEqual: number,
  lessOrEqual: number,
  exists: fc.constantFrom(true, null, undefined),
  before: fc.constantFrom('2026-01-31T12:00:00Z', '2030-01-01t00:00:00.5+02:00'),
  after: fc.constantFrom('2026-01-31T11:59:59.999Z', '0001-01-01T00:00:00Z'),
  semverEquals: fc.constantFrom('1.2.3', '2.0.0-beta.1+x'),
  semverGreaterThan: fc.constantFrom('1.2.2', '2.0.0-alpha'),
  semverLessThan: fc.constantFrom('1.2.4', '2.0.0'),
  semverGreaterOrEqual: fc.constantFrom('1.2.3', '9.0.0'),
  semverLessOrEqual: fc.constantFrom('1.2.3', '0.0.1'),
  inCidr: fc.constantFrom<unknown>('10.0.0.0/8', ['::/0', '10.1.2.3'], []),
  matches: fc.constantFrom('^p', '[0-9]+', '', '(?i)PRO', '.'),
} satisfies Record<Operator, fc.Arbitrary<unknown>>;

const attributeCondition = fc.oneof(
  ...Object.entries(OPERANDS).map(([operator, operand]) =>
    fc.record({
      attribute: attributeName,
      operator: fc.constant(operator),
      value: operand as fc.Arbitrary<unknown>,
      not,
    }),
  ),
);

const variantName = fc.constantFrom('on', 'off', '__proto__');
const namesOfVariants = fc.uniqueArray(variantName, { minLength: 1, maxLength: 3 });

const grouped = (member: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => {
  const members = fc.array(member, { minLength: 1, maxLength: 3 });
  return fc.oneof(fc.record({ any: members, not }), fc.record({ all: members, not }));
};

/** Members of segments: conditions on attributes and groups of them. */
const segmentMember = fc.oneof(
  { weight: 4, arbitrary: attributeCondition },
  { weight: 1, arbitrary: grouped(fc.oneof(attributeCondition, grouped(attributeCondition))) },
);

const flatCondition: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: attributeCondition },
  { weight: 1, arbitrary: fc.record({ segment: segmentKey, not }) },
  { weight: 1, arbitrary: fc.record({ flag: flagKey, variants: namesOfVariants, not }) },
);
const condition: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 5, arbitrary: flatCondition },
  { weight: 1, arbitrary: grouped(fc.oneof(flatCondition, grouped(flatCondition))) },
);

export const thousandths = fc.oneof(
  fc.constantFrom(0, 100_000),
  fc.integer({ min: 0, max: 100_000 }),
);
export const percentage = thousandths.map(parts => parts / 1000);
const maybe = <Item>(item: fc.Arbitrary<Item>) => fc.option(item, { nil: undefined });

export const split = fc
  .uniqueArray(fc.record({ variant: variantName, weight: fc.integer({ min: 0, max: 1_000 }) }), {
    selector: share => share.variant,
    minLength: 1,
  })
  .filter(shares => shares.some(share => share.weight > 0));

const rule = fc
  .record({
    conditions: maybe(fc.array(condition, { maxLength: 3 })),
    serve: fc.oneof(fc.record({ variant: variantName }), fc.record({ split })),
    percentage: maybe(percentage),
    bucketBy: maybe(attributeName),
    seed: maybe(fc.constantFrom('seed', 'sé', '\ud800')),
  })
  .map(({ serve, ...others }) => ({ ...others, ...serve }));

const VARIANTS = {
  boolean: '{"on": true, "off": false, "__proto__": true}',
  string: '{"on": "yes", "off": "", "__proto__": "proto"}',
  number: '{"on": 1, "off": 0, "__proto__": -0.5}',
  object: '{"on": {"deep": [1, {"__proto__": null}]}, "off": {}, "__proto__": {"a": 1}}',
};

/** A well-formed flag. It can refer to flags that do not exist, and be part of a cycle. */
export const flag = fc
  .record({
    type: fc.constantFrom(...(Object.keys(VARIANTS) as (keyof typeof VARIANTS)[])),
    enabled: fc.integer({ min: 0, max: 9 }).map(dice => dice > 0),
    defaultVariant: fc.constantFrom('on', 'off', null),
    rules: fc.array(rule, { maxLength: 3 }),
    seed: maybe(fc.constantFrom('shared', 'ünïcödé')),
    clientVisible: maybe(fc.boolean()),
    version: maybe(fc.nat()),
    requires: fc.constantFrom(undefined, []),
    metadata: maybe(fc.dictionary(fc.string({ maxLength: 3 }), scalar, { maxKeys: 2 })),
  })
  .map(({ rules, ...others }) => ({
    ...others,
    variants: JSON.parse(VARIANTS[others.type]) as unknown,
    rules: rules.map((each, index) => ({ id: `r${index}`, ...each })),
  }));

export const segment = fc.record({
  conditions: fc.array(segmentMember, { minLength: 1, maxLength: 3 }),
  version: maybe(fc.nat()),
  requires: fc.constantFrom(undefined, []),
});

const keyed = (key: fc.Arbitrary<string>, item: fc.Arbitrary<unknown>) =>
  fc
    .uniqueArray(fc.tuple(key, item), { selector: ([name]) => name, maxLength: 6 })
    .map(Object.fromEntries<unknown>);

/** Flags or segments by key, some of which repeat their key. */
const definitions = (key: fc.Arbitrary<string>, item: fc.Arbitrary<object>) =>
  keyed(key, fc.tuple(item, fc.boolean())).map(entries =>
    Object.fromEntries(
      Object.entries(entries).map(([name, entry]) => {
        const [definition, repeatsKey] = entry as [object, boolean];
        return [name, repeatsKey ? { key: name, ...definition } : definition];
      }),
    ),
  );

/** As parsed from JSON: plain objects without undefined. */
const throughJson = <Item>(item: fc.Arbitrary<Item>) =>
  item.map(value => JSON.parse(JSON.stringify(value)) as unknown);

export const flagSet = throughJson(
  fc.record({ flags: definitions(flagKey, flag), segments: definitions(segmentKey, segment) }),
);

/** Any JSON, with names that an engine reads. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.oneof(scalar, fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    keyed(
      fc.oneof(
        fc.constantFrom(
          'flags',
          'segments',
          'rules',
          'conditions',
          'any',
          'all',
          'flag',
          'segment',
          'attribute',
          'operator',
          'value',
          'variants',
          'variant',
          'split',
          'type',
          'enabled',
          '__proto__',
          'a',
        ),
        fc.string({ maxLength: 3 }),
      ),
      tie('value'),
    ),
  ),
})).value;

type Position = { readonly holder: Record<string, unknown>; readonly name: string };

const positionsIn = (root: unknown): Position[] => {
  const positions: Position[] = [];
  const pending = [root];
  for (let holder = pending.pop(); holder !== undefined; holder = pending.pop()) {
    if (typeof holder !== 'object' || holder === null) continue;
    for (const [name, inner] of Object.entries(holder)) {
      positions.push({ holder: holder as Record<string, unknown>, name });
      pending.push(inner);
    }
  }
  return positions;
};

const define = (holder: Record<string, unknown>, name: string, value: unknown) =>
  Object.defineProperty(holder, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });

/** A well-formed flag set with a few values replaced, removed or added in any place. */
export const damagedFlagSet = fc
  .tuple(
    flagSet,
    fc.array(
      fc.record({
        index: fc.nat(),
        how: fc.constantFrom('replace', 'remove', 'add'),
        value: anyJson,
        name: fc.constantFrom('not', 'weight', 'value', 'extra', '__proto__', '0'),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([set, damages]) => {
    const copy = structuredClone(set);
    for (const { index, how, value, name } of damages) {
      const positions = positionsIn(copy);
      const position = positions[index % Math.max(1, positions.length)];
      if (position === undefined) continue;
      const { holder, name: member } = position;
      if (how === 'replace') define(holder, member, value);
      else if (how === 'remove' && !Array.isArray(holder)) delete holder[member];
      else if (!Array.isArray(holder)) define(holder, name, value);
    }
    return copy;
  });

/** Returns the same JSON with the names of every object in reverse order. */
export const reordered = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, inner]) => [name, reordered(inner)]),
  );
};
