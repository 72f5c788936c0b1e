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
import { replaced, positionsOf } from './support/positions.ts';

const detailsOf = (schema: z.ZodType, input: unknown) => {
  const { error } = schema.safeParse(input);
  return error ? describeIssues(error) : [];
};

const flagDetails = (fields: object) =>
  detailsOf(FlagCreate, { key: 'a', enabled: true, ...fields });
const conditionDetails = (condition: unknown) =>
  flagDetails({ rules: [{ conditions: [condition] }] });
const detailAt = (path: string, message: string) => [
  { path: ['rules.0.conditions.0', path].filter(Boolean).join('.'), message },
];

const everyOperator = Object.values(OPERATORS)
  .flat()
  .map(operator => `"${operator}"`)
  .join(', ');

test.each([
  [
    'a string for a boolean',
    { enabled: 'false' },
    'enabled',
    'must be true or false, not a string',
  ],
  [
    'a number for a boolean',
    { clientVisible: 1 },
    'clientVisible',
    'must be true or false, not a number',
  ],
  ['null for a boolean', { enabled: null }, 'enabled', 'must be true or false, not null'],
  ['a boolean for a string', { seed: true }, 'seed', 'must be a string, not a boolean'],
  ['an object for a list', { rules: {} }, 'rules', 'must be a list, not an object'],
  ['a list for an object', { metadata: [] }, 'metadata', 'must be an object, not a list'],
  [
    'a string for a percentage',
    { rules: [{ percentage: '10' }] },
    'rules.0.percentage',
    'must be a number, not a string',
  ],
  [
    'an unknown type',
    { type: 'json' },
    'type',
    'must be one of "boolean", "string", "number", "object"; did you mean "object"?',
  ],
  [
    'null for a variant',
    { variants: { on: null } },
    'variants.on',
    'must be a string, a number, a boolean or a JSON object, without infinite numbers',
  ],
  [
    'an empty name',
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
    'can only be used together with "attribute"',
  ],
  [
    'a value without an attribute',
    { rules: [{ value: 1 }] },
    'rules.0.value',
    'can only be used together with "attribute"',
  ],
  [
    'a short form together with conditions',
    { rules: [{ conditions: [{ segment: 'a' }], attribute: 'a', operator: 'exists' }] },
    'rules.0.attribute',
    'cannot be combined with "conditions": add it to that list',
  ],
  [
    'a short form together with an empty list of conditions',
    { rules: [{ conditions: [], attribute: 'a', operator: 'exists' }] },
    'rules.0.attribute',
    'cannot be combined with "conditions": add it to that list',
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
    `is missing: it must be one of ${everyOperator}`,
  ],
])('the message for %s names the path and the remedy', (_, fields, path, message) => {
  expect(flagDetails(fields)).toEqual([{ path, message }]);
});

const kindsMessage = 'must have exactly one of "attribute", "segment", "flag", "any", "all"';

test.each([
  [
    'an unknown operator',
    { attribute: 'a', operator: 'equls', value: 1 },
    'operator',
    `must be one of ${everyOperator}; did you mean "equals"?`,
  ],
  [
    'no operator',
    { attribute: 'a', value: 1 },
    'operator',
    `is missing: it must be one of ${everyOperator}`,
  ],
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
    'a number for a network',
    { attribute: 'a', operator: 'inCidr', value: 1 },
    'value',
    'must be a network such as "10.0.0.0/8", or a list of networks',
  ],
  [
    'a number in a list of networks',
    { attribute: 'a', operator: 'inCidr', value: ['::1', 1] },
    'value.1',
    'must be a string, not a number',
  ],
  [
    'exists: false',
    { attribute: 'a', operator: 'exists', value: false },
    'value',
    'must be true or absent; for the opposite, add "not": true to the condition',
  ],
  [
    'a list for one value',
    { attribute: 'a', operator: 'equals', value: ['b'] },
    'value',
    'must be one value, not a list: use the operator "in" or "notIn" for a list',
  ],
  [
    'an operator without an attribute',
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
    'is an unknown field; did you mean "not"? The fields here are "segment", "not"',
  ],
  ['a flag without variants', { flag: 'a' }, 'variants', 'is missing: it must be a list'],
  [
    'a string for `not`',
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
  [
    'an object for the members of a group',
    { any: { segment: 'a' } },
    'any',
    'must be a list, not an object',
  ],
  ['a misspelled kind', { sgment: 'a' }, '', `${kindsMessage}; did you mean "segment"?`],
  ['a kind of another language', { and: [] }, '', `${kindsMessage}; did you mean "all"?`],
  [
    'a negated condition',
    { not: { segment: 'a' } },
    '',
    `${kindsMessage}; add "not": true to that condition`,
  ],
  [
    'two kinds at once',
    { attribute: 'a', segment: 'b' },
    'attribute',
    'is an unknown field; the fields here are "segment", "not"',
  ],
  ['an empty condition', {}, '', kindsMessage],
  ['a string for a condition', 'a', '', kindsMessage],
])(
  'the message for %s is about the kind of condition that was meant',
  (_, condition, path, message) => {
    expect(conditionDetails(condition)).toContainEqual(detailAt(path, message)[0]);
    expect(conditionDetails(condition)).toHaveLength(
      condition instanceof Object && 'x' in condition ? 4 : 1,
    );
  },
);

test('the message for a condition of a segment lists the kinds that a segment can have', () => {
  expect(
    detailsOf(SegmentCreate, { key: 'a', conditions: [{ flag: 'b', variants: ['on'] }] }),
  ).toEqual([
    { path: 'conditions.0', message: 'must have exactly one of "attribute", "any", "all"' },
  ]);
});

test('the message for an unknown field lists the known fields', () => {
  expect(detailsOf(FlagPatch, { key: 'a', enable: true })).toEqual([
    {
      path: 'enable',
      message:
        'is an unknown field; did you mean "enabled"? The fields here are "key", "type", "enabled", "variants", "defaultVariant", "rules", "seed", "clientVisible", "metadata", "name", "description", "tags", "owner", "codeDefault", "numberType"',
    },
  ]);
});

test.each([
  ['no input', undefined, 'is missing: it must be an object'],
  ['a string', '{}', 'must be an object, not a string'],
  ['a list', [], 'must be an object, not a list'],
])('%s instead of a document is reported at the empty path', (_, input, message) => {
  expect(detailsOf(FlagPatch, input)).toEqual([{ path: '', message }]);
});

test('a problem of a flag in a set has its key in the path, and a bad key has the reason', () => {
  const set = { formatVersion: 1, environment: 'e', id: 'i', revision: 1, segments: {} };
  expect(detailsOf(FlagSet, { ...set, flags: { a: 1, '../b': {} } })).toEqual(
    expect.arrayContaining([
      { path: 'flags.a', message: 'must be an object, not a number' },
      { path: 'flags.../b', message: expect.stringContaining('has a name that must consist of') },
    ]),
  );
});

test("zod's own messages are replaced in any schema", () => {
  const other = z.strictObject({
    limit: z.int().min(1).max(200),
    cursor: z.string().max(3),
    items: z.array(z.string()).min(2),
    scope: KeyScope,
    kind: z.union([z.string(), z.number()]),
    mode: z.literal('a'),
  });
  const input = { limit: 0, cursor: 'long', items: [], scope: 1, kind: null, mode: 'b', more: 1 };
  expect(detailsOf(other, input)).toEqual([
    { path: 'limit', message: 'must be at least 1' },
    { path: 'cursor', message: 'must be at most 3 characters' },
    { path: 'items', message: 'must have at least 2 entries' },
    { path: 'scope', message: 'must be the key of an environment, or "*" for all environments' },
    { path: 'kind', message: 'must have one of the accepted shapes' },
    { path: 'mode', message: 'must be "a"' },
    { path: 'more', message: 'is an unknown field; leave it out' },
  ]);
  expect(detailsOf(other, { ...input, limit: 1.5, kind: undefined })).toEqual(
    expect.arrayContaining([
      { path: 'limit', message: 'must be a whole number' },
      { path: 'kind', message: 'is missing: it must have one of the accepted shapes' },
    ]),
  );
});

test('at most 20 problems are listed, and one more entry counts the rest', () => {
  const rules = Array.from({ length: 100 }, () => ({ percentage: 'a' }));
  const details = flagDetails({ rules });
  expect(details).toHaveLength(21);
  expect(details.at(-1)).toEqual({ path: '', message: 'has 80 more problems' });
});

test('an extended strictObject lists its own fields and the added ones', () => {
  const extended = strictObject({ a: z.string() }).extend({ b: z.string() });
  expect(detailsOf(extended, { a: '', b: '', c: 1 })).toEqual([
    { path: 'c', message: 'is an unknown field; the fields here are "a", "b"' },
  ]);
});

test('no message repeats a long value or name of the input', () => {
  const long = 'secret'.repeat(200);
  const details = [
    flagDetails({ key: long, type: long, seed: long, owner: { [long]: 1 }, [long]: 1 }),
    flagDetails({ variants: { [long]: null }, metadata: { [long]: [] } }),
    flagDetails(
      Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`${index}${long}`, 1])),
    ),
    conditionDetails({ attribute: long, operator: long, value: long }),
  ].flat();
  expect(details.length).toBeGreaterThan(8);
  for (const { path, message } of details) {
    expect(path.length).toBeLessThan(100);
    expect(message.length).toBeLessThan(800);
    expect(path + message).not.toContain('secret'.repeat(20));
  }
});

test('any wrong value in a flag is reported at its path or above, in plain words', () => {
  const junk = fc.constantFrom(null, 'true', -1, 1.5, [], {}, [null], { a: { b: 1 } });
  fc.assert(
    fc.property(flagCreate, fc.nat(), junk, (document, at, value) => {
      const positions = positionsOf(document);
      const position = positions[at % positions.length];
      fc.pre(position !== undefined);
      for (const { path, message } of detailsOf(FlagCreate, replaced(document, position, value))) {
        expect(path === '' || path.split('.')[0] === position.path[0]).toBe(true);
        expect(message).toMatch(/^(?:must|has|is missing:|is an unknown field;|can only|cannot) /);
      }
    }),
  );
});
