import type { JsonObject } from '@pennon/schema';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { compile, evaluate, explain, type ConditionTrace, type Explanation } from '../src/index.ts';
import { context, flagSet } from './arbitraries.ts';

const flagWith = (rules: readonly object[], parts: object = {}) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules,
  ...parts,
});

const explained = (rules: readonly object[], about: JsonObject, parts?: object) =>
  explain(compile({ flags: { flag: flagWith(rules, parts) } }), 'flag', about);

/** What a group makes of the traces within it. */
const combined = (trace: ConditionTrace): boolean | undefined => {
  if (trace.kind === 'any') return trace.conditions.some(({ holds }) => holds);
  if (trace.kind === 'all' || trace.kind === 'segment')
    return trace.conditions.every(({ holds }) => holds);
  return undefined;
};

const expectConsistent = (trace: ConditionTrace): void => {
  const plain = combined(trace);
  if (plain !== undefined) expect(trace.holds).toBe(plain !== (trace.not ?? false));
  if ('conditions' in trace) trace.conditions.forEach(expectConsistent);
};

/** The decision read off a trace alone: a rule serves where all of its conditions hold and it admits. */
const expectTold = ({ trace, ...answer }: Explanation): void => {
  const end = trace.rules.findIndex(
    ({ outcome }) => outcome === 'served' || outcome === 'unitMissing',
  );
  const ending = trace.rules[end];
  if ('ruleId' in answer)
    expect(ending).toMatchObject({ outcome: 'served', ruleId: answer.ruleId });
  expect(ending?.outcome === 'unitMissing').toBe(
    'errorCode' in answer && answer.errorCode === 'TARGETING_KEY_MISSING',
  );
  trace.rules.forEach(({ outcome, conditions, admission, split }, at) => {
    if (end !== -1) expect(outcome === 'notReached').toBe(at > end);
    if (outcome === 'notReached') return;
    expect(conditions.every(({ holds }) => holds)).toBe(outcome !== 'conditionsFailed');
    if (admission !== undefined)
      expect(admission.admitted).toBe(admission.draw < admission.threshold);
    if (admission !== undefined) expect(admission.admitted).toBe(outcome === 'served');
    const band = split?.bands.find(({ from, until }) => from <= split.draw && split.draw < until);
    if (band !== undefined) expect(answer).toMatchObject({ variant: band.variant });
    conditions.forEach(expectConsistent);
  });
};

describe('explain', () => {
  test('agrees with evaluate, and its trace tells the same decision', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(flagSet, context, (set, about) => {
        const compiled = compile(set);
        for (const key of [...compiled.flagKeys, 'unknown']) {
          const explanation = explain(compiled, key, about);
          const { trace, ...answer } = explanation;
          expect(answer).toStrictEqual(evaluate(compiled, key, about));
          expect(JSON.parse(JSON.stringify(trace))).toStrictEqual(trace);
          expectTold(explanation);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  const whyOf = (condition: object, about: JsonObject): string | undefined =>
    explained([{ conditions: [condition], variant: 'on' }], about).trace.rules[0]?.conditions[0]
      ?.why;

  test.each([
    [
      { attribute: 'age', operator: 'greaterThan', value: 18 },
      { age: '10' },
      '`age` is the text "10", `greaterThan` expects a number',
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
      '`plan` is the text "free", which is not one of ["pro", 3]',
    ],
    [
      { attribute: 'tags', operator: 'contains', value: 'x' },
      { tags: ['a', 'b'] },
      '`tags` is a list of 2, of which none contains the text "x"',
    ],
    [
      { attribute: 'plan', operator: 'equals', value: 'pro' },
      { plan: {} },
      '`plan` is an object, `equals` expects a string, a number or a boolean',
    ],
    [
      { attribute: 'at', operator: 'before', value: '2026-01-31T12:00:00Z' },
      { at: 'today' },
      '`at` is the text "today", `before` expects a date and time such as 2026-01-31T12:00:00Z',
    ],
    [{ attribute: 'plan', operator: 'exists' }, { plan: [] }, '`plan` is present: a list of 0'],
    [
      { attribute: 'plan', operator: 'equals', value: 'pro', not: true },
      { plan: 'pro' },
      '`plan` is the text "pro", which is equal to the text "pro", and `not` turns this round',
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
      '1 of 2 conditions holds, and one is enough',
    ],
  ])('says why: %j for %j', (condition, about, why) => {
    expect(whyOf(condition, about)).toBe(why);
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
      'the flag has no rules, so that the default variant "off" applies',
    ],
    [
      'rules at 0 %',
      { rules: [{ variant: 'on', percentage: 0 }] },
      'no rule serves, so that the default variant "off" applies',
    ],
    [
      'no default variant',
      { rules: [], defaultVariant: null },
      "the flag has no rules, and without a default variant the caller's own default applies",
    ],
    [
      'a disabled flag',
      { enabled: false },
      "the flag is disabled, so that the caller's own default applies",
    ],
    [
      'a malformed flag',
      { enabled: 1 },
      'the flag "flag" is malformed: enabled: must be true or false, and is the number 1',
    ],
    [
      'a missing unit',
      { rules: [{ variant: 'on', percentage: 1 }] },
      'the flag "flag" needs the attribute "targetingKey" of the evaluation context as a text that is not empty, a number or a boolean',
    ],
  ])('says the decision in one sentence: %s', (_, parts, why) => {
    expect(explained([], {}, parts).trace.why).toBe(why);
  });

  test('of a huge flag and a huge context stays small', () => {
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
    const { trace } = explain(compile(set), 'flag', { [long]: [long] });
    expect(JSON.stringify(trace).length).toBeLessThan(1_500_000);
    expect(trace.leftOut).toBeGreaterThan(1_000);
  });
});
