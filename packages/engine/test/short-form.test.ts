import { Flag, FlagCreate } from '@pennon/schema';
import { describe, expect, test } from 'vitest';

import { compile, expandShortForm, references } from '../src/index.ts';

const ruleOf = (rule: unknown, others: readonly unknown[] = []) =>
  (
    expandShortForm({ enabled: true, rules: [rule, ...others] }, 'flag') as {
      rules: readonly unknown[];
    }
  ).rules[0];

describe('the short form', () => {
  test('of a flag expands to boolean with on and off', () => {
    expect(expandShortForm({ key: 'flag', enabled: true })).toStrictEqual({
      key: 'flag',
      type: 'boolean',
      enabled: true,
      variants: { on: true, off: false },
      defaultVariant: 'on',
      rules: [],
      seed: 'flag',
      clientVisible: false,
      metadata: {},
    });
  });

  test.each([
    ['on without rules', { enabled: true }, 'on'],
    ['on with an empty list of rules', { enabled: true, rules: [] }, 'on'],
    ['off with any rule', { enabled: true, rules: [{ percentage: 20 }] }, 'off'],
    ['on with a type', { type: 'boolean', enabled: false }, 'on'],
    ['its own, if it has one', { enabled: true, defaultVariant: 'off' }, 'off'],
    ["the caller's own, if it is null", { enabled: true, defaultVariant: null }, null],
  ])('has the default variant: %s', (_, flag, defaultVariant) => {
    expect(expandShortForm(flag, 'flag')).toMatchObject({ type: 'boolean', defaultVariant });
  });

  test('of a rule without conditions serves on', () => {
    expect(ruleOf({ percentage: 20 })).toStrictEqual({
      id: 'rule-1',
      conditions: [],
      variant: 'on',
      percentage: 20,
      bucketBy: 'targetingKey',
    });
  });

  test('of a rule with an attribute expands to one condition', () => {
    expect(
      ruleOf({ attribute: 'plan', operator: 'equals', value: 'pro', percentage: null }),
    ).toStrictEqual({
      id: 'rule-1',
      conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
      variant: 'on',
      percentage: 100,
      bucketBy: 'targetingKey',
    });
  });

  test('of exists has no value', () => {
    expect(
      ruleOf({ attribute: 'plan', operator: 'exists', value: null, variant: 'off' }),
    ).toMatchObject({
      conditions: [{ attribute: 'plan', operator: 'exists' }],
      variant: 'off',
    });
  });

  test('leaves the full form unchanged', () => {
    const rule = {
      id: 'mine',
      conditions: [{ any: [{ segment: 's', not: true }] }],
      split: [{ variant: 'on', weight: 1 }],
      percentage: 5,
      bucketBy: 'company',
      seed: 'seed',
    };
    expect(ruleOf(rule)).toStrictEqual(rule);
  });

  test('removes null if null means absent', () => {
    const rule = {
      id: null,
      conditions: [
        { all: [{ attribute: 'a', operator: 'exists', value: null, not: null }], not: null },
      ],
      variant: null,
      split: [{ variant: 'on', weight: 1 }],
      bucketBy: null,
      seed: null,
    };
    expect(ruleOf(rule)).toStrictEqual({
      id: 'rule-1',
      conditions: [{ all: [{ attribute: 'a', operator: 'exists' }] }],
      split: [{ variant: 'on', weight: 1 }],
      percentage: 100,
      bucketBy: 'targetingKey',
    });
    expect(
      expandShortForm(
        { enabled: true, seed: null, metadata: null, version: null, name: null },
        'flag',
      ),
    ).toMatchObject({
      seed: 'flag',
      metadata: {},
      name: null,
    });
  });

  test('generates ids that are not taken, and always the same ones', () => {
    const flag = { enabled: true, rules: [{}, { id: 'rule-2' }, { id: 'mine' }, {}, {}] };
    const ids = () =>
      (expandShortForm(flag) as { rules: { id: string }[] }).rules.map(({ id }) => id);
    expect(ids()).toEqual(['rule-1', 'rule-2', 'mine', 'rule-3', 'rule-4']);
    expect(ids()).toEqual(ids());
  });

  test('changes nothing in place', () => {
    const flag = Object.freeze({
      enabled: true,
      rules: Object.freeze([Object.freeze({ attribute: 'a', operator: 'exists' })]),
    });
    expect(() => expandShortForm(flag, 'flag')).not.toThrow();
  });

  test.each([
    [
      'a short form together with conditions',
      { rules: [{ attribute: 'a', operator: 'exists', conditions: [] }] },
    ],
    ['`not` in a short rule', { rules: [{ attribute: 'a', operator: 'exists', not: true }] }],
    ['a value without an attribute', { rules: [{ operator: 'equals', value: 1 }] }],
    ['a type without variants', { type: 'string' }],
    ['variants without a type', { variants: { on: true } }],
    ['variants without a default variant', { type: 'boolean', variants: { on: true } }],
    ['a rule that is not an object', { rules: [5] }],
    ['rules that are not a list', { rules: {} }],
    ['metadata that is not an object', { metadata: 5 }],
  ])('leaves for validation to reject: %s', (_, overrides) => {
    const expanded = expandShortForm({ enabled: true, ...overrides }, 'flag');
    const now = '2026-01-31T12:00:00.000Z';
    const stored = { ...(expanded as object), version: 1, createdAt: now, updatedAt: now };
    expect(Flag.safeParse(stored).success).toBe(false);
  });

  test('expands to a flag that can be stored', () => {
    const written = FlagCreate.parse({
      key: 'flag',
      enabled: true,
      description: null,
      rules: [
        { attribute: 'plan', operator: 'in', value: ['pro'] },
        { split: [{ variant: 'on', weight: 1 }], percentage: 5 },
      ],
    });
    const now = '2026-01-31T12:00:00.000Z';
    const stored = {
      ...(expandShortForm(written) as object),
      version: 1,
      createdAt: now,
      updatedAt: now,
    };
    expect(Flag.parse(stored)).toStrictEqual(stored);
    expect(compile({ flags: { flag: stored } }).problems).toEqual([]);
  });
});

describe('the references of a flag', () => {
  test('are the flags and segments of its conditions, in groups too, each once', () => {
    const conditions = [
      { flag: 'b', variants: ['on'] },
      {
        any: [
          { segment: 's' },
          {
            all: [
              { flag: 'a', variants: ['on'] },
              { segment: 's', not: true },
            ],
          },
        ],
      },
    ];
    expect(references({ rules: [{ conditions }, { conditions }] })).toEqual({
      flags: ['a', 'b'],
      segments: ['s'],
    });
  });

  test('are empty for a flag without conditions', () => {
    expect(references({ rules: [{ variant: 'on' }] })).toEqual({ flags: [], segments: [] });
  });
});
