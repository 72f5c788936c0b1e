import { compile, evaluate } from '@pennon/engine';
import { Condition } from '@pennon/schema';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { contradictionSteps } from '../src/resources/contradictions.ts';
import { runAtOnce } from '../src/slices.ts';

const DATES = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-01T01:00:00+01:00'];
const SCALARS = [0, 1, 2, 1.5, 'a', 'ab', 'b', '1', true, false, ...DATES, '1.0.0', '10.0.0.1'];

const scalar = fc.constantFrom(...SCALARS);
const text = fc.constantFrom('a', 'ab', 'b', '1');
const not = fc.option(fc.boolean(), { nil: undefined });
const conditionOf = (operators: readonly string[], value: fc.Arbitrary<unknown>) =>
  fc.record({ attribute: fc.constant('x'), operator: fc.constantFrom(...operators), value, not });
const comparison = fc.oneof(
  conditionOf(['equals', 'notEquals'], scalar),
  conditionOf(['in', 'notIn'], fc.array(scalar, { maxLength: 3 })),
  conditionOf(['startsWith', 'endsWith', 'contains'], text),
  conditionOf(
    ['greaterThan', 'lessThan', 'greaterOrEqual', 'lessOrEqual'],
    fc.constantFrom(0, 1, 2),
  ),
  conditionOf(['before', 'after'], fc.constantFrom(...DATES)),
  conditionOf(['semverEquals', 'semverLessThan'], fc.constant('1.0.0')),
  conditionOf(['exists'], fc.constant(true)),
);
const conditions = fc.letrec<{ condition: unknown }>(tie => ({
  condition: fc.oneof(
    { maxDepth: 2 },
    comparison,
    fc.record({ any: fc.array(tie('condition'), { minLength: 1, maxLength: 2 }), not }),
    fc.record({ all: fc.array(tie('condition'), { minLength: 1, maxLength: 2 }), not }),
  ),
})).condition;

/** Whether the conditions hold for an attribute with one of these values, or for no attribute. */
const canHold = (list: readonly Condition[], values: readonly unknown[]): boolean => {
  const flag = {
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    rules: [{ id: 'r', conditions: list, variant: 'on' }],
  };
  const compiled = compile({ flags: { flag } });
  return [{}, ...values.map(x => ({ x }))].some(context => {
    const evaluation = evaluate(compiled, 'flag', context);
    return 'variant' in evaluation && evaluation.variant === 'on';
  });
};

const contradictionsAmong = (list: readonly Condition[]) =>
  runAtOnce(contradictionSteps(list, 'conditions'));

const LISTS = [[], ...SCALARS.flatMap(a => SCALARS.map(b => [a, b])), SCALARS];

it('conditions that earn a warning never hold', () => {
  let warned = 0;
  fc.assert(
    fc.property(fc.array(comparison, { minLength: 2, maxLength: 4 }), list => {
      const all = list.map(each => Condition.parse(each));
      for (const { message } of contradictionsAmong(all)) {
        warned += 1;
        const values = message.includes('unless') ? SCALARS : [...SCALARS, ...LISTS];
        expect([message, canHold(all, values)]).toEqual([message, false]);
      }
    }),
    { numRuns: 3000 },
  );
  expect(warned).toBeGreaterThan(100);
});

it('groups that earn a warning never hold', () => {
  fc.assert(
    fc.property(fc.array(conditions, { minLength: 1, maxLength: 3 }), list => {
      const all = list.map(each => Condition.parse(each));
      const warnings = contradictionsAmong(all);
      // A contradiction inside a group may leave another member of the group.
      for (const { message, path } of warnings) {
        if (/any|all/.test(path)) continue;
        const values = message.includes('unless') ? SCALARS : [...SCALARS, ...LISTS];
        expect([message, canHold(all, values)]).toEqual([message, false]);
      }
    }),
    { numRuns: 2000 },
  );
});
