import { readdirSync, readFileSync } from 'node:fs';

import type { Evaluation } from '@pennon/schema';
import { describe, expect, test } from 'vitest';

import { compile, evaluate, evaluateAll, explain } from '../src/index.ts';

type Location = { readonly flagKey: string; readonly path: string };
type Case = {
  readonly name: string;
  readonly flagSet: unknown;
  readonly flagKey: string;
  readonly context: unknown;
  readonly expected: unknown;
  readonly problems?: readonly Location[];
  readonly mentions?: readonly string[];
};
type CaseFile = { readonly theme: string; readonly cases: readonly Case[] };

const folder = new URL('../../spec/cases/', import.meta.url);
const files = readdirSync(folder)
  .filter(file => file.endsWith('.json'))
  .map(file => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as CaseFile);

const withoutMessage = (result: Evaluation): unknown => {
  const { errorMessage: _, ...rest } = { errorMessage: undefined, ...result };
  return rest;
};
const messageOf = (result: Evaluation): string =>
  'errorMessage' in result ? result.errorMessage : '';

const locations = (problems: readonly Location[]): string[] =>
  problems.map(({ flagKey, path }) => `${flagKey} at ${path}`).toSorted();

describe.each(files)('$theme', ({ cases }) => {
  test.each(cases)('$name', ({ flagSet, flagKey, context, expected, problems, mentions = [] }) => {
    const compiled = compile(flagSet);
    const result = evaluate(compiled, flagKey, context);
    expect(withoutMessage(result)).toStrictEqual(expected);
    for (const mentioned of mentions) expect(messageOf(result)).toContain(mentioned);
    expect(evaluateAll(compiled, context, [flagKey])[flagKey]).toStrictEqual(result);
    const { trace: _, ...explained } = explain(compiled, flagKey, context);
    expect(explained).toStrictEqual(result);
    if (problems !== undefined)
      expect(locations(compiled.problems)).toStrictEqual(locations(problems));
  });
});

test('all shared cases are found, and their names are unique', () => {
  const names = files.flatMap(({ cases }) => cases.map(({ name }) => name));
  expect(names.length).toBeGreaterThanOrEqual(400);
  expect(new Set(names).size).toBe(names.length);
});
