import {
  describeIssues,
  FlagCreate,
  FlagPatch,
  FlagSet,
  KeyScope,
  OPERATORS,
  SegmentCreate,
  strictObject,
} from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';

import { flagCreate } from './support/arbitraries.ts';
import { replaced, sitesOf } from './support/sites.ts';

const problems = (schema: z.ZodType, input: unknown) => {
  const { error } = schema.safeParse(input);
  return error ? describeIssues(error) : [];
};

const ofFlag = (fields: object) => problems(FlagCreate, { key: 'a', enabled: true, ...fields });
const ofCondition = (condition: unknown) => ofFlag({ rules: [{ conditions: [condition] }] });
const inCondition = (path: string, message: string) => [
  { path: ['rules.0.conditions.0', path].filter(Boolean).join('.'), message },
];

const everyOperator = Object.values(OPERATORS)
  .flat()
  .map(operator => `"${operator}"`)
  .join(', ');

test.each([
  ['a text for a boolean', { enabled: 'false' }, 'enabled', 'must be true or false, not a string'],
  [
    'a number for a boolean',
    { clientVisible: 1 },
    'clientVisible',
    'must be true or false, not a number',
  ],
  ['null for a boolean', { enabled: null }, 'enabled', 'must be true or false, not null'],
  ['a boolean for a text', { seed: true }, 'seed', 'must be a string, not a boolean'],
  ['an object for a list', { rules: {} }, 'rules', 'must be a list, not an object'],
  ['a list for an object', { metadata: [] }, 'metadata', 'must be an object, not a list'],
  [
    'a text for a percentage',
    { rules: [{ percentage: '10' }] },
    'rules.0.percentage',
    'must be a number, not a string',
  ],
  [
    'an unknown type',
    { type: 'json' },
    'type',
    'must be one of "boolean", "string", "number", "object"',
  ],
  [
    'a variant that is null',
    { variants: { on: null } },
    'variants.on',
    'must be a string, a number, a boolean or a JSON object, without infinite numbers',
  ],
  [
    'a name that is empty',
    { variants: { '': true } },
    'variants.',
    'has a name that must be 1 to 100 characters',
  ],
  [
    'a list in metadata',
    { metadata: { a: [] } },
    'metadata.a',
    'must be a string, a number or a boolean',
  ],
  [
    'a local time',
    { createdAt: '2026-01-31 12:00' },
    'createdAt',
    'must be a date and time such as "2026-01-31T12:00:00Z"',
  ],
  [
    'an operator without an attribute',
    { rules: [{ operator: 'exists' }] },
    'rules.0.operator',
    'needs an "attribute" beside it',
  ],
  [
    'a value without an attribute',
    { rules: [{ value: 1 }] },
    'rules.0.value',
    'needs an "attribute" beside it',
  ],
  [
    'a short form beside conditions',
    { rules: [{ conditions: [{ segment: 'a' }], attribute: 'a', operator: 'exists' }] },
    'rules.0.attribute',
    'cannot stand beside "conditions": write it as one of them',
  ],
  [
    'a short form beside an empty list of conditions',
    { rules: [{ conditions: [], attribute: 'a', operator: 'exists' }] },
    'rules.0.attribute',
    'cannot stand beside "conditions": write it as one of them',
  ],
  [
    'a short form with a wrong value',
    { rules: [{ attribute: 'a', operator: 'in', value: 1 }] },
    'rules.0.value',
    'must be a list, not a number',
  ],
  [
    'a short form without an operator',
    { rules: [{ attribute: 'a', value: 1 }] },
    'rules.0.operator',
    `must be one of ${everyOperator}`,
  ],
])('%s is told as what it is', (_, fields, path, message) => {
  expect(ofFlag(fields)).toEqual([{ path, message }]);
});

const kinds = 'must have exactly one of "attribute", "segment", "flag", "any", "all"';

test.each([
  [
    'an unknown operator',
    { attribute: 'a', operator: 'equls', value: 1 },
    'operator',
    `must be one of ${everyOperator}`,
  ],
  ['no operator', { attribute: 'a', value: 1 }, 'operator', `must be one of ${everyOperator}`],
  [
    'no value',
    { attribute: 'a', operator: 'equals' },
    'value',
    'is missing: it must be a string, a number or a boolean',
  ],
  [
    'a value of the wrong type',
    { attribute: 'a', operator: 'greaterThan', value: '10' },
    'value',
    'must be a number, not a string',
  ],
  [
    'a list of wrong values',
    { attribute: 'a', operator: 'in', value: [1, null] },
    'value.1',
    'must be a string, a number or a boolean',
  ],
  [
    'a network that is a number',
    { attribute: 'a', operator: 'inCidr', value: 1 },
    'value',
    'must be a network such as "10.0.0.0/8", or a list of networks',
  ],
  [
    'a network in a list',
    { attribute: 'a', operator: 'inCidr', value: ['::1', 1] },
    'value.1',
    'must be a string, not a number',
  ],
  ['exists: false', { attribute: 'a', operator: 'exists', value: false }, 'value', 'must be true'],
  [
    'an operator without attribute',
    { operator: 'equals', value: 1 },
    'attribute',
    'is missing: it must be a string',
  ],
  [
    'a segment of the wrong type',
    { segment: 5, nott: true, x: 1, y: 2 },
    'segment',
    'must be a string, not a number',
  ],
  [
    'a segment with an unknown field',
    { segment: 'a', nott: true },
    'nott',
    'is an unknown field; the fields here are "segment", "not"',
  ],
  ['a flag without variants', { flag: 'a' }, 'variants', 'is missing: it must be a list'],
  [
    'not as a text',
    { flag: 'a', variants: ['on'], not: 'true' },
    'not',
    'must be true or false, not a string',
  ],
  [
    'a problem in a group',
    { any: [{ all: [{ segment: '..' }] }] },
    'any.0.all.0.segment',
    'must consist of letters, digits, ".", "_" and "-", start with a letter or digit, and not contain ".."',
  ],
  ['a group that is no list', { any: { segment: 'a' } }, 'any', 'must be a list, not an object'],
  ['a misspelt kind', { sgment: 'a' }, '', kinds],
  [
    'two kinds at once',
    { attribute: 'a', segment: 'b' },
    'attribute',
    'is an unknown field; the fields here are "segment", "not"',
  ],
  ['an empty condition', {}, '', kinds],
  ['a condition that is a text', 'a', '', kinds],
])('of a condition, %s is told as the kind that was meant', (_, condition, path, message) => {
  expect(ofCondition(condition)).toContainEqual(inCondition(path, message)[0]);
  expect(ofCondition(condition)).toHaveLength(
    condition instanceof Object && 'x' in condition ? 4 : 1,
  );
});

test('a segment names the kinds of condition that it can hold', () => {
  expect(
    problems(SegmentCreate, { key: 'a', conditions: [{ flag: 'b', variants: ['on'] }] }),
  ).toEqual([
    { path: 'conditions.0', message: 'must have exactly one of "attribute", "any", "all"' },
  ]);
});

test('an unknown field is named with the fields that are allowed', () => {
  expect(problems(FlagPatch, { key: 'a', enable: true })).toEqual([
    {
      path: 'enable',
      message:
        'is an unknown field; the fields here are "key", "type", "enabled", "variants", "defaultVariant", "rules", "seed", "clientVisible", "metadata", "name", "description", "tags", "owner"',
    },
  ]);
});

test.each([
  ['no input', undefined, 'is missing: it must be an object'],
  ['a text', '{}', 'must be an object, not a string'],
  ['a list', [], 'must be an object, not a list'],
])('%s instead of a document is told at the empty path', (_, input, message) => {
  expect(problems(FlagPatch, input)).toEqual([{ path: '', message }]);
});

test('a flag in a set is told by its key, and a key that cannot be by its rules', () => {
  const set = { formatVersion: 1, environment: 'e', id: 'i', revision: 1, segments: {} };
  expect(problems(FlagSet, { ...set, flags: { a: 1, '../b': {} } })).toEqual(
    expect.arrayContaining([
      { path: 'flags.a', message: 'must be an object, not a number' },
      { path: 'flags.../b', message: expect.stringContaining('has a name that must consist of') },
    ]),
  );
});

test("zod's own messages are reworded in schemas of others too", () => {
  const other = z.strictObject({
    limit: z.int().min(1).max(200),
    cursor: z.string().max(3),
    items: z.array(z.string()).min(2),
    scope: KeyScope,
    kind: z.union([z.string(), z.number()]),
    mode: z.literal('a'),
  });
  const input = { limit: 0, cursor: 'long', items: [], scope: 1, kind: null, mode: 'b', more: 1 };
  expect(problems(other, input)).toEqual([
    { path: 'limit', message: 'must be at least 1' },
    { path: 'cursor', message: 'must be at most 3 characters' },
    { path: 'items', message: 'must have at least 2 entries' },
    { path: 'scope', message: 'must be the key of an environment, or "*" for all' },
    { path: 'kind', message: 'must have one of the accepted shapes' },
    { path: 'mode', message: 'must be "a"' },
    { path: 'more', message: 'is an unknown field; leave it out' },
  ]);
  expect(problems(other, { ...input, limit: 1.5, kind: undefined })).toEqual(
    expect.arrayContaining([
      { path: 'limit', message: 'must be a whole number' },
      { path: 'kind', message: 'is missing: it must have one of the accepted shapes' },
    ]),
  );
});

test('at most 20 problems are told, and one entry counts the rest', () => {
  const rules = Array.from({ length: 100 }, () => ({ percentage: 'a' }));
  const told = ofFlag({ rules });
  expect(told).toHaveLength(21);
  expect(told.at(-1)).toEqual({ path: '', message: 'has 80 more problems' });
});

test('an object made with strictObject still names its fields when it was extended', () => {
  const extended = strictObject({ a: z.string() }).extend({ b: z.string() });
  expect(problems(extended, { a: '', b: '', c: 1 })).toEqual([
    { path: 'c', message: 'is an unknown field; the fields here are "a", "b"' },
  ]);
});

test('no message repeats a long text of the caller, neither a value nor a name', () => {
  const long = 'secret'.repeat(200);
  const texts = [
    ofFlag({ key: long, type: long, seed: long, owner: { [long]: 1 }, [long]: 1 }),
    ofFlag({ variants: { [long]: null }, metadata: { [long]: [] } }),
    ofFlag(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`${index}${long}`, 1]))),
    ofCondition({ attribute: long, operator: long, value: long }),
  ].flat();
  expect(texts.length).toBeGreaterThan(8);
  for (const { path, message } of texts) {
    expect(path.length).toBeLessThan(100);
    expect(message.length).toBeLessThan(800);
    expect(path + message).not.toContain('secret'.repeat(20));
  }
});

test('whatever is wrong anywhere in a flag is told at its place or above, in words', () => {
  const junk = fc.constantFrom(null, 'true', -1, 1.5, [], {}, [null], { a: { b: 1 } });
  fc.assert(
    fc.property(flagCreate, fc.nat(), junk, (document, at, value) => {
      const sites = sitesOf(document);
      const site = sites[at % sites.length];
      fc.pre(site !== undefined);
      for (const { path, message } of problems(FlagCreate, replaced(document, site, value))) {
        expect(path === '' || path.split('.')[0] === site.path[0]).toBe(true);
        expect(message).toMatch(/^(?:must|has|is missing:|is an unknown field;|needs|cannot) /);
      }
    }),
  );
});
