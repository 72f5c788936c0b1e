import type { FlagSetChanges } from '@pennon/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createCurrentFlags } from '../src/flag-manager.ts';
import { booleanFlag } from './support/flags.ts';

type Written = {
  readonly flags: Readonly<Record<string, ReturnType<typeof booleanFlag>>>;
  readonly segments: Readonly<Record<string, object>>;
};

/** `__proto__` and `constructor` are keys like any other. */
const FLAG_KEYS = ['a', 'b', 'c', 'd', 'e', 'constructor', '__proto__'];
const SEGMENT_KEYS = ['s', 't', '__proto__'];

const operator = fc.constantFrom('equals', 'matches');
const condition = fc.oneof(
  fc.record({ attribute: fc.constant('plan'), operator, value: fc.constantFrom('pro', 'max') }),
  fc.record({ segment: fc.constantFrom(...SEGMENT_KEYS) }),
  fc.record({ flag: fc.constantFrom(...FLAG_KEYS), variants: fc.constant(['on']) }),
);
const grouped = fc.oneof(
  condition,
  fc.record({ any: fc.array(condition, { minLength: 1, maxLength: 2 }) }),
);
const rule = fc.record({
  conditions: fc.array(grouped, { maxLength: 2 }),
  variant: fc.constantFrom('on', 'off'),
});
const flag = fc
  .record({
    on: fc.boolean(),
    rules: fc.array(rule, { maxLength: 2 }),
    version: fc.integer({ min: 1, max: 2 }),
  })
  .map(({ on, rules, version }) =>
    booleanFlag('', on, {
      key: null,
      seed: 'seed',
      version,
      rules: rules.map((one, index) => ({ id: `rule-${index}`, ...one })),
    }),
  );
const segment = fc.record({
  conditions: fc.array(
    fc.record({ attribute: fc.constantFrom('plan', 'age'), operator: fc.constant('exists') }),
    { minLength: 1, maxLength: 1 },
  ),
});

const recordOf = <Value>(keys: readonly string[], value: fc.Arbitrary<Value>) =>
  fc
    .subarray([...keys])
    .chain(chosen => fc.tuple(...chosen.map(key => fc.tuple(fc.constant(key), value))))
    .map(entries => Object.fromEntries(entries));

const written: fc.Arbitrary<Written> = fc.record({
  flags: recordOf(FLAG_KEYS, flag),
  segments: recordOf(SEGMENT_KEYS, segment),
});

const jsonOf = (record: Readonly<Record<string, unknown>>, key: string): string | undefined =>
  Object.hasOwn(record, key) ? JSON.stringify(record[key]) : undefined;

const differing = (
  previous: Readonly<Record<string, unknown>>,
  next: Readonly<Record<string, unknown>>,
) =>
  new Set(
    [...Object.keys(previous), ...Object.keys(next)].filter(
      key => jsonOf(previous, key) !== jsonOf(next, key),
    ),
  );

const directlyChanged = (previous: Written, next: Written): FlagSetChanges => ({
  flags: [...differing(previous.flags, next.flags)],
  segments: [...differing(previous.segments, next.segments)],
});

const ignoringVersions = (flags: Written['flags']) =>
  Object.fromEntries(
    Object.entries(flags).map(([key, flagOfKey]) => [key, { ...flagOfKey, version: 0 }]),
  );

/** The definition, implemented slowly: changed, removed, or dependent on such a flag or segment. */
const expectedChanges = (previous: Written, next: Written): string[] => {
  const changed = differing(ignoringVersions(previous.flags), ignoringVersions(next.flags));
  const segments = differing(previous.segments, next.segments);
  const dependsOn = (key: string, kind: 'flag' | 'segment', names: ReadonlySet<string>) =>
    [...names].some(name => jsonOf(next.flags, key)?.includes(`"${kind}":"${name}"`));
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const key of Object.keys(next.flags)) {
      if (dependsOn(key, 'flag', changed) || dependsOn(key, 'segment', segments)) changed.add(key);
    }
  }
  return [...changed].toSorted();
};

const open = () => {
  const reported: string[][] = [];
  const current = createCurrentFlags(
    {
      onChange: flagsChanged => void reported.push(flagsChanged.toSorted()),
      onWarning: () => undefined,
    },
    () => 0,
  );
  /** Parsed from JSON, as everything that is received, so no object is identical to a previous one. */
  const update = (flagSet: Written, changed?: FlagSetChanges) =>
    current.update({ flagSet: JSON.parse(JSON.stringify(flagSet)), changed });
  const evaluateAll = (context: object) => current.snapshot()?.evaluateAll(context);
  return { evaluateAll, reported, update, applied: current.update };
};

describe('for any two flag sets in a row', () => {
  const assertReported = (isNamed: boolean) =>
    fc.assert(
      fc.asyncProperty(written, written, async (previous, next) => {
        const { reported, update } = open();
        await update(previous);
        await update(next, isNamed ? directlyChanged(previous, next) : undefined);
        const [, ...changes] =
          Object.keys(previous.flags).length > 0 ? reported : [[], ...reported];
        const expected = expectedChanges(previous, next);
        expect(changes).toEqual(expected.length === 0 ? [] : [expected]);
      }),
      { numRuns: 300 },
    );

  it('exactly the flags are reported that changed in more than their version, were removed or depend on a change', () =>
    assertReported(false));

  it('the same flags are reported if the source names what changed', () => assertReported(true));

  it('flags that the source does not name are not read', async () => {
    const { update, reported, applied } = open();
    const on = booleanFlag('flag', true, { key: null });
    await update({ flags: { a: on, b: on }, segments: {} });
    const read = new Set<unknown>();
    const flags = new Proxy(
      { a: booleanFlag('flag', false, { key: null }), b: on },
      {
        getOwnPropertyDescriptor(target, name) {
          read.add(name);
          return Reflect.getOwnPropertyDescriptor(target, name);
        },
        ownKeys(target) {
          read.add('all');
          return Reflect.ownKeys(target);
        },
      },
    );
    await applied({ flagSet: { flags, segments: {} }, changed: { flags: ['a'], segments: [] } });
    expect(reported).toEqual([['a', 'b'], ['a']]);
    expect(read).toEqual(new Set(['a']));
  });

  const assertSameResults = (isNamed: boolean) =>
    fc.assert(
      fc.asyncProperty(fc.array(written, { minLength: 2, maxLength: 4 }), async flagSets => {
        const { evaluateAll, update } = open();
        for (const [index, flagSet] of flagSets.entries()) {
          const previous = flagSets[index - 1];
          await update(
            flagSet,
            isNamed && previous ? directlyChanged(previous, flagSet) : undefined,
          );
          evaluateAll({ plan: 'pro' });
        }
        const fresh = open();
        await fresh.update(flagSets.at(-1) ?? { flags: {}, segments: {} });
        for (const context of [{}, { plan: 'pro' }, { age: 7, plan: 'max' }]) {
          expect(evaluateAll(context)).toEqual(fresh.evaluateAll(context));
        }
      }),
      { numRuns: 100 },
    );

  it('results do not depend on earlier flag sets', () => assertSameResults(false));

  it('results do not depend on earlier flag sets if the source names what changed', () =>
    assertSameResults(true));
});
