import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { differences, type VectorFile } from './support/vectors.ts';

const read = (name: string): VectorFile =>
  JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));

const known = read('known');
const reference = read('reference');

test.each(known.cases.map(each => [each.id, each] as const))('the known result %s', (_, each) => {
  expect(differences(each, known)).toEqual([]);
});

test.each(reference.cases.map(each => [each.id, each] as const))('the reference %s', (_, each) => {
  expect(differences(each, reference)).toEqual([]);
});

const vector = { id: 'a', call: 'normal.sf', input: { x: 0 } as never };

test.each([
  ['another number', { expected: { value: 0.6 } }, 'a.value: got 0.5, expected 0.6'],
  ['null for a number', { expected: { value: null } }, 'a.value: got 0.5, expected null'],
  ['a missing field', { expected: { pValue: 1 } }, 'a.pValue: got undefined, expected 1'],
  ['too small a list', { expected: { value: [1] } }, 'a.value.0: got undefined, expected 1'],
  [
    'an unknown function',
    { call: 'normal.cdf', expected: {} },
    'a: this package has no function "normal.cdf"',
  ],
  ['a failure', { call: 'adjust', expected: {} }, 'a: undefined is not iterable'],
])('%s is a difference', (_, changes, line) => {
  expect(differences({ ...vector, ...changes }, {})[0]).toContain(line);
});

test('a result within its own tolerance, or almost 0, is not a difference', () => {
  expect(differences({ ...vector, expected: { value: 0.51 }, relative: 0.1 }, {})).toEqual([]);
  const tail = { ...vector, input: { x: 9 } as never, expected: { value: 0 } };
  expect(differences(tail, {})).toEqual([]);
});
