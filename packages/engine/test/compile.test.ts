import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { compile, evaluate, evaluateAll, type CompiledFlagSet } from '../src/index.ts';
import { context, flag, flagKey, segment, segmentKey } from './arbitraries.ts';

const simple = (parts: object = {}) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'on',
  ...parts,
});

type Parts = Record<string, unknown>;
type Set = { readonly flags: Parts; readonly segments: Parts };

/** One change of a flag set, made as a store makes it: unchanged flags stay the same objects. */
const change = fc.oneof(
  fc.record({ part: fc.constant('flags' as const), key: flagKey, to: fc.option(flag) }),
  fc.record({ part: fc.constant('segments' as const), key: segmentKey, to: fc.option(segment) }),
);

const changed = (
  set: Set,
  { part, key, to }: { part: keyof Set; key: string; to: unknown },
): Set => {
  const others = Object.entries(set[part]).filter(([name]) => name !== key);
  return { ...set, [part]: Object.fromEntries(to === null ? others : [...others, [key, to]]) };
};

const evaluationId = (compiled: CompiledFlagSet, about: unknown) => ({
  evaluations: Object.entries(evaluateAll(compiled, about)),
  problems: compiled.problems,
  keys: compiled.flagKeys,
});

describe('compiling with the set before', () => {
  test(
    'answers like a fresh compile after any changes, whichever flags were evaluationId in between',
    { timeout: 30_000 },
    () => {
      const step = fc.record({
        changes: fc.array(change, { minLength: 1, maxLength: 3 }),
        ask: fc.array(flagKey, { maxLength: 2 }),
        askAll: fc.boolean(),
        about: context,
      });
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), steps => {
          let set: Set = { flags: {}, segments: {} };
          let compiled: CompiledFlagSet | undefined;
          for (const { changes, ask, askAll, about } of steps) {
            set = changes.reduce(changed, set);
            compiled = compile(set, compiled);
            for (const key of ask) evaluate(compiled, key, about);
            if (askAll)
              expect(evaluationId(compiled, about)).toStrictEqual(
                evaluationId(compile(set), about),
              );
          }
          const about = steps.at(-1)?.about;
          expect(compiled && evaluationId(compiled, about)).toStrictEqual(
            evaluationId(compile(set), about),
          );
        }),
        { numRuns: 1_000 },
      );
    },
  );

  test('takes over the very same answers of what did not change', () => {
    const kept = simple();
    const before = compile({ flags: { kept, other: simple() } });
    const answer = evaluate(before, 'kept', {});
    const after = compile({ flags: { kept, other: simple() } }, before);
    expect(evaluate(after, 'kept', {})).toBe(answer);
  });

  test('reuses the results of a flag that is the same JSON in another object', () => {
    const text = JSON.stringify({
      flags: { kept: simple({ rules: [{ conditions: [{ segment: 's' }], variant: 'off' }] }) },
      segments: { s: { conditions: [{ attribute: 'a', operator: 'exists' }] } },
    });
    const before = compile(JSON.parse(text));
    const result = evaluate(before, 'kept', { a: 1 });
    const after = compile(JSON.parse(text), before);
    expect(evaluate(after, 'kept', { a: 1 })).toBe(result);
  });

  test('leaves the set before as it was', () => {
    const asks = simple({
      defaultVariant: 'off',
      rules: [{ variant: 'on', conditions: [{ flag: 'evaluationId', variants: ['on'] }] }],
    });
    const before = compile({ flags: { asks, evaluationId: simple() } });
    const after = compile({ flags: { asks, evaluationId: simple({ enabled: false }) } }, before);
    expect(evaluate(after, 'asks', {})).toMatchObject({ variant: 'off' });
    expect(evaluate(before, 'asks', {})).toMatchObject({ variant: 'on' });
  });
});

describe('answers', () => {
  const input = { deep: { list: [1, { a: 1 }] } };
  const compiled = compile({
    flags: {
      flag: simple({ type: 'object', variants: { on: input }, metadata: { owner: 'ada' } }),
    },
  });
  const answer = evaluate(compiled, 'flag', {});

  test('are frozen to the bottom', () => {
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(answer)).toBe(true);
    expect(frozen(evaluate(compiled, 'unknown', {}))).toBe(true);
  });

  test('do not freeze what they were made from, and do not change with it', () => {
    input.deep.list.push(2);
    expect(answer).toMatchObject({
      value: { deep: { list: [1, { a: 1 }] } },
      metadata: { owner: 'ada' },
    });
  });

  test('of all flags inherit nothing', () => {
    const flags: object = JSON.parse(`{"__proto__": ${JSON.stringify(simple())}}`) as object;
    const answers = evaluateAll(compile({ flags }), {}, ['__proto__', 'constructor', 'toString']);
    expect(Object.keys(answers)).toEqual(['__proto__', 'constructor', 'toString']);
    expect(answers['__proto__']).toMatchObject({ variant: 'on' });
    expect(answers['toString']).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' });
    expect(answers['valueOf']).toBeUndefined();
  });
});

describe('a flag set that cannot be read', () => {
  test.each([
    ['no object', 5],
    ['a list', []],
    ['without flags', {}],
    ['with flags that are a list', { flags: [] }],
    ['of a newer format', { formatVersion: 2, flags: { flag: simple() } }],
    ['of a format that is no number', { formatVersion: '1', flags: { flag: simple() } }],
  ])('is refused as a whole: %s', (_, set) => {
    const compiled = compile(set);
    expect(compiled).toMatchObject({ refused: true, flagKeys: [] });
    expect(compiled.problems).toMatchObject([{ flagKey: '', path: '' }]);
    expect(evaluate(compiled, 'flag', {})).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' });
  });

  test('is read where only fields around the flags are unknown', () => {
    const compiled = compile({
      formatVersion: 1,
      id: 'x',
      later: true,
      flags: { flag: simple() },
      segments: null,
    });
    expect(compiled).toMatchObject({ refused: false, problems: [], flagKeys: ['flag'] });
  });
});

describe('a segment', () => {
  test('tells its own problems, used or not', () => {
    const compiled = compile({
      flags: {},
      segments: { broken: { conditions: [{ attribute: 'a', operator: 'matches', value: '(' }] } },
    });
    expect(compiled.problems).toEqual([]);
    expect(compiled.problemsOfSegment('broken')).toMatchObject([{ path: 'conditions.0.value' }]);
    expect(compiled.problemsOfSegment('none')).toEqual([]);
  });
});
