import fc from 'fast-check';
import { expect, it } from 'vitest';

import { findInexactNumbers } from '../src/index.ts';

const inexactIn = (json: string) => findInexactNumbers(json).map(({ path, text }) => [path, text]);

it.each([
  '9007199254740992',
  '-9007199254740993',
  '9007199254740993.0',
  '9007199254740991.5',
  '12345678901234567890',
  '9007199254740993e0',
  '90071992547409930e-1',
  '1e400',
  `1${'0'.repeat(400)}`,
])('%s is inexact', text => {
  expect(inexactIn(text)).toEqual([[[], text]]);
  expect(inexactIn(`{"a": [true, {"b\\"": "x,{", "c": ${text}}]}`)).toEqual([
    [['a', 1, 'c'], text],
  ]);
});

it.each([
  '9007199254740991',
  '-9007199254740991',
  '0.1',
  '0.10000000000000001',
  '3.141592653589793238462643',
  '1e21',
  '1.0E+21',
  '1e-400',
  '-0',
  '4503599627370497.5',
])('%s is exact', text => {
  expect(inexactIn(`{"a": [${text}]}`)).toEqual([]);
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
