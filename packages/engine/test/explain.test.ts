import type { JsonObject } from '@pennon/schema';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  compile,
  evaluate,
  explain,
  workDone,
  type ConditionTrace,
  type Explanation,
} from '../src/index.ts';
import { context, flagSet } from './arbitraries.ts';

const flagWith = (rules: readonly object[], overrides: object = {}) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules,
  ...overrides,
});

const explained = (rules: readonly object[], attributes: JsonObject, overrides?: object) =>
  explain(compile({ flags: { flag: flagWith(rules, overrides) } }), 'flag', attributes);

/** Returns whether a group holds, computed from the traces of its members. */
const holdsByMembers = (trace: ConditionTrace): boolean | undefined => {
  if (trace.kind === 'any') return trace.conditions.some(({ holds }) => holds);
  if (trace.kind === 'all' || trace.kind === 'segment')
    return trace.conditions.every(({ holds }) => holds);
  return undefined;
};

const expectConsistent = (trace: ConditionTrace): void => {
  const positive = holdsByMembers(trace);
  if (positive !== undefined) expect(trace.holds).toBe(positive !== (trace.not ?? false));
  if ('conditions' in trace) trace.conditions.forEach(expectConsistent);
};

/** Checks that the trace alone leads to the result: a rule serves if its conditions hold and it admits. */
const expectTraced = ({ trace, ...result }: Explanation): void => {
  const end = trace.rules.findIndex(
    ({ outcome }) => outcome === 'served' || outcome === 'unitMissing',
  );
  const ending = trace.rules[end];
  if ('ruleId' in result)
    expect(ending).toMatchObject({ outcome: 'served', ruleId: result.ruleId });
  expect(ending?.outcome === 'unitMissing').toBe(
    'errorCode' in result && result.errorCode === 'TARGETING_KEY_MISSING',
  );
  trace.rules.forEach(({ outcome, conditions, admission, split }, index) => {
    if (end !== -1) expect(outcome === 'notReached').toBe(index > end);
    if (outcome === 'notReached') return;
    expect(conditions.every(({ holds }) => holds)).toBe(outcome !== 'conditionsFailed');
    if (admission !== undefined)
      expect(admission.admitted).toBe(admission.draw < admission.threshold);
    if (admission !== undefined) expect(admission.admitted).toBe(outcome === 'served');
    const band = split?.bands.find(({ from, until }) => from <= split.draw && split.draw < until);
    if (band !== undefined) expect(result).toMatchObject({ variant: band.variant });
    conditions.forEach(expectConsistent);
  });
};

describe('explain', () => {
  test('has the result of evaluate, and its trace leads to the same result', () => {
    fc.assert(
      fc.property(flagSet, context, (set, attributes) => {
        const compiled = compile(set);
        for (const key of [...compiled.flagKeys, 'unknown']) {
          const explanation = explain(compiled, key, attributes);
          const { trace, ...result } = explanation;
          expect(result).toStrictEqual(evaluate(compiled, key, attributes));
          expect(JSON.parse(JSON.stringify(trace))).toStrictEqual(trace);
          expectTraced(explanation);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  const whyOf = (condition: object, attributes: JsonObject): string | undefined =>
    explained([{ conditions: [condition], variant: 'on' }], attributes).trace.rules[0]
      ?.conditions[0]?.why;

  test.each([
    [
      { attribute: 'age', operator: 'greaterThan', value: 18 },
      { age: '10' },
      '`age` is the string "10", `greaterThan` expects a number',
    ],
    [{ attribute: 'age', operator: 'greaterThan', value: 18 }, {}, '`age` is missing'],
    [
      { attribute: 'age', operator: 'greaterThan', value: 18 },
      { age: 10 },
      '`age` is the number 10, which is not greater than the number 18',
    ],
    [
      { attribute: 'age', operator: 'greaterThan', value: 18 },
      { age: 20 },
      '`age` is the number 20, which is greater than the number 18',
    ],
    [
      { attribute: 'plan', operator: 'in', value: ['pro', 3] },
      { plan: 'free' },
      '`plan` is the string "free", which is not one of ["pro", 3]',
    ],
    [
      { attribute: 'tags', operator: 'contains', value: 'x' },
      { tags: ['a', 'b'] },
      '`tags` is a list of 2, of which none contains the string "x"',
    ],
    [
      { attribute: 'plan', operator: 'equals', value: 'pro' },
      { plan: {} },
      '`plan` is an object, `equals` expects a string, a number or a boolean',
    ],
    [
      { attribute: 'at', operator: 'before', value: '2026-01-31T12:00:00Z' },
      { at: 'today' },
      '`at` is the string "today", `before` expects a date and time such as 2026-01-31T12:00:00Z',
    ],
    [{ attribute: 'plan', operator: 'exists' }, { plan: [] }, '`plan` is present: a list of 0'],
    [
      { attribute: 'plan', operator: 'equals', value: 'pro', not: true },
      { plan: 'pro' },
      '`plan` is the string "pro", which is equal to the string "pro", and `not` inverts this',
    ],
    [{ flag: 'other', variants: ['on'] }, {}, 'there is no flag `other`'],
    [
      {
        any: [
          { attribute: 'a', operator: 'exists' },
          { attribute: 'b', operator: 'exists' },
        ],
      },
      { b: 1 },
      '1 of 2 conditions holds, and one is required',
    ],
  ])('explains %j for %j', (condition, attributes, why) => {
    expect(whyOf(condition, attributes)).toBe(why);
  });

  test('shows the draws with their numbers', () => {
    const { trace } = explained(
      [
        { id: 'some', variant: 'on', percentage: 0.001 },
        {
          id: 'split',
          split: [
            { variant: 'on', weight: 1 },
            { variant: 'off', weight: 3 },
          ],
        },
        { id: 'later', variant: 'on' },
      ],
      { targetingKey: 'ada' },
    );
    expect(trace.rules).toMatchObject([
      {
        outcome: 'notAdmitted',
        admission: { bucketBy: 'targetingKey', unit: 'ada', threshold: 1, admitted: false },
      },
      {
        outcome: 'served',
        split: {
          unit: 'ada',
          bands: [
            { from: 0, until: 25_000 },
            { from: 25_000, until: 100_000 },
          ],
        },
      },
      { outcome: 'notReached', conditions: [] },
    ]);
  });

  test.each([
    ['a rule that serves', { rules: [{ variant: 'on' }] }, 'rule 1 serves "on"'],
    [
      'a flag without rules',
      { rules: [] },
      'the flag has no rules, so the default variant "off" applies',
    ],
    [
      'rules at 0 %',
      { rules: [{ variant: 'on', percentage: 0 }] },
      'no rule serves, so the default variant "off" applies',
    ],
    [
      'no default variant',
      { rules: [], defaultVariant: null },
      "the flag has no rules, and there is no default variant, so the caller's own default applies",
    ],
    [
      'a disabled flag',
      { enabled: false },
      "the flag is disabled, so the caller's own default applies",
    ],
    [
      'a malformed flag',
      { enabled: 1 },
      'the flag "flag" is malformed: enabled: must be true or false, but is the number 1',
    ],
    [
      'a missing bucketing value',
      { rules: [{ variant: 'on', percentage: 1 }] },
      'the flag "flag" needs the attribute "targetingKey" of the evaluation context as a non-empty string, a number or a boolean',
    ],
  ])('explains the result in one sentence: %s', (_, overrides, why) => {
    expect(explained([], {}, overrides).trace.why).toBe(why);
  });

  test('stays small for a huge flag and a huge context', () => {
    const long = 'x'.repeat(100_000);
    const members = Array.from({ length: 50 }, () => ({
      attribute: long,
      operator: 'in',
      value: Array.from({ length: 1_000 }, () => long),
    }));
    const conditions = Array.from({ length: 50 }, () => ({ segment: 'huge', not: true }));
    const rules = Array.from({ length: 1_000 }, () => ({
      variant: 'on',
      conditions,
      percentage: 0,
    }));
    const set = { flags: { flag: flagWith(rules) }, segments: { huge: { conditions: members } } };
    const { trace } = explain(compile(set), 'flag', { [long]: ['x'.repeat(1_000)] });
    expect(JSON.stringify(trace).length).toBeLessThan(1_500_000);
    expect(trace.leftOut).toBeGreaterThan(1_000);
  });

  const SEARCHES = 100;
  const searching = Array.from({ length: SEARCHES / 10 }, () => ({
    conditions: Array.from({ length: 10 }, () => ({
      attribute: 'a',
      operator: 'contains',
      value: 'z',
      not: true,
    })),
    variant: 'on',
    percentage: 0,
  }));
  const MAX_WORK = 10_000_000;
  /** A context whose evaluation takes a share of the largest work: a search takes two units for each character. */
  const taking = (share: number) => ({ a: 'a'.repeat((MAX_WORK * share) / SEARCHES / 2.25) });

  test.each([
    [0.1, 10, 'no rule serves, so the default variant "off" applies'],
    [0.4, 0, 'the evaluation context is too large to trace'],
    [0.9, 0, 'the evaluation context is too large to trace'],
    [1.1, 0, 'the texts'],
  ])('takes, with the evaluation, the work of one: %d of it alone', (share, rules, why) => {
    const compiled = compile({ flags: { flag: flagWith(searching) } });
    const attributes = taking(share);
    const expected = evaluate(compiled, 'flag', attributes);
    const alone = workDone();
    const { trace, ...result } = explain(compiled, 'flag', attributes);
    expect(result).toEqual(expected);
    expect(trace.rules).toHaveLength(rules);
    expect(trace.why).toContain(why);
    // It has counted the evaluation and the trace, up to the search that exceeded the limit.
    expect(workDone()).toBeGreaterThan(Math.min(3 * alone, MAX_WORK));
    expect(workDone()).toBeLessThan(MAX_WORK * 1.03);
  });
});
