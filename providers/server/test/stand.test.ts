import { describe, expect, it } from 'vitest';

import { startOf, stateOf } from '../src/stand.ts';
import type { Facts } from '../src/stand.ts';

const WAITING: Facts = {
  standing: 'waiting',
  hasFlags: false,
  isRemote: false,
  answersUs: false,
  lastStatus: undefined,
};

describe('a provider that waits for its first flags', () => {
  const cases: readonly (readonly [string, Partial<Facts>, ReturnType<typeof startOf>])[] = [
    ['waits on while nothing has come', {}, undefined],
    ['waits on with flags of before, for newer ones', { hasFlags: true }, undefined],
    ['waits on while the server is away', { standing: 'away' }, undefined],
    ['is ready when its source has told flags', { standing: 'current', hasFlags: true }, 'ready'],
    ['is refused with its key', { standing: 'refused', lastStatus: 403 }, 'refused'],
    ['is refused with flags of before, too', { standing: 'refused', hasFlags: true }, 'refused'],
    ['asks first whether the server decides', { standing: 'refused', isRemote: true }, undefined],
    [
      'is ready where the server decides, though it shows no flags',
      { standing: 'refused', isRemote: true, answersUs: true },
      'ready',
    ],
    ['has no flags where a file is of no use', { standing: 'unusable' }, 'empty'],
    ['makes do where a file is of no use', { standing: 'unusable', hasFlags: true }, 'stale'],
  ];
  it.each(cases)('%s', (_, facts, how) => {
    expect(startOf({ ...WAITING, ...facts }, false)).toBe(how);
  });
});

describe('a provider that may not wait any longer', () => {
  const cases: readonly (readonly [string, Partial<Facts>, ReturnType<typeof startOf>])[] = [
    ['has no flags', {}, 'empty'],
    ['makes do with flags of before', { hasFlags: true }, 'stale'],
    ['makes do while the server is away', { standing: 'away', hasFlags: true }, 'stale'],
    ['is refused by 401', { lastStatus: 401, hasFlags: true, isRemote: true }, 'refused'],
    ['is refused by 403', { lastStatus: 403, hasFlags: true }, 'refused'],
    [
      'makes do where 403 may be for the flag set alone',
      { lastStatus: 403, hasFlags: true, isRemote: true },
      'stale',
    ],
  ];
  it.each(cases)('%s', (_, facts, how) => {
    expect(startOf({ ...WAITING, ...facts }, true)).toBe(how);
  });
});

describe('a provider that has started', () => {
  it.each([
    ['current', true, 'ready'],
    ['away', true, 'stale'],
    ['away', false, 'error'],
    ['unusable', true, 'stale'],
    ['refused', true, 'stale'],
    ['waiting', true, 'stale'],
  ] as const)('whose source stands as %s, with flags: %s, is %s', (standing, hasFlags, state) => {
    expect(stateOf({ ...WAITING, standing, hasFlags })).toBe(state);
  });
});
