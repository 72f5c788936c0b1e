import { readdirSync, readFileSync } from 'node:fs';

import type { Evaluation } from '@pennon/schema';
import { describe, expect, test } from 'vitest';

import { compile, evaluate, evaluateAll, explain } from '../src/index.ts';

type Where = { readonly flagKey: string; readonly path: string };
type Case = {
  readonly name: string;
  readonly flagSet: unknown;
  readonly flagKey: string;
  readonly context: unknown;
  readonly expected: unknown;
  readonly problems?: readonly Where[];
  readonly mentions?: readonly string[];
};
type CaseFile = { readonly theme: string; readonly cases: readonly Case[] };

const folder = new URL('../../spec/cases/', import.meta.url);
const files = readdirSync(folder)
  .filter(file => file.endsWith('.json'))
  .map(file => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as CaseFile);

const withoutMessage = (answer: Evaluation): unknown => {
  const { errorMessage: _, ...rest } = { errorMessage: undefined, ...answer };
  return rest;
};
const messageOf = (answer: Evaluation): string =>
  'errorMessage' in answer ? answer.errorMessage : '';

const places = (problems: readonly Where[]): string[] =>
  problems.map(({ flagKey, path }) => `${flagKey} at ${path}`).toSorted();

describe.each(files)('$theme', ({ cases }) => {
  test.each(cases)('$name', ({ flagSet, flagKey, context, expected, problems, mentions = [] }) => {
    const compiled = compile(flagSet);
    const answer = evaluate(compiled, flagKey, context);
    expect(withoutMessage(answer)).toStrictEqual(expected);
    for (const mentioned of mentions) expect(messageOf(answer)).toContain(mentioned);
    expect(evaluateAll(compiled, context, [flagKey])[flagKey]).toStrictEqual(answer);
    const { trace: _, ...explained } = explain(compiled, flagKey, context);
    expect(explained).toStrictEqual(answer);
    if (problems !== undefined) expect(places(compiled.problems)).toStrictEqual(places(problems));
  });
});

test('the shared cases are all there', () => {
  const names = files.flatMap(({ cases }) => cases.map(({ name }) => name));
  expect(names.length).toBeGreaterThanOrEqual(400);
  expect(new Set(names).size).toBe(names.length);
});
