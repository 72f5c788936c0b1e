import { describe, expect, it } from 'vitest';

import { placeOf } from '../src/json/json-places.ts';

const TEXT = `{
  "variants": { "a": 1, "a.b": { "c": 2 } },
  "rules": [
    { "id": "first" },
    { "id": "second", "conditions": [{ "attribute": "plan" }] }
  ]
}`;

/** What begins at the place of a path. */
const found = (path: string): string | undefined => {
  const place = placeOf(TEXT, path);
  return place === undefined ? undefined : TEXT.slice(place).split(/[:,\n]/)[0];
};

describe('the place of a problem', () => {
  it.each([
    ['variants', '"variants"'],
    ['variants.a', '"a"'],
    ['variants.a.b', '"a.b"'],
    ['variants.a.b.c', '"c"'],
    ['rules.1', '{ "id"'],
    ['rules.1.conditions.0.attribute', '"attribute"'],
  ])('of %s is its beginning', (path, text) => {
    expect(found(path)).toBe(text);
  });

  it.each([
    ['rules.1.conditions.0.operator', '{ "attribute"'],
    ['rules.1.variant', '{ "id"'],
    ['rules.7', '"rules"'],
  ])('of %s, which is missing, is that of what it is missing in', (path, text) => {
    expect(found(path)).toBe(text);
  });

  it('is the whole text for the empty path and for unknown fields', () => {
    expect([placeOf(TEXT, ''), placeOf(TEXT, 'owner'), placeOf('', 'owner')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each([
    ['{\n  "a": 1,\n}', 3],
    ['{\n  "a": 1\n  "b": 2\n}', 3],
    ['{\n  "a": undefined\n}', 2],
    ['{\n  "a": [1, 2\n', 3],
    ['{\n  "a\n": 1}', 2],
  ])('of %j, which is not JSON, is in line %i', (text, line) => {
    const place = placeOf(text, undefined);
    expect(text.slice(0, place).split('\n')).toHaveLength(line);
  });

  it('is the whole text if that is JSON', () => {
    expect(placeOf('[1]', undefined)).toBeUndefined();
  });
});
