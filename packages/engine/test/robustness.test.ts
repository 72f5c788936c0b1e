import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  compile,
  evaluate,
  evaluateAll,
  explain,
  expandShortForm,
  references,
} from '../src/index.ts';
import { anyJson, context, damagedFlagSet, flagKey, flagSet, reordered } from './arbitraries.ts';

/** Calls every function of the engine with a flag set. */
const callEverything = (set: unknown, attributes: unknown, key: string) => {
  const compiled = compile(set);
  const again = compile(set, compiled);
  for (const each of [...compiled.flagKeys, key]) {
    expect(evaluate(compiled, each, attributes)).toStrictEqual(evaluate(again, each, attributes));
    JSON.stringify(explain(compiled, each, attributes));
    compiled.problemsOf(each);
  }
  evaluateAll(again, attributes);
  return compiled.problems;
};

const anything = fc.oneof(flagSet, damagedFlagSet, anyJson);
const anyContext = fc.oneof(context, anyJson);

describe('nothing throws', () => {
  test('for any JSON as a flag set, any context and any key', () => {
    fc.assert(
      fc.property(anything, anyContext, fc.oneof(flagKey, fc.string()), (set, attributes, key) => {
        callEverything(set, attributes, key);
      }),
      { numRuns: 1_000 },
    );
  });

  test('for any JSON as a flag', () => {
    fc.assert(
      fc.property(anyJson, anyContext, (flag, attributes) => {
        callEverything({ flags: { flag } }, attributes, 'flag');
        callEverything({ flags: { a: expandShortForm(flag, 'a') } }, attributes, 'a');
        references(flag);
      }),
      { numRuns: 1_000 },
    );
  });

  test('for expanding the flags of a damaged set', () => {
    fc.assert(
      fc.property(damagedFlagSet, set => {
        for (const flag of Object.values(Object(Object(set).flags) as object)) {
          expandShortForm(flag);
          references(flag);
        }
      }),
    );
  });

  test.each([undefined, null, 5, 'text', [], () => 1, Symbol('x'), 10n])(
    'for %s in any place',
    odd => {
      callEverything(odd, odd, 'a');
      callEverything({ flags: { a: odd }, segments: odd }, odd, 'a');
      expect(expandShortForm(odd)).toBe(odd);
      expect(references(odd)).toEqual({ flags: [], segments: [] });
    },
  );
});

describe('a problem affects its flag, and no other one', () => {
  test('a flag is PARSE_ERROR exactly if it has problems', () => {
    fc.assert(
      fc.property(fc.oneof(flagSet, damagedFlagSet), context, (set, attributes) => {
        const compiled = compile(set);
        for (const key of compiled.flagKeys) {
          const result = evaluate(compiled, key, attributes);
          const failed = 'errorCode' in result && result.errorCode === 'PARSE_ERROR';
          expect(compiled.problemsOf(key).length > 0).toBe(failed);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('the flags of a well-formed set have only problems with what they refer to', () => {
    fc.assert(
      fc.property(flagSet, set => {
        for (const { path, message } of compile(set).problems) {
          expect(`${path} ${message}`).toMatch(/segment|depends on itself|more than 10 flags deep/);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the order of names in an object', () => {
  test('never matters', () => {
    fc.assert(
      fc.property(fc.oneof(flagSet, damagedFlagSet), context, (set, attributes) => {
        const one = compile(set);
        const other = compile(reordered(set));
        expect(one.flagKeys.toSorted()).toEqual(other.flagKeys.toSorted());
        for (const key of one.flagKeys) {
          expect(evaluate(other, key, reordered(attributes))).toStrictEqual(
            evaluate(one, key, attributes),
          );
          expect(new Set(other.problemsOf(key))).toEqual(new Set(one.problemsOf(key)));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('deep nesting', () => {
  const DEEP = 200_000;
  const nested = (open: string, inner: string, close: string): unknown =>
    JSON.parse(open.repeat(DEEP) + inner + close.repeat(DEEP));
  const flagOf = (overrides: object) => ({
    type: 'boolean',
    enabled: true,
    variants: { on: true },
    defaultVariant: 'on',
    ...overrides,
  });

  test.each([
    ['groups', { rules: [{ variant: 'on', conditions: nested('[{"any":', '[]', '}]') }] }],
    ['an object value', { type: 'object', variants: { on: nested('{"a":', '1', '}') } }],
    ['lists in a value', { type: 'object', variants: { on: { a: nested('[', '', ']') } } }],
    ['metadata', { metadata: { a: nested('[', '', ']') } }],
    [
      'an operand',
      {
        rules: [
          {
            variant: 'on',
            conditions: [{ attribute: 'a', operator: 'in', value: nested('[', '', ']') }],
          },
        ],
      },
    ],
    ['a rule', { rules: nested('[', '', ']') }],
  ])('never overflows the stack: %s', (_, overrides) => {
    const flag = flagOf(overrides);
    expect(evaluate(compile({ flags: { flag } }), 'flag', {})).toMatchObject({
      errorCode: 'PARSE_ERROR',
    });
    references(flag);
    expandShortForm(flag);
  });

  test('never overflows the stack: a context', () => {
    const deep = nested('{"a":', '1', '}');
    const path = Array.from({ length: DEEP }, () => 'a').join('.');
    const conditions = [{ attribute: path, operator: 'equals', value: 1 }];
    const compiled = compile({
      flags: { flag: flagOf({ rules: [{ variant: 'on', conditions }] }) },
    });
    expect(evaluate(compiled, 'flag', deep)).toMatchObject({ reason: 'TARGETING_MATCH' });
  });

  const chain = (length: number, last: string | undefined) =>
    Object.fromEntries(
      Array.from({ length }, (_, index) => {
        const next = index === length - 1 ? last : `f${index + 1}`;
        const conditions = next === undefined ? [] : [{ flag: next, variants: ['on'] }];
        return [`f${index}`, flagOf({ rules: [{ variant: 'on', conditions }] })];
      }),
    );

  test('never overflows the stack: a chain of 20,000 flags', () => {
    const compiled = compile({ flags: chain(20_000, undefined) });
    expect(evaluate(compiled, 'f0', {})).toMatchObject({ errorCode: 'PARSE_ERROR' });
    expect(evaluate(compiled, 'f19989', {})).toMatchObject({ reason: 'TARGETING_MATCH' });
    expect(evaluate(compiled, 'f19988', {})).toMatchObject({ errorCode: 'PARSE_ERROR' });
  });

  test('never overflows the stack: a cycle of 20,000 flags', () => {
    const compiled = compile({ flags: chain(20_000, 'f0') });
    expect(evaluate(compiled, 'f10000', {})).toMatchObject({ errorCode: 'PARSE_ERROR' });
  });
});

test('many flags with conditions on each other are each evaluated once', () => {
  const LAYERS = 10;
  const WIDTH = 30;
  const keysOf = (layer: number) =>
    Array.from({ length: WIDTH }, (_, index) => `f${layer}-${index}`);
  const flagIn = (layer: number) => ({
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    rules: [
      {
        variant: 'on',
        conditions:
          layer === LAYERS ? [] : keysOf(layer + 1).map(flag => ({ flag, variants: ['on'] })),
      },
    ],
  });
  const layers = Array.from({ length: LAYERS + 1 }, (_, layer) => layer);
  const flags = Object.fromEntries(
    layers.flatMap(layer => keysOf(layer).map(key => [key, flagIn(layer)])),
  );
  const compiled = compile({ flags });
  expect(evaluate(compiled, 'f0-0', {})).toMatchObject({ variant: 'on' });
  expect(explain(compiled, 'f0-0', {})).toMatchObject({ variant: 'on' });
});
