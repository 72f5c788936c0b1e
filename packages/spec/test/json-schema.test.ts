import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { z } from 'zod';

import { documents, jsonSchema } from '../generate.ts';
import {
  evaluation,
  flag,
  flagCreate,
  flagSet,
  segment,
} from '../../schema/test/support/arbitraries.ts';
import { removed, replaced, positionsOf } from '../../schema/test/support/positions.ts';

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { 'date-time': true } });

const documentOf = (name: string) => {
  const document = documents.get(name);
  if (document === undefined) throw new Error(`there is no document "${name}"`);
  return document;
};

test.each([...documents])(
  'the document %s is valid, has a title and is self-contained',
  (name, document) => {
    const schema = jsonSchema(name, document);
    expect(schema).toMatchObject({ $id: `urn:pennon:schema:${name}`, title: expect.any(String) });
    expect(() => ajv.compile(schema)).not.toThrow();
  },
);

/** Counts the parts that accept anything. If that is intended, a part has a description. */
const countUnrestricted = (schema: unknown): number =>
  JSON.stringify(schema).split('{}').length - 1;

test.each([...documents])('no part of %s accepts any value unintentionally', (name, document) => {
  expect(countUnrestricted(jsonSchema(name, document))).toBe(0);
});

type Subject = [name: string, valid: fc.Arbitrary<object>];
const subjects: Subject[] = [
  ['flag', flag],
  ['segment', segment],
  ['flag-set', flagSet],
  ['evaluation', evaluation],
];

const validatorsOf = (name: string) => {
  const document = documentOf(name);
  const { $id: _, ...schema } = jsonSchema(name, document);
  const byJsonSchema = ajv.compile(schema);
  const byZod = ({ zod }: { zod: z.ZodType }, input: object) => zod.safeParse(input).success;
  return {
    byJsonSchema: (input: object) => byJsonSchema(input),
    byZod: (input: object) => byZod(document, input),
  };
};

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  fc.constantFrom(null, 'true', '1', '', -1, 0, 1, 1.5, 101, true, false),
  fc.constantFrom(
    [],
    {},
    [null],
    'x'.repeat(101),
    'a..b',
    '🏁'.repeat(100),
    '2026-01-31T12:00:00Z',
  ),
);

/** A valid document with one position removed or replaced, possibly by another valid value. */
const damaged = (valid: fc.Arbitrary<object>) =>
  fc.tuple(valid, fc.nat(), fc.option(junk, { nil: undefined })).map(([document, at, value]) => {
    const positions = positionsOf(document);
    const position = positions[at % positions.length];
    if (position === undefined) return document;
    return value === undefined ? removed(document, position) : replaced(document, position, value);
  });

test.each(subjects)('zod and JSON Schema accept every valid %s', (name, valid) => {
  const { byJsonSchema, byZod } = validatorsOf(name);
  fc.assert(
    fc.property(valid, document => {
      expect([byZod(document), byJsonSchema(document)]).toEqual([true, true]);
    }),
  );
});

test.each(subjects)('zod and JSON Schema agree on a damaged %s', (name, valid) => {
  const { byJsonSchema, byZod } = validatorsOf(name);
  fc.assert(
    fc.property(damaged(valid), document => {
      expect(byJsonSchema(document)).toBe(byZod(document));
    }),
    { numRuns: 1_000 },
  );
});

test('JSON Schema accepts every flag on creation that zod accepts', () => {
  const { byJsonSchema, byZod } = validatorsOf('flag-create');
  fc.assert(
    fc.property(damaged(flagCreate), document => {
      if (byZod(document)) expect(byJsonSchema(document)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
