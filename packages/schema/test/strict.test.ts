import { describeIssues, Flag, FlagCreate, FlagSet, isJsonObject, Segment } from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { z } from 'zod';

import { flag, flagCreate, flagSet, segment } from './support/arbitraries.ts';
import { typedPositionsOf, replaced, valueAt } from './support/positions.ts';

type Subject = [name: string, schema: z.ZodType, valid: fc.Arbitrary<object>];

const subjects: Subject[] = [
  ['flag', Flag, flag],
  ['flag on creation', FlagCreate, flagCreate],
  ['segment', Segment, segment],
  ['flag set', FlagSet, flagSet],
];

const expectRefused = (schema: z.ZodType, document: object): void => {
  expect(schema.safeParse(document).success).toBe(false);
};

/** Fields that take a string, a number or a boolean. */
const UNTYPED = new Set(['value', 'codeDefault']);

test.each(subjects)(
  'a %s refuses a string instead of a boolean or a number',
  (_, schema, valid) => {
    fc.assert(
      fc.property(valid, document => {
        for (const position of typedPositionsOf(document)) {
          const value = valueAt(position);
          if (UNTYPED.has(position.name)) continue;
          if (typeof value !== 'boolean' && typeof value !== 'number') continue;
          expectRefused(schema, replaced(document, position, String(value)));
        }
      }),
      { numRuns: 30 },
    );
  },
);

test.each(subjects)('a %s refuses a number instead of a boolean', (_, schema, valid) => {
  fc.assert(
    fc.property(valid, document => {
      for (const position of typedPositionsOf(document)) {
        if (typeof valueAt(position) !== 'boolean' || UNTYPED.has(position.name)) continue;
        expectRefused(schema, replaced(document, position, 0));
        expectRefused(schema, replaced(document, position, 1));
      }
    }),
    { numRuns: 30 },
  );
});

/** Fields that may be null, which means absent. Nearly all fields of `FlagCreate` may be. */
const NULLABLE = [
  'name',
  'description',
  'tags',
  'owner',
  'codeDefault',
  'numberType',
  'not',
  'value',
];
const RULE_FIELDS = ['variant', 'split', 'percentage', 'bucketBy', 'seed'];
const nullable = new Map([
  ['flag', ['defaultVariant', ...RULE_FIELDS, ...NULLABLE]],
  ['segment', NULLABLE],
  ['flag set', ['defaultVariant', ...RULE_FIELDS, ...NULLABLE]],
]);

test.each(subjects.filter(([name]) => nullable.has(name)))(
  'a %s refuses null in every required field',
  (subject, schema, valid) => {
    const allowed = new Set(nullable.get(subject));
    fc.assert(
      fc.property(valid, document => {
        const required = typedPositionsOf(document).filter(({ name }) => !allowed.has(name));
        for (const position of required) expectRefused(schema, replaced(document, position, null));
      }),
      { numRuns: 30 },
    );
  },
);

/** Objects that may have any field names. */
const RECORDS = new Set(['metadata', 'variants', 'flags', 'segments', 'value', 'codeDefault']);

const objectSitesOf = (document: object) =>
  typedPositionsOf(document).filter(position => {
    const value = valueAt(position);
    return isJsonObject(value) && !RECORDS.has(position.name);
  });

/** Adds an own field as `JSON.parse` does, even if its name is `__proto__`. */
const withField = (object: unknown, name: string): object =>
  Object.defineProperty({ ...(isJsonObject(object) ? object : {}) }, name, {
    value: 1,
    enumerable: true,
  });

test.each(subjects)(
  'a %s refuses an unknown field at every depth and names it',
  (_, schema, valid) => {
    fc.assert(
      fc.property(valid, fc.constantFrom('surprise', '__proto__', 'toString'), (document, name) => {
        for (const position of objectSitesOf(document)) {
          const extended = replaced(document, position, withField(valueAt(position), name));
          const { error } = schema.safeParse(extended);
          const messages = error
            ? describeIssues(error).map(({ path, message }) => path + message)
            : [];
          expect(messages).toContainEqual(expect.stringContaining(`${name}is an unknown field`));
        }
      }),
      { numRuns: 30 },
    );
  },
);

test('an unknown field at the top level is refused and named', () => {
  fc.assert(
    fc.property(flag, document => {
      const { error } = Flag.safeParse(withField(document, '__proto__'));
      expect(error && describeIssues(error)[0]?.path).toBe('__proto__');
    }),
  );
});
