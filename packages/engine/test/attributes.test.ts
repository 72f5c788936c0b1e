import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';

import { compile, evaluate, evaluateAll, explain } from '../src/index.ts';
import { context, flagSet } from './arbitraries.ts';

const flagFor = (attribute: string) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [
    {
      id: 'pro',
      conditions: [{ attribute, operator: 'equals', value: 'pro' }],
      variant: 'on',
    },
  ],
});

const isOn = (attribute: string, attributes: unknown): boolean =>
  evaluate(compile({ flags: { a: flagFor(attribute) } }), 'a', attributes).enabled;

class Account {
  plan = 'pro';
  get tier() {
    return this.plan;
  }
}

describe('a context that is not a plain object', () => {
  test('has the fields of a class, but not the accessors of its prototype', () => {
    expect(isOn('plan', new Account())).toBe(true);
    expect(isOn('tier', new Account())).toBe(false);
  });

  test('may have no prototype', () => {
    const bare: object = Object.assign(Object.setPrototypeOf({}, null) as object, { plan: 'pro' });
    expect(isOn('plan', bare)).toBe(true);
    expect(isOn('toString', bare)).toBe(false);
  });

  test('inherits nothing', () => {
    expect(isOn('plan', Object.create({ plan: 'pro' }))).toBe(false);
    expect(isOn('plan', Object.create({ plan: 'free' }, { plan: { value: 'pro' } }))).toBe(true);
  });

  test('has the results of a plain one', () => {
    fc.assert(
      fc.property(flagSet, context, (set, attributes) => {
        const compiled = compile(set);
        const inheriting = Object.defineProperties(
          Object.create({ plan: 'pro', age: 20, 'a.b': true }),
          Object.getOwnPropertyDescriptors(attributes),
        ) as object;
        expect(evaluateAll(compiled, inheriting)).toStrictEqual(evaluateAll(compiled, attributes));
        for (const key of compiled.flagKeys) {
          expect(evaluate(compiled, key, inheriting)).toBe(evaluate(compiled, key, attributes));
          expect(explain(compiled, key, inheriting)).toEqual(explain(compiled, key, attributes));
        }
      }),
    );
  });
});

describe('a property that is added to Object.prototype later', () => {
  afterEach(() => {
    Reflect.deleteProperty(Object.prototype, 'plan');
  });

  test.each([true, false])('is not an attribute (enumerable: %s)', enumerable => {
    const compiled = compile({ flags: { a: flagFor('plan') } });
    const results = [{}, { plan: 'pro' }].map(each => evaluate(compiled, 'a', each));
    const polluted = { value: 'pro', enumerable, configurable: true, writable: true };
    Reflect.defineProperty(Object.prototype, 'plan', polluted);
    expect([{}, { plan: 'pro' }].map(each => evaluate(compiled, 'a', each))).toEqual(results);
    expect(results.map(({ enabled }) => enabled)).toEqual([false, true]);
  });
});

describe('a value that JSON does not have', () => {
  const flag = (conditions: readonly object[], others: object = {}) => ({
    ...flagFor('plan'),
    rules: [{ conditions, variant: 'on', ...others }],
  });
  const compiled = compile({
    flags: {
      listed: flag([{ attribute: 'plan', operator: 'in', value: ['free', 'pro'] }]),
      nested: flag([{ attribute: 'user.plan', operator: 'equals', value: 'pro' }]),
      dotted: flag([{ attribute: 'a.b', operator: 'equals', value: 'pro' }]),
      present: flag([{ attribute: 'plan', operator: 'exists' }]),
      segmented: flag([{ segment: 'pros' }]),
      dependent: flag([{ flag: 'listed', variants: ['on'] }]),
      drawn: flag([], { percentage: 100, split: [{ variant: 'on', weight: 1 }], variant: null }),
      byPlan: flag([], { bucketBy: 'plan', split: [{ variant: 'on', weight: 1 }], variant: null }),
    },
    segments: { pros: { conditions: [{ attribute: 'plan', operator: 'startsWith', value: 'p' }] } },
  });
  const PRO = Symbol('pro');
  const converted: unknown[] = [];
  const toPlainValue = (value: unknown) => {
    converted.push(value);
    return value === PRO ? 'pro' : value;
  };
  const evaluated = (key: string, attributes: object, convert?: (value: unknown) => unknown) =>
    evaluate(compiled, key, attributes, convert);

  test.each([
    ['listed', { plan: PRO }],
    ['nested', { user: { plan: PRO } }],
    ['dotted', { 'a.b': PRO }],
    ['present', { plan: PRO }],
    ['segmented', { plan: PRO }],
    ['dependent', { plan: PRO }],
    ['drawn', { targetingKey: PRO }],
    ['byPlan', { plan: PRO }],
  ])('is converted for the flag %s, if the evaluation does so', (key, attributes) => {
    expect(evaluated(key, attributes, toPlainValue).enabled).toBe(true);
    if (key !== 'present') expect(evaluated(key, attributes).enabled).toBe(false);
  });

  test('is converted only if the flag reads it', () => {
    converted.length = 0;
    const attributes = { targetingKey: 'ada', plan: 'pro', age: PRO, user: { plan: 'pro' } };
    expect(evaluated('listed', attributes, toPlainValue).enabled).toBe(true);
    expect(converted).toEqual([]);
  });

  test('may become one that is missing', () => {
    const toNothing = () => undefined;
    expect(evaluated('present', { plan: PRO }, toNothing).enabled).toBe(false);
    expect(evaluated('dotted', { 'a.b': PRO, a: { b: 'pro' } }, toPlainValue).enabled).toBe(true);
  });
});

describe('conditions with the same attribute, operator and operand', () => {
  const testerOf = (condition: object) => {
    const compiled = compile({
      flags: { a: { ...flagFor('plan'), rules: [{ conditions: [condition], variant: 'on' }] } },
    });
    const lazyFlag = compiled.lazyFlags.get('a');
    return lazyFlag && compiled.compiledFlag(lazyFlag)?.rules[0]?.conditions[0]?.holds;
  };
  const planIs = (value: unknown) => ({ attribute: 'plan', operator: 'equals', value });

  test('share one function, also in different flag sets', () => {
    expect(testerOf(planIs('pro'))).toBe(testerOf(planIs('pro')));
  });

  test('share none if the type of the operand differs', () => {
    for (const [left, right] of [
      ['1', 1],
      ['true', true],
      [['a', 'b'], ['a,b']],
    ]) {
      const operator = Array.isArray(left) ? 'in' : 'equals';
      const [first, second] = [left, right].map(value => ({ attribute: 'plan', operator, value }));
      expect(testerOf(first ?? {})).not.toBe(testerOf(second ?? {}));
    }
  });

  test('share none if more than 1,000 others were compiled since', () => {
    const first = testerOf(planIs('pro'));
    for (let count = 0; count < 1_000; count += 1) testerOf(planIs(`plan-${count}`));
    expect(testerOf(planIs('pro'))).not.toBe(first);
  });

  test('share none if the operand is long', () => {
    const long = { attribute: 'plan', operator: 'in', value: Array.from({ length: 51 }, String) };
    expect(testerOf(long)).not.toBe(testerOf(long));
    expect(testerOf(planIs('x'.repeat(1_000)))).not.toBe(testerOf(planIs('x'.repeat(1_000))));
  });
});

test('every one of many attributes is read, also those that all objects inherit', () => {
  const names = [
    ...Array.from({ length: 40 }, (_, index) => `attribute-${index}`),
    ...Object.getOwnPropertyNames(Object.prototype).filter(name => name !== '__proto__'),
  ];
  for (const name of names) {
    expect(isOn(name, {})).toBe(false);
    expect(isOn(name, { [name]: 'pro' })).toBe(true);
    expect(isOn(name, { [name]: null })).toBe(false);
  }
});
