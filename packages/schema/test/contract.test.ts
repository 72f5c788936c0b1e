import { readFileSync } from 'node:fs';

import { CONDITION_FIELDS, Operator } from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { condition, evaluationFlag, flag, flagCreate, segment } from './support/arbitraries.ts';

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../spec/${file}`, import.meta.url), 'utf8'));

type FieldGroups = Readonly<
  Record<'evaluated' | 'sent' | 'descriptive' | 'serverManaged', string[]>
>;
const fields = read('fields.json') as { flag: FieldGroups; segment: FieldGroups; rule: string[] };
const operators = Object.keys(read('operators.json') as object);

const sample = <Item>(item: fc.Arbitrary<Item>) => fc.sample(item, { numRuns: 1_000, seed: 1 });

const namesUsed = (items: readonly object[]): Set<string> => new Set(items.flatMap(Object.keys));

test('operators.json lists the operators of the schema', () => {
  expect(operators).toEqual(Operator.options);
});

test('the generator of conditions uses every operator and every field', () => {
  const conditions = sample(condition);
  const used = conditions.flatMap(each => ('operator' in each ? [each.operator] : []));
  expect(new Set(used)).toEqual(new Set(operators));
  expect(namesUsed(conditions)).toEqual(new Set(Object.values(CONDITION_FIELDS).flat()));
});

test.each([
  ['flag', flag, fields.flag],
  ['segment', segment, fields.segment],
])('the generator of a %s uses every field of the managed resource', (_, generator, groups) => {
  const { requires: _requires, ...managed } = Object.fromEntries(
    Object.values(groups)
      .flat()
      .map(name => [name, true]),
  );
  expect(namesUsed(sample<object>(generator))).toEqual(new Set(Object.keys(managed)));
});

test('the generator of evaluation flags uses every field that is sent', () => {
  expect(namesUsed(sample(evaluationFlag))).toEqual(new Set(fields.flag.sent));
});

test('the generator of rules uses every field', () => {
  const stored = sample(flag).flatMap(({ rules }) => rules);
  expect(namesUsed(stored)).toEqual(new Set(fields.rule));
  const written = sample(flagCreate).flatMap(({ rules }) => rules ?? []);
  expect(namesUsed(written)).toEqual(new Set([...fields.rule, 'attribute', 'operator', 'value']));
});
