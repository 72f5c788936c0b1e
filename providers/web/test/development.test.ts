import type { JsonValue } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { MALFORMED_FLAGS } from '../../../packages/sync/test/support/local-flags.ts';
import { PennonWebProvider } from '../src/development.ts';

describe('in development, flags', () => {
  it.each(MALFORMED_FLAGS)('are refused if one is %j', (flag, message) => {
    const flags = { f: flag as JsonValue };
    const text = `PennonWebProvider: the flag "f": ${message}`;
    expect(() => new PennonWebProvider({ flags })).toThrow(text);
    expect(() => new PennonWebProvider({ flags: {} }).setFlags(flags)).toThrow(text);
  });
});

it('headers that only the browser sets are refused in development', () => {
  const options = { url: 'http://flags.test', key: 'client-key', headers: { Cookie: 'a=b' } };
  expect(() => new PennonWebProvider(options)).toThrow(
    '"headers" cannot have "Cookie", which only the browser sets',
  );
});

it.each<[options: unknown, message: string]>([
  [undefined, 'pass an object with "url" and "key", or with "flags"'],
  ['http://flags.test', 'pass an object with "url" and "key", or with "flags"'],
  [{ pollInterval: 1 }, 'there is no option "pollInterval"; the options are url, key, '],
  [{ events: { flush: 1 } }, '"events" must be null, or an object with booleans'],
  [{ storage: 'local' }, '"storage" must be a storage, such as sessionStorage, or null'],
  [{ flags: null }, '"flags" must be an object with flags or values by key'],
  [{ flags: {} }, '"flags" cannot be combined with "url"; remove one of them'],
])('%j are refused in development', (options, message) => {
  const server = { url: 'http://flags.test', key: 'client-key' };
  const given = typeof options === 'object' ? { ...server, ...options } : options;
  expect(() => Reflect.construct(PennonWebProvider, [given])).toThrow(message);
});

describe('in development, a refresh', () => {
  const provider = new PennonWebProvider({ flags: {} });

  it.each([500, '500', true, null, [[]]])('rejects %j instead of options', async options => {
    const refresh = provider.refresh.bind(provider);
    await expect(Reflect.apply(refresh, undefined, [options])).rejects.toThrow(
      new TypeError('PennonWebProvider: pass an object with "timeoutMs"'),
    );
  });

  it.each<[options: object, message: string]>([
    [{ timeoutMs: 0 }, '"timeoutMs" must be a number of milliseconds greater than 0'],
    [{ timeoutMs: -1 }, '"timeoutMs" must be'],
    [{ timeoutMs: Number.NaN }, '"timeoutMs" must be'],
    [{ timeoutMs: '500' }, '"timeoutMs" must be'],
    [{ timeoutMs: null }, '"timeoutMs" must be'],
    [{ timeout: 500 }, 'there is no option "timeout"; the options are timeoutMs'],
  ])('rejects %j', async (options, message) => {
    await expect(provider.refresh(options)).rejects.toThrow(message);
  });
});
