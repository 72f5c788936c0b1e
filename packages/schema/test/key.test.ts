import { Key } from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';

test.each([
  'a',
  '7',
  'new-checkout',
  'New_Checkout.v2',
  'a.',
  'a-',
  'a_',
  'a.b.c',
  'constructor',
  'toString',
  'null',
  'x'.repeat(100),
])('%s is a valid key', key => {
  expect(Key.parse(key)).toBe(key);
});

test.each([
  ['empty', ''],
  ['101 characters', 'x'.repeat(101)],
  ['two dots', 'a..b'],
  ['two dots at the end', 'a..'],
  ['a dot first', '.a'],
  ['a dash first', '-a'],
  ['an underscore first', '_a'],
  ['__proto__', '__proto__'],
  ['a slash', 'a/b'],
  ['a percent sign', 'a%2eb'],
  ['a semicolon', 'a;b'],
  ['a question mark', 'a?b'],
  ['a space', 'a b'],
  ['a line break at the end', 'a\n'],
  ['a line break inside', 'a\nb'],
  ['a null character', 'a\0'],
  ['a letter that is not ASCII', 'ä'],
  ['a Cyrillic look-alike', 'сheckout'],
  ['a number', 7],
  ['null', null],
])('%s is not a valid key', (_, key) => {
  expect(Key.safeParse(key).success).toBe(false);
});

test('a key is always a single URL path segment that needs no encoding', () => {
  const keys = fc
    .string({ minLength: 1, maxLength: 100 })
    .filter(text => Key.safeParse(text).success);
  const likely = fc.string({
    unit: fc.constantFrom(...Array.from('aZ0._-')),
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.oneof(keys, likely), key => {
      fc.pre(Key.safeParse(key).success);
      expect(encodeURIComponent(key)).toBe(key);
      expect(new URL(`https://a.example/flags/${key}/copy`).pathname).toBe(`/flags/${key}/copy`);
    }),
  );
});
