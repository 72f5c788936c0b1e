import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createLive } from '../src/live.ts';
import { booleanFlag } from './support/flags.ts';

type Written = {
  readonly flags: Readonly<Record<string, ReturnType<typeof booleanFlag>>>;
  readonly segments: Readonly<Record<string, object>>;
};

/** `__proto__` and `constructor` are names like any other. */
const FLAG_KEYS = ['a', 'b', 'c', 'd', 'e', 'constructor', '__proto__'];
const SEGMENT_KEYS = ['s', 't', '__proto__'];

const operator = fc.constantFrom('equals', 'matches');
const condition = fc.oneof(
  fc.record({ attribute: fc.constant('plan'), operator, value: fc.constantFrom('pro', 'max') }),
  fc.record({ segment: fc.constantFrom(...SEGMENT_KEYS) }),
  fc.record({ flag: fc.constantFrom(...FLAG_KEYS), variants: fc.constant(['on']) }),
);
const grouped = fc.oneof(condition, fc.record({ any: fc.array(condition, { maxLength: 2 }) }));
const rule = fc.record({
  conditions: fc.array(grouped, { maxLength: 2 }),
  variant: fc.constantFrom('on', 'off'),
});
const flag = fc
  .record({ on: fc.boolean(), rules: fc.array(rule, { maxLength: 2 }) })
  .map(({ on, rules }) => booleanFlag('', on, { key: null, rules }));
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

const ownText = (record: Readonly<Record<string, unknown>>, key: string): string | undefined =>
  Object.hasOwn(record, key) ? JSON.stringify(record[key]) : undefined;

const differing = (
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
) =>
  new Set(
    [...Object.keys(before), ...Object.keys(after)].filter(
      key => ownText(before, key) !== ownText(after, key),
    ),
  );

/** By the words of the specification, and rejectedKeyDelay: written, removed, or led there by what it names. */
const expectedChanges = (before: Written, after: Written): string[] => {
  const changed = differing(before.flags, after.flags);
  const segments = differing(before.segments, after.segments);
  const names = (key: string, kind: 'flag' | 'segment', wanted: ReadonlySet<string>) =>
    [...wanted].some(name => ownText(after.flags, key)?.includes(`"${kind}":"${name}"`));
  for (let size = -1; size !== changed.size;) {
    size = changed.size;
    for (const key of Object.keys(after.flags)) {
      if (names(key, 'flag', changed) || names(key, 'segment', segments)) changed.add(key);
    }
  }
  return [...changed].toSorted();
};

const open = () => {
  const told: string[][] = [];
  const live = createLive(flagsChanged => void told.push(flagsChanged.toSorted()));
  /** From JSON, as all that comes, so that no object is the one of before. */
  const take = (content: Written) => live.take(JSON.parse(JSON.stringify(content)));
  return { live, told, take };
};

describe('for any flags, and any that come after them,', () => {
  it('exactly those are told that were written, removed, or led there by what they name', async () => {
    await fc.assert(
      fc.asyncProperty(written, written, async (before, after) => {
        const { told, take } = open();
        await take(before);
        await take(after);
        const [, ...changes] = Object.keys(before.flags).length > 0 ? told : [[], ...told];
        const expected = expectedChanges(before, after);
        expect(changes).toEqual(expected.length === 0 ? [] : [expected]);
      }),
      { numRuns: 300 },
    );
  });

  it('each answers as if there had been none before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(written, { minLength: 2, maxLength: 4 }), async contents => {
        const { live, take } = open();
        for (const content of contents) {
          await take(content);
          live.view()?.evaluateAll({ plan: 'pro' });
        }
        const fresh = open();
        await fresh.take(contents.at(-1) ?? { flags: {}, segments: {} });
        for (const context of [{}, { plan: 'pro' }, { age: 7, plan: 'max' }]) {
          expect(live.view()?.evaluateAll(context)).toEqual(
            fresh.live.view()?.evaluateAll(context),
          );
        }
      }),
      { numRuns: 100 },
    );
  });
});
