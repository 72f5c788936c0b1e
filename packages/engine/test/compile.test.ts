import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  compile,
  diffFlagSets,
  evaluate,
  evaluateAll,
  dependentSteps,
  type CompiledFlagSet,
} from '../src/index.ts';
import { PersistentMap } from '../src/persistent-map.ts';
import { context, flag, flagKey, segment, segmentKey } from './arbitraries.ts';

const simple = (overrides: object = {}) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'on',
  ...overrides,
});

type Definitions = Record<string, unknown>;
type FlagSet = { readonly flags: Definitions; readonly segments: Definitions };

/** One change of a flag set, made as a store makes it: unchanged flags stay the same objects. */
const change = fc.oneof(
  fc.record({ part: fc.constant('flags' as const), key: flagKey, to: fc.option(flag) }),
  fc.record({ part: fc.constant('segments' as const), key: segmentKey, to: fc.option(segment) }),
);

const changed = (
  set: FlagSet,
  { part, key, to }: { part: keyof FlagSet; key: string; to: unknown },
): FlagSet => {
  const others = Object.entries(set[part]).filter(([name]) => name !== key);
  return { ...set, [part]: Object.fromEntries(to === null ? others : [...others, [key, to]]) };
};

type PersistentFlagSet = {
  readonly flags: PersistentMap<unknown>;
  readonly segments: PersistentMap<unknown>;
};
type Change = { readonly part: keyof FlagSet; readonly key: string; readonly to: unknown };

const changedMaps = (maps: PersistentFlagSet, { part, key, to }: Change): PersistentFlagSet => ({
  ...maps,
  [part]: maps[part].with([[key, to]]),
});

const hintOf = (changes: readonly Change[]) => ({
  flags: changes.filter(({ part }) => part === 'flags').map(({ key }) => key),
  segments: changes.filter(({ part }) => part === 'segments').map(({ key }) => key),
});

/** Results and problems by key, because maps are in the order of their keys. */
const resultsOf = (compiled: CompiledFlagSet, attributes: unknown) => ({
  evaluations: { ...evaluateAll(compiled, attributes) },
  problems: Object.fromEntries(compiled.flagKeys.map(key => [key, compiled.problemsOf(key)])),
});

const stateOf = (compiled: CompiledFlagSet, attributes: unknown) => ({
  evaluations: Object.entries(evaluateAll(compiled, attributes)),
  problems: compiled.problems,
  keys: compiled.flagKeys,
});

describe('compiling with the previous set', () => {
  test('gives the results of a fresh compile after any changes, whichever flags were evaluated before', () => {
    const step = fc.record({
      changes: fc.array(change, { minLength: 1, maxLength: 3 }),
      evaluated: fc.array(flagKey, { maxLength: 2 }),
      evaluatesAll: fc.boolean(),
      attributes: context,
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), steps => {
        let set: FlagSet = { flags: {}, segments: {} };
        let compiled: CompiledFlagSet | undefined;
        for (const { changes, evaluated, evaluatesAll, attributes } of steps) {
          set = changes.reduce(changed, set);
          compiled = compile(set, compiled);
          for (const key of evaluated) evaluate(compiled, key, attributes);
          if (evaluatesAll)
            expect(stateOf(compiled, attributes)).toStrictEqual(stateOf(compile(set), attributes));
        }
        const attributes = steps.at(-1)?.attributes;
        expect(compiled && stateOf(compiled, attributes)).toStrictEqual(
          stateOf(compile(set), attributes),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('gives the same if the flag set is in persistent maps, with the keys of each change', () => {
    const step = fc.record({
      changes: fc.array(change, { minLength: 1, maxLength: 3 }),
      evaluated: fc.array(flagKey, { maxLength: 2 }),
      isDiscarded: fc.boolean(),
      attributes: context,
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), steps => {
        let set: FlagSet = { flags: {}, segments: {} };
        let maps: PersistentFlagSet = {
          flags: PersistentMap.from<unknown>([]),
          segments: PersistentMap.from<unknown>([]),
        };
        let compiled = compile(maps);
        for (const { changes, evaluated, isDiscarded, attributes } of steps) {
          const next = changes.reduce(changed, set);
          const nextMaps = changes.reduce(changedMaps, maps);
          const hint = hintOf(changes);
          const nextCompiled = compile(nextMaps, compiled, hint);
          const { affected } = diffFlagSets(set, next);
          expect(diffFlagSets(maps, nextMaps, hint).affected).toEqual(affected);
          for (const key of evaluated) evaluate(nextCompiled, key, attributes);
          for (const [compiledSet, plain] of [
            [compiled, set],
            [nextCompiled, next],
          ] as const)
            // prettier-ignore
            expect(resultsOf(compiledSet, attributes)).toEqual(
              resultsOf(compile(plain), attributes),
            );
          // Such as a write that was only validated.
          if (isDiscarded) continue;
          [set, maps, compiled] = [next, nextMaps, nextCompiled];
        }
      }),
      { numRuns: 300 },
    );
  });

  test('with the keys of a change, reads no other flag', () => {
    const read: unknown[] = [];
    const traced = (flags: Definitions) =>
      new Proxy(flags, {
        getOwnPropertyDescriptor(target, name) {
          read.push(name);
          return Reflect.getOwnPropertyDescriptor(target, name);
        },
        ownKeys(target) {
          read.push('all');
          return Reflect.ownKeys(target);
        },
      });
    const rules = [{ conditions: [{ flag: 'a', variants: ['on'] }], variant: 'off' }];
    const flags = { a: simple(), b: simple(), c: simple(), dependent: simple({ rules }) };
    const before = { flags: traced(flags) };
    const compiled = compile(before);
    Array.from(dependentSteps(before));
    read.length = 0;
    const after = { flags: traced({ ...flags, a: simple({ enabled: false }) }) };
    const hint = { flags: ['a'], segments: [] };
    const next = compile(after, compiled, hint);
    expect(diffFlagSets(before, after, hint).affected).toEqual(['a', 'dependent']);
    expect(new Set(read)).toEqual(new Set(['a', 'dependent']));
    expect(next.lazyFlags.get('b')).toBe(compiled.lazyFlags.get('b'));
    expect(next.lazyFlags.get('dependent')).not.toBe(compiled.lazyFlags.get('dependent'));
  });

  test('reuses the result objects of unchanged flags', () => {
    const unchanged = simple();
    const before = compile({ flags: { unchanged, other: simple() } });
    const result = evaluate(before, 'unchanged', {});
    const after = compile({ flags: { unchanged, other: simple() } }, before);
    expect(evaluate(after, 'unchanged', {})).toBe(result);
  });

  test('reuses the results of a flag that is the same JSON in another object', () => {
    const text = JSON.stringify({
      flags: { unchanged: simple({ rules: [{ conditions: [{ segment: 's' }], variant: 'off' }] }) },
      segments: { s: { conditions: [{ attribute: 'a', operator: 'exists' }] } },
    });
    const before = compile(JSON.parse(text));
    const result = evaluate(before, 'unchanged', { a: 1 });
    const after = compile(JSON.parse(text), before);
    expect(evaluate(after, 'unchanged', { a: 1 })).toBe(result);
  });

  test('does not change the previous set', () => {
    const dependent = simple({
      defaultVariant: 'off',
      rules: [{ variant: 'on', conditions: [{ flag: 'other', variants: ['on'] }] }],
    });
    const before = compile({ flags: { dependent, other: simple() } });
    const after = compile({ flags: { dependent, other: simple({ enabled: false }) } }, before);
    expect(evaluate(after, 'dependent', {})).toMatchObject({ variant: 'off' });
    expect(evaluate(before, 'dependent', {})).toMatchObject({ variant: 'on' });
  });
});

describe('results', () => {
  const input = { deep: { list: [1, { a: 1 }] } };
  const compiled = compile({
    flags: {
      flag: simple({ type: 'object', variants: { on: input }, metadata: { owner: 'ada' } }),
    },
  });
  const result = evaluate(compiled, 'flag', {});

  test('are deeply frozen', () => {
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(result)).toBe(true);
    expect(frozen(evaluate(compiled, 'unknown', {}))).toBe(true);
  });

  test('are copies: their source is not frozen, and changes of it do not show', () => {
    input.deep.list.push(2);
    expect(result).toMatchObject({
      value: { deep: { list: [1, { a: 1 }] } },
      metadata: { owner: 'ada' },
    });
  });

  test('of all flags have no prototype', () => {
    const flags: object = JSON.parse(`{"__proto__": ${JSON.stringify(simple())}}`) as object;
    const results = evaluateAll(compile({ flags }), {}, ['__proto__', 'constructor', 'toString']);
    expect(Object.keys(results)).toEqual(['__proto__', 'constructor', 'toString']);
    expect(results['__proto__']).toMatchObject({ variant: 'on' });
    expect(results['toString']).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' });
    expect(results['valueOf']).toBeUndefined();
  });
});

describe('a key that is not text', () => {
  const keys: readonly unknown[] = [undefined, null, 5, {}, Symbol('s')];
  test.each(keys)('is not that of a flag: %j', key => {
    const compiled = compile({ flags: { undefined: simple() } });
    const result: unknown = Reflect.apply(evaluate, undefined, [compiled, key, {}]);
    expect(result).toMatchObject({
      errorCode: 'FLAG_NOT_FOUND',
      errorMessage: `there is no flag with a key of the type ${typeof key}`,
    });
  });
});

describe('a flag set that cannot be read', () => {
  test.each([
    ['a number', 5],
    ['a list', []],
    ['without flags', {}],
    ['with flags that are a list', { flags: [] }],
    ['of a newer format', { formatVersion: 2, flags: { flag: simple() } }],
    ['of a format that is not a number', { formatVersion: '1', flags: { flag: simple() } }],
  ])('is refused as a whole: %s', (_, set) => {
    const compiled = compile(set);
    expect(compiled).toMatchObject({ refused: true, flagKeys: [] });
    expect(compiled.problems).toMatchObject([{ flagKey: '', path: '' }]);
    expect(evaluate(compiled, 'flag', {})).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' });
  });

  test('is read if only fields of the envelope are unknown', () => {
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
  test('reports its own problems, even if no flag refers to it', () => {
    const compiled = compile({
      flags: {},
      segments: { broken: { conditions: [{ attribute: 'a', operator: 'matches', value: '(' }] } },
    });
    expect(compiled.problems).toEqual([]);
    expect(compiled.problemsOfSegment('broken')).toMatchObject([{ path: 'conditions.0.value' }]);
    expect(compiled.problemsOfSegment('none')).toEqual([]);
  });
});
