import type { EvaluationContext } from '@openfeature/server-sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PennonProvider } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf, valueFlag } from './support/flags.ts';
import { startOn } from './support/open.ts';

const flags = {
  boolean: booleanFlag('boolean', true, { version: 3, metadata: { team: 'web', ratio: 0.5 } }),
  string: valueFlag('string', 'string', 'text'),
  number: valueFlag('number', 'number', 0),
  object: valueFlag('object', 'object', { deep: { list: [1, null] } }),
  disabled: booleanFlag('disabled', true, {
    enabled: false,
    version: 9,
    metadata: { team: 'web' },
  }),
  'no-default': booleanFlag('no-default', true, { defaultVariant: null }),
  malformed: { ...booleanFlag('malformed', true), variants: {} },
  unit: booleanFlag('unit', false, {
    rules: [{ id: 'r', conditions: [], variant: 'on', percentage: 50 }],
  }),
};

const start = () => startOn(startFakeServer(flags));

describe('a flag', () => {
  it('of each type resolves to its value', async () => {
    const { client } = await start();
    expect(await client.getBooleanValue('boolean', false)).toBe(true);
    expect(await client.getStringValue('string', '')).toBe('text');
    expect(await client.getNumberValue('number', 1)).toBe(0);
    expect(await client.getObjectValue('object', {})).toEqual({ deep: { list: [1, null] } });
  });

  it('resolves with its variant, reason, metadata, version and environment', async () => {
    const { client } = await start();
    expect(await client.getBooleanDetails('boolean', false)).toEqual({
      flagKey: 'boolean',
      value: true,
      variant: 'on',
      reason: 'STATIC',
      flagMetadata: { team: 'web', ratio: 0.5, version: 3, flagSetId: 'production' },
    });
  });

  const mismatches = [
    ['boolean', 'getStringDetails', 'x'],
    ['boolean', 'getNumberDetails', 7],
    ['boolean', 'getObjectDetails', { a: 1 }],
    ['string', 'getBooleanDetails', true],
    ['string', 'getObjectDetails', [1]],
    ['number', 'getBooleanDetails', true],
    ['number', 'getStringDetails', 'x'],
    ['object', 'getStringDetails', 'x'],
    ['object', 'getNumberDetails', 7],
  ] as const;
  it.each(mismatches)(
    'of type %s evaluated with %s resolves to the default value and TYPE_MISMATCH',
    async (key, method, value) => {
      const { client } = await start();
      const details = await Reflect.apply(client[method], client, [key, value]);
      expect(details).toMatchObject({ value, reason: 'ERROR', errorCode: 'TYPE_MISMATCH' });
      expect(details.errorMessage).toContain(`flag "${key}" is not of type `);
      expect(details.flagMetadata).toMatchObject({ flagSetId: 'production' });
    },
  );

  it('that is disabled resolves to the default value, even of another type', async () => {
    const { client } = await start();
    expect(await client.getStringDetails('disabled', 'mine')).toEqual({
      flagKey: 'disabled',
      value: 'mine',
      reason: 'DISABLED',
      flagMetadata: { team: 'web', version: 9, flagSetId: 'production' },
    });
  });

  it('without a default variant resolves to the default value, which is not an error', async () => {
    const { client } = await start();
    const details = await client.getBooleanDetails('no-default', true);
    expect(details).toMatchObject({ value: true, reason: 'DEFAULT' });
    expect(details).not.toHaveProperty('variant');
    expect(details.errorCode).toBeUndefined();
  });

  it.each([
    ['unknown', 'FLAG_NOT_FOUND'],
    ['constructor', 'FLAG_NOT_FOUND'],
    ['__proto__', 'FLAG_NOT_FOUND'],
    ['', 'FLAG_NOT_FOUND'],
    ['malformed', 'PARSE_ERROR'],
    ['unit', 'TARGETING_KEY_MISSING'],
  ])('%j resolves to the default value and %s, with a message', async (key, errorCode) => {
    const { client } = await start();
    const details = await client.getBooleanDetails(key, true);
    expect(details).toMatchObject({ value: true, reason: 'ERROR', errorCode });
    expect(details.errorMessage).toMatch(/./);
  });
});

describe('an evaluation context', () => {
  const targeting = {
    date: booleanFlag('date', false, {
      rules: [
        {
          id: 'r',
          conditions: [{ attribute: 'at', operator: 'after', value: '2026-01-01T00:00:00Z' }],
          variant: 'on',
        },
      ],
    }),
    exact: booleanFlag('exact', false, {
      rules: [onIf('user.born', '2026-02-03T04:05:06.007Z')],
    }),
    present: booleanFlag('present', false, {
      rules: [{ id: 'r', conditions: [{ attribute: 'odd', operator: 'exists' }], variant: 'on' }],
    }),
    listed: booleanFlag('listed', false, { rules: [onIf('days', '2026-01-01T00:00:00.000Z')] }),
    big: booleanFlag('big', false, { rules: [onIf('odd', 42)] }),
  };
  const on = async (key: string, context: object) => {
    const { client, provider } = await startOn(startFakeServer(targeting));
    const value = await client.getBooleanValue(key, false, context as never);
    expect(provider.evaluate(key, context as never)).toMatchObject({ value });
    return value;
  };

  it('can contain dates at any depth, which become text in UTC', async () => {
    expect(await on('date', { at: new Date('2026-06-01') })).toBe(true);
    expect(await on('date', { at: new Date('2025-06-01') })).toBe(false);
    expect(await on('exact', { user: { born: new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 7)) } })).toBe(
      true,
    );
    expect(await on('listed', { days: [new Date('2026-01-01')] })).toBe(true);
  });

  it('lacks attributes without a JSON form: invalid dates, functions, undefined', async () => {
    for (const odd of [new Date('soon'), () => 1, undefined, Symbol('x'), null]) {
      expect(await on('present', { odd })).toBe(false);
    }
    expect(await on('present', { odd: 0 })).toBe(true);
    expect(await on('big', { odd: 42n })).toBe(true);
  });

  it('can contain itself', async () => {
    const endless: Record<string, unknown> = { odd: 1, at: new Date(0) };
    endless['self'] = endless;
    expect(await on('present', endless)).toBe(true);
  });

  it('has the same results whether all or only the needed attributes are converted', async () => {
    const { provider } = await startOn(startFakeServer(targeting));
    const odd = fc.oneof(
      fc.constantFrom(
        42n,
        43n,
        () => 1,
        Symbol('x'),
        undefined,
        null,
        new Date('soon'),
        Number.NaN,
      ),
      fc.constantFrom(new Date('2026-01-01'), new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 7))),
      fc.date(),
      fc.integer(),
    );
    const value = fc.oneof(odd, fc.array(odd), fc.record({ born: odd, 'a.b': odd }));
    const names = fc.constantFrom('at', 'user', 'user.born', 'odd', 'days', 'targetingKey');
    fc.assert(
      fc.property(fc.dictionary(names, value), attributes => {
        const context = attributes as EvaluationContext;
        const results = provider.snapshot().evaluateAll(context);
        for (const key of Object.keys(targeting))
          expect(provider.evaluate(key, context)).toEqual(results[key]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('has attributes that are not read if the flag does not need them', async () => {
    const { provider } = await startOn(startFakeServer(targeting));
    const context = {
      odd: 42n,
      get at(): never {
        throw new Error('read');
      },
    };
    expect(provider.evaluate('big', context as never)).toMatchObject({ value: true });
    expect(() => provider.evaluate('date', context as never)).toThrow('read');
  });

  it('is not modified', async () => {
    const born = new Date(0);
    const context = { user: { born }, list: [born] };
    await on('exact', context);
    expect(context).toEqual({ user: { born }, list: [born] });
    expect(context.list[0]).toBe(born);
  });
});

describe('synchronous evaluation', () => {
  it('returns the result of the engine, with the rule', async () => {
    const { provider } = await startOn(
      startFakeServer({ f: booleanFlag('f', false, { rules: [onIf('plan', 'pro')] }) }),
    );
    expect(provider.evaluate('f', { plan: 'pro' })).toEqual({
      flagKey: 'f',
      enabled: true,
      reason: 'TARGETING_MATCH',
      variant: 'on',
      value: true,
      ruleId: 'plan-rule',
    });
    expect(provider.evaluate('f')).toMatchObject({ reason: 'DEFAULT', value: false });
  });

  it('uses the current flags, and a snapshot those of one revision', async () => {
    const server = startFakeServer({ a: booleanFlag('a', true), b: booleanFlag('b', true) });
    const { provider } = await startOn(server);
    const before = provider.snapshot();
    await server.change({ a: booleanFlag('a', false), b: null });
    expect([before.revision, provider.snapshot().revision]).toEqual([1, 2]);
    expect(before.evaluate('a')).toMatchObject({ value: true });
    expect(Object.keys(before.evaluateAll())).toEqual(['a', 'b']);
    expect(provider.evaluate('a')).toMatchObject({ value: false });
    expect(Object.keys(provider.snapshot().evaluateAll({ targetingKey: 'x' }))).toEqual(['a']);
  });

  it('reports PROVIDER_NOT_READY without flags', () => {
    const provider = new PennonProvider({ url: 'http://flags.test', key: 'k' });
    expect(provider.evaluate('f')).toMatchObject({
      enabled: false,
      errorCode: 'PROVIDER_NOT_READY',
    });
    expect(provider.snapshot().evaluate('f')).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
    expect(provider.snapshot().evaluateAll()).toEqual({});
    expect(provider.snapshot().revision).toBeUndefined();
  });
});
