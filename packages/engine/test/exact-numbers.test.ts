import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect, it } from 'vitest';

import { findInexactNumbers, findInexactValue } from '../src/index.ts';

const inexactIn = (json: string) => findInexactNumbers(json).map(({ path, text }) => [path, text]);

type Cases = {
  readonly inexact: readonly string[];
  readonly exact: readonly string[];
  readonly places: readonly { readonly json: string; readonly path: readonly unknown[] }[];
};

const { inexact, exact, places }: Cases = JSON.parse(
  readFileSync(new URL('../../spec/exact-numbers.json', import.meta.url), 'utf8'),
);

it.each(inexact)('%s is inexact', text => {
  expect(inexactIn(text)).toEqual([[[], text]]);
  expect(inexactIn(`{"a": [true, {"b\\"": "x,{", "c": ${text}}]}`)).toEqual([
    [['a', 1, 'c'], text],
  ]);
});

it.each(exact)('%s is exact', text => {
  expect(inexactIn(`{"a": [${text}]}`)).toEqual([]);
});

it.each(places)('the number in $json is found', ({ json, path }) => {
  expect(inexactIn(json)).toEqual([[path, '9007199254740993']]);
});

it('a value has the inexact numbers that its text would have, and every bigint', () => {
  expect(findInexactValue({ a: [1, { b: 2 ** 53 }] })).toEqual({
    path: ['a', '1', 'b'],
    text: '9007199254740992',
  });
  expect(findInexactValue([1n])).toEqual({ path: ['0'], text: '1' });
  expect(findInexactValue([1e21, 0.1, Infinity, Number.NaN, 2 ** 53 - 1])).toBeUndefined();
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  expect(findInexactValue(cyclic)).toBeUndefined();
});

it('digits in text are not numbers', () => {
  const json = JSON.stringify({ '9007199254740993': '"9007199254740993, 1e400' });
  expect(inexactIn(json)).toEqual([]);
});

/** JSON with one place for a number. */
const withNumber = (number: string) =>
  fc
    .json()
    .map(json => `{"before": ${json}, "list": [${json}, {"number": ${number}}], "after": ${json}}`);

it('every integer beyond the safe ones is found wherever it stands', () => {
  const beyond = fc
    .tuple(fc.bigInt(2n ** 53n, 10n ** 30n), fc.boolean())
    .map(([digits, isNegative]) => `${isNegative ? '-' : ''}${digits}`);
  const json = beyond.chain(text => withNumber(text).map(around => ({ text, around })));
  fc.assert(
    fc.property(json, ({ text, around }) => {
      expect(inexactIn(around)).toContainEqual([['list', 1, 'number'], text]);
    }),
  );
});

it('the shortest text of every double is exact, unless it is an integer beyond the safe ones', () => {
  const text = fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map(number => JSON.stringify(number))
    .filter(json => !/^-?\d{16,}$/.test(json));
  fc.assert(
    fc.property(text, json => {
      expect(inexactIn(`[${json}]`)).toEqual([]);
    }),
  );
});

it('deep and long text is searched in linear time', () => {
  const depth = 200_000;
  const numbers = Array(50_000).fill('1e400').join();
  const found = findInexactNumbers(`${'['.repeat(depth)}${numbers}${']'.repeat(depth)}`);
  expect(found).toHaveLength(20);
  expect(found[0]?.path).toHaveLength(40);
});
