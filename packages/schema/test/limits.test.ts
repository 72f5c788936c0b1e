import {
  ApiKeyCreate,
  RequestedFlagKey,
  AttributeCondition,
  Condition,
  describeIssues,
  Flag,
  FlagCreate,
  FlagKeys,
  FlagPatch,
  Key,
  LIMITS,
  Rule,
  RuleInput,
  Segment,
  SegmentCreate,
  SegmentPatch,
  SplitEntry,
  Value,
} from '@pennon/schema';
import { expect, test } from 'vitest';
import type { z } from 'zod';

const at = '2026-01-31T12:00:00.000Z';
const serverManaged = { version: 1, createdAt: at, updatedAt: at };
const flag = {
  key: 'a',
  type: 'boolean',
  enabled: true,
  variants: { on: true },
  defaultVariant: 'on',
  rules: [],
  seed: 'a',
  clientVisible: false,
  metadata: {},
  ...serverManaged,
};
const leaf = { attribute: 'a', operator: 'exists' };
const rule = { id: 'r', conditions: [], variant: 'on' };
const apiKey = { name: 'a', role: 'client', environment: '*' };

const listOf = <Item>(length: number, item: (index: number) => Item): Item[] =>
  Array.from({ length }, (_, index) => item(index));
const entries = (length: number) =>
  Object.fromEntries(listOf(length, index => [`n${index}`, true]));

/** Four UTF-8 bytes and two UTF-16 units, but one code point. */
const emoji = (length: number) => '🏁'.repeat(length);
const surrogates = (length: number) => '\ud800'.repeat(length);
const ascii = (length: number) => 'x'.repeat(length);

type Limit = readonly [
  what: string,
  limit: number,
  schema: z.ZodType,
  of: (size: number) => unknown,
];

const lengths = [ascii, emoji, surrogates].flatMap((letters): Limit[] => [
  [
    'characters of a variant name',
    LIMITS.nameLength,
    Flag,
    n => ({ ...flag, variants: { [letters(n)]: true } }),
  ],
  ['characters of a rule id', LIMITS.nameLength, Rule, n => ({ ...rule, id: letters(n) })],
  ['characters of a seed', LIMITS.seedLength, Flag, n => ({ ...flag, seed: letters(n) })],
  [
    'characters of an attribute',
    LIMITS.attributeLength,
    AttributeCondition,
    n => ({ ...leaf, attribute: letters(n) }),
  ],
  [
    'characters of a bucketBy',
    LIMITS.attributeLength,
    Rule,
    n => ({ ...rule, bucketBy: letters(n) }),
  ],
  [
    'characters of a pattern',
    LIMITS.patternLength,
    Condition,
    n => ({ attribute: 'a', operator: 'matches', value: letters(n) }),
  ],
  [
    'characters of a version',
    LIMITS.versionLength,
    Condition,
    n => ({ attribute: 'a', operator: 'semverEquals', value: letters(n) }),
  ],
  [
    'characters of the name of a flag',
    LIMITS.titleLength,
    FlagPatch,
    n => ({ key: 'a', name: letters(n) }),
  ],
  [
    'characters of an owner',
    LIMITS.titleLength,
    SegmentPatch,
    n => ({ key: 'a', owner: letters(n) }),
  ],
  [
    'characters of a description',
    LIMITS.textLength,
    FlagPatch,
    n => ({ key: 'a', description: letters(n) }),
  ],
  ['characters of a tag', LIMITS.nameLength, FlagPatch, n => ({ key: 'a', tags: [letters(n)] })],
  [
    'characters of metadata',
    LIMITS.textLength,
    FlagPatch,
    n => ({ key: 'a', metadata: { a: letters(n) } }),
  ],
  ['characters of a requested flag key', LIMITS.requestedKeyLength, RequestedFlagKey, letters],
]);

const counts: Limit[] = [
  ['characters of a key', LIMITS.keyLength, Key, ascii],
  [
    'characters of an origin',
    LIMITS.originLength,
    ApiKeyCreate,
    n => ({ ...apiKey, allowedOrigins: [`https://${ascii(n - 8)}`] }),
  ],
  [
    'origins',
    LIMITS.allowedOrigins,
    ApiKeyCreate,
    n => ({ ...apiKey, allowedOrigins: listOf(n, i => `https://${i}.example`) }),
  ],
  ['variants', LIMITS.variants, Flag, n => ({ ...flag, variants: entries(n) })],
  ['entries of metadata', LIMITS.metadataEntries, Flag, n => ({ ...flag, metadata: entries(n) })],
  ['tags', LIMITS.tags, Flag, n => ({ ...flag, tags: listOf(n, String) })],
  ['rules of a flag', LIMITS.rules, Flag, n => ({ ...flag, rules: listOf(n, () => rule) })],
  [
    'rules on creation',
    LIMITS.rules,
    FlagCreate,
    n => ({ key: 'a', enabled: true, rules: listOf(n, () => ({})) }),
  ],
  ['rules of a patch', LIMITS.rules, FlagPatch, n => ({ key: 'a', rules: listOf(n, () => rule) })],
  [
    'conditions of a rule',
    LIMITS.conditionsPerRule,
    Rule,
    n => ({ ...rule, conditions: listOf(n, () => leaf) }),
  ],
  [
    'conditions of a rule on creation',
    LIMITS.conditionsPerRule,
    RuleInput,
    n => ({ conditions: listOf(n, () => leaf) }),
  ],
  [
    'conditions of a rule, in groups',
    LIMITS.conditionsPerRule,
    Rule,
    n => ({
      ...rule,
      conditions: [{ any: listOf(20, () => leaf) }, { all: [{ any: listOf(n - 20, () => leaf) }] }],
    }),
  ],
  [
    'conditions of a group',
    LIMITS.conditionsPerRule,
    Condition,
    n => ({ any: listOf(n, () => leaf) }),
  ],
  [
    'conditions of a segment',
    LIMITS.conditionsPerRule,
    SegmentCreate,
    n => ({ key: 'a', conditions: listOf(n, () => leaf) }),
  ],
  [
    'entries of a split',
    LIMITS.variants,
    Rule,
    n => ({ ...rule, split: listOf(n, i => ({ variant: `${i}`, weight: 1 })) }),
  ],
  [
    'variants of a flag condition',
    LIMITS.variants,
    Condition,
    n => ({ flag: 'a', variants: listOf(n, String) }),
  ],
  [
    'values of a list',
    LIMITS.listValues,
    AttributeCondition,
    n => ({ attribute: 'a', operator: 'in', value: listOf(n, Number) }),
  ],
  [
    'networks',
    LIMITS.listValues,
    AttributeCondition,
    n => ({ attribute: 'a', operator: 'inCidr', value: listOf(n, () => '192.168.100.0/24') }),
  ],
  ['a weight', LIMITS.splitWeight, SplitEntry, n => ({ variant: 'on', weight: n })],
  ['flag keys of a request', LIMITS.flagKeysPerRequest, FlagKeys, n => listOf(n, String)],
];

/** Returns a string of exactly `bytes` bytes as JSON, with quotation marks and four-byte characters. */
const textOf = (bytes: number): string => {
  const odd = (bytes - 2) % 4;
  return emoji((bytes - 2 - odd) / 4) + ascii(odd);
};
const objectOf = (bytes: number) => ({ a: textOf(bytes - '{"a":}'.length) });

/** Returns a document of exactly `bytes` bytes as JSON: eight strings of 60,000 and one for the rest. */
const filled = (bytes: number, document: (texts: string[]) => object): object => {
  const texts = listOf(8, () => ascii(60_000));
  return document([...texts, ascii(bytes - JSON.stringify(document([...texts, ''])).length)]);
};
const variantsOf = (texts: string[]) => ({ variants: Object.fromEntries(texts.entries()) });
const conditionsOf = (texts: string[]) => ({
  conditions: texts.map(value => ({ attribute: 'a', operator: 'equals', value })),
});

const bytes: Limit[] = [
  ['bytes of a string value', LIMITS.valueBytes, Value, textOf],
  ['bytes of an object value', LIMITS.valueBytes, Value, objectOf],
  [
    'bytes of a string that needs escapes',
    LIMITS.valueBytes,
    Value,
    n => '\n'.repeat((n - 2) / 2) + ascii(n % 2),
  ],
  [
    'bytes of an operand',
    LIMITS.valueBytes,
    Condition,
    n => ({ attribute: 'a', operator: 'equals', value: textOf(n) }),
  ],
  [
    'bytes of an operand in a list',
    LIMITS.valueBytes,
    Condition,
    n => ({ attribute: 'a', operator: 'in', value: [1, textOf(n)] }),
  ],
  [
    'bytes of a string operand',
    LIMITS.valueBytes,
    Condition,
    n => ({ attribute: 'a', operator: 'contains', value: textOf(n) }),
  ],
  [
    'bytes of a flag',
    LIMITS.flagBytes,
    Flag,
    n => filled(n, texts => ({ ...flag, ...variantsOf(texts) })),
  ],
  [
    'bytes of a flag on creation',
    LIMITS.flagBytes,
    FlagCreate,
    n => filled(n, texts => ({ key: 'a', enabled: true, ...variantsOf(texts) })),
  ],
  [
    'bytes of a patch',
    LIMITS.flagBytes,
    FlagPatch,
    n => filled(n, texts => ({ key: 'a', ...variantsOf(texts) })),
  ],
  [
    'bytes of a segment',
    LIMITS.segmentBytes,
    Segment,
    n => filled(n, texts => ({ key: 'a', ...conditionsOf(texts), ...serverManaged })),
  ],
  [
    'bytes of a segment on creation',
    LIMITS.segmentBytes,
    SegmentCreate,
    n => filled(n, texts => ({ key: 'a', ...conditionsOf(texts) })),
  ],
  [
    'bytes of a segment patch',
    LIMITS.segmentBytes,
    SegmentPatch,
    n => filled(n, texts => ({ key: 'a', ...conditionsOf(texts) })),
  ],
];

test.each([...lengths, ...counts, ...bytes])(
  '%s: exactly %d are accepted, and the error for one more names the limit',
  (_, limit, schema, of) => {
    expect(schema.safeParse(of(limit)).error).toBeUndefined();
    const { error } = schema.safeParse(of(limit + 1));
    const named = limit % 1024 === 0 ? `${limit / 1024} KiB` : String(limit);
    expect(error && describeIssues(error)).toContainEqual({
      path: expect.any(String),
      message: expect.stringContaining(named),
    });
  },
);

test.each([
  ['a key', Key, ''],
  ['a variant name', Flag, { ...flag, variants: { '': true } }],
  ['variants', Flag, { ...flag, variants: {} }],
  ['a seed', Flag, { ...flag, seed: '' }],
  ['a tag', Flag, { ...flag, tags: [''] }],
  ['an attribute', Condition, { ...leaf, attribute: '' }],
  ['the operand of startsWith', Condition, { attribute: 'a', operator: 'startsWith', value: '' }],
  ['the variants of a flag condition', Condition, { flag: 'a', variants: [] }],
  ['a group', Condition, { any: [] }],
  ['the conditions of a segment', SegmentCreate, { key: 'a', conditions: [] }],
  ['a split', Rule, { ...rule, split: [] }],
  ['the origins of a key', ApiKeyCreate, { ...apiKey, allowedOrigins: [] }],
])('%s must not be empty', (_, schema, empty) => {
  expect(schema.safeParse(empty).success).toBe(false);
});

test.each([
  ['a pattern', Condition, { attribute: 'a', operator: 'matches', value: '' }],
  ['an operand of equals', Condition, { attribute: 'a', operator: 'equals', value: '' }],
  ['a list of values', Condition, { attribute: 'a', operator: 'in', value: [] }],
  ['a list of networks', Condition, { attribute: 'a', operator: 'inCidr', value: [] }],
  ['the conditions of a rule', Rule, rule],
  ['a description', FlagPatch, { key: 'a', description: '' }],
])('%s may be empty', (_, schema, empty) => {
  expect(schema.safeParse(empty).success).toBe(true);
});

test.each([
  ['percentage', -0.001, false],
  ['percentage', 0, true],
  ['percentage', 100, true],
  ['percentage', 100.001, false],
  ['percentage', Infinity, false],
  ['percentage', NaN, false],
])('a %s of %d is accepted: %s', (name, number, accepted) => {
  expect(Rule.safeParse({ ...rule, [name]: number }).success).toBe(accepted);
});

test.each([
  [2.0, true],
  [0, true],
  [-1, false],
  [0.5, false],
])('a weight of %d is accepted: %s', (weight, accepted) => {
  expect(SplitEntry.safeParse({ variant: 'on', weight }).success).toBe(accepted);
});

test.each([
  ['a variant', Value, '1e999'],
  ['a variant, deep inside', Value, '{"a": [[{"b": -1e999}]]}'],
  ['an operand', Condition, '{"attribute": "a", "operator": "equals", "value": 1e999}'],
  [
    'an operand of greaterThan',
    Condition,
    '{"attribute": "a", "operator": "greaterThan", "value": 1e999}',
  ],
  ['an operand in a list', Condition, '{"attribute": "a", "operator": "in", "value": [1, 1e999]}'],
])('%s must not be an infinite number, which JSON cannot represent', (_, schema, text) => {
  expect(schema.safeParse(JSON.parse(text)).success).toBe(false);
});

test.each([
  ['https://app.example.com', true],
  ['http://localhost:3000', true],
  ['https://[::1]:8080', true],
  ['https://App.example.com', false],
  ['https://app.example.com/', false],
  ['https://app.example.com:443', false],
  ['https://user@app.example.com', false],
  ['https://bücher.example', false],
  ['ftp://app.example.com', false],
  ['app.example.com', false],
  ['*', false],
  ['null', false],
])('%s as an allowed origin is accepted: %s', (origin, accepted) => {
  expect(ApiKeyCreate.safeParse({ ...apiKey, allowedOrigins: [origin] }).success).toBe(accepted);
});

test.each([
  ['rules', { rules: listOf(200_000, () => null) }],
  ['conditions', { rules: [{ conditions: listOf(200_000, () => ({})) }] }],
  ['members of a group', { rules: [{ conditions: [{ any: listOf(200_000, () => ({})) }] }] }],
  [
    'values',
    {
      rules: [
        { conditions: [{ attribute: 'a', operator: 'in', value: listOf(200_000, () => null) }] },
      ],
    },
  ],
  ['tags', { tags: listOf(200_000, () => null) }],
])('a list of 200,000 %s is one problem, because its elements are not checked', (_, fields) => {
  const { error } = FlagCreate.safeParse({ key: 'a', enabled: true, ...fields });
  const details = error === undefined ? [] : describeIssues(error);
  const others = details.filter(({ message }) => !message.includes('only its first problem'));
  expect(others).toHaveLength(1);
});
