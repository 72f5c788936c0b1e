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

  test('has the results of a plain one', { timeout: 30_000 }, () => {
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
