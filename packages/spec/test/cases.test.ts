import { readdirSync, readFileSync } from 'node:fs';

import { CONDITION_FIELDS, FLAG_FIELDS, Operator } from '@pennon/schema';
import { describe, expect, test } from 'vitest';

type Case = {
  readonly name: string;
  readonly flagSet: unknown;
  readonly flagKey: string;
  readonly expected: { readonly reason: string };
};

const folder = new URL('../cases/', import.meta.url);
const cases = readdirSync(folder).flatMap(
  file =>
    (JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { readonly cases: Case[] }).cases,
);

/** Returns all values of fields with this name, at any depth. */
const valuesOf = (name: string, value: unknown): unknown[] => {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap(item => valuesOf(name, item));
  return Object.hasOwn(value, name)
    ? [Object.entries(value).find(([key]) => key === name)?.[1], ...inner]
    : inner;
};

const casesWith = (name: string, expected?: unknown): Case[] =>
  cases.filter(({ flagSet }) =>
    valuesOf(name, flagSet).some(value => expected === undefined || value === expected),
  );

const reasonsOf = (selected: readonly Case[]): Set<string> =>
  new Set(selected.map(({ expected }) => expected.reason));

describe('every operator has cases', () => {
  test.each(Operator.options)(
    '%s: cases that hold, cases that fail and cases with an invalid operand',
    operator => {
      const reasons = reasonsOf(casesWith('operator', operator));
      expect([...reasons]).toEqual(expect.arrayContaining(['TARGETING_MATCH', 'DEFAULT', 'ERROR']));
    },
  );
});

describe('every field has cases', () => {
  test.each(Object.keys(CONDITION_FIELDS))('a condition of the kind %s', kind => {
    expect([...reasonsOf(casesWith(kind))]).toEqual(
      expect.arrayContaining(['TARGETING_MATCH', 'DEFAULT', 'ERROR']),
    );
  });

  test.each([...FLAG_FIELDS.sent, ...FLAG_FIELDS.descriptive])('the field %s of a flag', field => {
    expect(casesWith(field)).not.toEqual([]);
  });
});
