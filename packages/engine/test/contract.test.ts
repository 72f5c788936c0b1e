import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { flagSet } from './arbitraries.ts';

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../spec/${file}`, import.meta.url), 'utf8'));

type FieldLists = {
  readonly flag: { readonly sent: readonly string[] };
  readonly segment: { readonly sent: readonly string[] };
  readonly rule: readonly string[];
  readonly splitEntry: readonly string[];
  readonly condition: Readonly<Record<string, readonly string[]>>;
};
const fields = read('fields.json') as FieldLists;
const operators = Object.keys(read('operators.json') as object);

/** Every object in a value, with the name of the field or list that it is in. */
const objectsIn = (value: unknown, holder = ''): (readonly [string, object])[] => {
  if (Array.isArray(value)) return value.flatMap(item => objectsIn(item, holder));
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.entries(value).flatMap(([name, item]) => objectsIn(item, name));
  return [[holder, value], ...inner];
};

const generated = fc
  .sample(flagSet, { numRuns: 1_000, seed: 1 })
  .flatMap(set => objectsIn(set)) as (readonly [string, Readonly<Record<string, unknown>>])[];

type IsOne = (holder: string, object: object) => boolean;

const isCondition: IsOne = holder => ['conditions', 'any', 'all'].includes(holder);

const kinds: readonly (readonly [name: string, fields: readonly string[], isOne: IsOne])[] = [
  ['flag', fields.flag.sent, (_, object) => Object.hasOwn(object, 'enabled')],
  [
    'segment',
    fields.segment.sent,
    (holder, object) => holder !== 'rules' && Object.hasOwn(object, 'conditions'),
  ],
  ['rule', fields.rule, holder => holder === 'rules'],
  ['split entry', fields.splitEntry, holder => holder === 'split'],
  ...Object.entries(fields.condition).map(([kind, names]): [string, readonly string[], IsOne] => [
    `condition of the kind ${kind}`,
    names,
    (holder, object) => isCondition(holder, object) && Object.hasOwn(object, kind),
  ]),
];

test('the generator of flag sets uses every operator', () => {
  const used = new Set(generated.map(([, object]) => object['operator']));
  used.delete(undefined);
  expect(used).toEqual(new Set(operators));
});

test.each(kinds)('the generator of flag sets uses every field of a %s', (_, names, isOne) => {
  const found = generated.filter(([holder, object]) => isOne(holder, object));
  const used = found.flatMap(([, object]) => Object.keys(object));
  expect(new Set(used)).toEqual(new Set(names));
});
