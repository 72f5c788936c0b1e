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
import { removed, replaced, sitesOf } from '../../schema/test/support/sites.ts';

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { 'date-time': true } });

const documentOf = (name: string) => {
  const document = documents.get(name);
  if (document === undefined) throw new Error(`no document is named ${name}`);
  return document;
};

test.each([...documents])(
  'the document %s is valid, titled and complete in itself',
  (name, document) => {
    const schema = jsonSchema(name, document);
    expect(schema).toMatchObject({ $id: `urn:pennon:schema:${name}`, title: expect.any(String) });
    expect(() => ajv.compile(schema)).not.toThrow();
  },
);

/** Parts that accept anything; where that is meant, they carry a description. */
const empty = (schema: unknown): number => JSON.stringify(schema).split('{}').length - 1;

test.each([...documents])('no part of %s accepts anything by oversight', (name, document) => {
  expect(empty(jsonSchema(name, document))).toBe(0);
});

type Subject = [name: string, valid: fc.Arbitrary<object>];
const subjects: Subject[] = [
  ['flag', flag],
  ['segment', segment],
  ['flag-set', flagSet],
  ['evaluation', evaluation],
];

const judgesOf = (name: string) => {
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

/** A valid document in which one place is gone or holds something else, which may be valid too. */
const damaged = (valid: fc.Arbitrary<object>) =>
  fc.tuple(valid, fc.nat(), fc.option(junk, { nil: undefined })).map(([document, at, value]) => {
    const sites = sitesOf(document);
    const site = sites[at % sites.length];
    if (site === undefined) return document;
    return value === undefined ? removed(document, site) : replaced(document, site, value);
  });

test.each(subjects)('zod and JSON Schema accept every valid %s', (name, valid) => {
  const { byJsonSchema, byZod } = judgesOf(name);
  fc.assert(
    fc.property(valid, document => {
      expect([byZod(document), byJsonSchema(document)]).toEqual([true, true]);
    }),
  );
});

test.each(subjects)('zod and JSON Schema agree on a damaged %s', (name, valid) => {
  const { byJsonSchema, byZod } = judgesOf(name);
  fc.assert(
    fc.property(damaged(valid), document => {
      expect(byJsonSchema(document)).toBe(byZod(document));
    }),
    { numRuns: 1_000 },
  );
});

test('of a flag on creation JSON Schema refuses nothing that zod accepts', () => {
  const { byJsonSchema, byZod } = judgesOf('flag-create');
  fc.assert(
    fc.property(damaged(flagCreate), document => {
      if (byZod(document)) expect(byJsonSchema(document)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
