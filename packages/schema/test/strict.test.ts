import { describeIssues, Flag, FlagCreate, FlagSet, isJsonObject, Segment } from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { z } from 'zod';

import { flag, flagCreate, flagSet, segment } from './support/arbitraries.ts';
import { fixedSitesOf, replaced, valueAt } from './support/sites.ts';

type Subject = [name: string, schema: z.ZodType, valid: fc.Arbitrary<object>];

const subjects: Subject[] = [
  ['flag', Flag, flag],
  ['flag on creation', FlagCreate, flagCreate],
  ['segment', Segment, segment],
  ['flag set', FlagSet, flagSet],
];

const refuses = (schema: z.ZodType, document: object): void => {
  expect(schema.safeParse(document).success).toBe(false);
};

test.each(subjects)('in a %s no text stands for a boolean or a number', (_, schema, valid) => {
  fc.assert(
    fc.property(valid, document => {
      for (const site of fixedSitesOf(document)) {
        const value = valueAt(site);
        if (site.name === 'value') continue;
        if (typeof value !== 'boolean' && typeof value !== 'number') continue;
        refuses(schema, replaced(document, site, String(value)));
      }
    }),
    { numRuns: 30 },
  );
});

test.each(subjects)('in a %s no number stands for a boolean', (_, schema, valid) => {
  fc.assert(
    fc.property(valid, document => {
      for (const site of fixedSitesOf(document)) {
        if (typeof valueAt(site) !== 'boolean' || site.name === 'value') continue;
        refuses(schema, replaced(document, site, 0));
        refuses(schema, replaced(document, site, 1));
      }
    }),
    { numRuns: 30 },
  );
});

/** Fields of which null means absent; in `FlagCreate` nearly every field is one. */
const NULLABLE = ['name', 'description', 'tags', 'owner', 'not', 'value'];
const OF_A_RULE = ['variant', 'split', 'percentage', 'bucketBy', 'seed'];
const nullable = new Map([
  ['flag', ['defaultVariant', ...OF_A_RULE, ...NULLABLE]],
  ['segment', NULLABLE],
  ['flag set', ['defaultVariant', ...OF_A_RULE, ...NULLABLE]],
]);

test.each(subjects.filter(([name]) => nullable.has(name)))(
  'in a %s null is refused wherever absence is not allowed',
  (subject, schema, valid) => {
    const allowed = new Set(nullable.get(subject));
    fc.assert(
      fc.property(valid, document => {
        const needed = fixedSitesOf(document).filter(({ name }) => !allowed.has(name));
        for (const site of needed) refuses(schema, replaced(document, site, null));
      }),
      { numRuns: 30 },
    );
  },
);

/** Places whose names people choose. */
const NAMED_FREELY = new Set(['metadata', 'variants', 'flags', 'segments', 'value']);

const objectSitesOf = (document: object) =>
  fixedSitesOf(document).filter(site => {
    const value = valueAt(site);
    return isJsonObject(value) && !NAMED_FREELY.has(site.name);
  });

/** As JSON.parse would make it: an own field, whatever its name. */
const withField = (object: unknown, name: string): object =>
  Object.defineProperty({ ...(isJsonObject(object) ? object : {}) }, name, {
    value: 1,
    enumerable: true,
  });

test.each(subjects)(
  'in a %s an unknown field is refused by name, at every depth',
  (_, schema, valid) => {
    fc.assert(
      fc.property(valid, fc.constantFrom('surprise', '__proto__', 'toString'), (document, name) => {
        for (const site of objectSitesOf(document)) {
          const surprised = replaced(document, site, withField(valueAt(site), name));
          const { error } = schema.safeParse(surprised);
          const said = error
            ? describeIssues(error).map(({ path, message }) => path + message)
            : [];
          expect(said).toContainEqual(expect.stringContaining(`${name}is an unknown field`));
        }
      }),
      { numRuns: 30 },
    );
  },
);

test('an unknown field of the whole document is refused by name', () => {
  fc.assert(
    fc.property(flag, document => {
      const { error } = Flag.safeParse(withField(document, '__proto__'));
      expect(error && describeIssues(error)[0]?.path).toBe('__proto__');
    }),
  );
});
