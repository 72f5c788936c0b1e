import { describe, expect, it } from 'vitest';

import { nextState } from '../src/provider-state.ts';
import type { StateInputs, ProviderState } from '../src/provider-state.ts';

type Case = readonly [title: string, inputs: Partial<StateInputs>, expected: ProviderState];

const NOTHING_YET: StateInputs = {
  source: 'connecting',
  hasFlags: false,
  remoteAccess: undefined,
  isRemoteStale: false,
  lastStatus: undefined,
  isGraceOver: false,
  hasInitTimedOut: false,
};

describe('a provider that is starting', () => {
  const cases: readonly Case[] = [
    ['keeps waiting while nothing has arrived', {}, 'starting'],
    ['keeps waiting for current flags if it has older ones', { hasFlags: true }, 'starting'],
    ['keeps waiting while the server is unreachable', { source: 'unreachable' }, 'starting'],
    ['is ready once its source has emitted flags', { source: 'ready', hasFlags: true }, 'ready'],
    [
      'is stale at once if the server is cut off from its store',
      { source: 'stale', hasFlags: true },
      'stale',
    ],
    [
      'is stale if the server that evaluates is cut off from its store',
      { source: 'unauthorized', remoteAccess: 'granted', isRemoteStale: true },
      'stale',
    ],
    [
      'is unauthorized if the key is rejected',
      { source: 'unauthorized', lastStatus: 403 },
      'unauthorized',
    ],
    [
      'is unauthorized if the key is rejected, even if it has older flags',
      { source: 'unauthorized', hasFlags: true },
      'unauthorized',
    ],
    [
      'first finds out whether the server evaluates flags for a key without access to the flag set',
      { source: 'unauthorized', remoteAccess: 'unknown' },
      'starting',
    ],
    [
      'is ready if the server evaluates flags, even without access to the flag set',
      { source: 'unauthorized', remoteAccess: 'granted' },
      'ready',
    ],
    [
      'is unauthorized if the server does not evaluate flags either',
      { source: 'unauthorized', remoteAccess: 'denied' },
      'unauthorized',
    ],
    [
      'uses older flags as soon as the server is unreachable',
      { source: 'unreachable', hasFlags: true },
      'stale',
    ],
    ['uses older flags if the server is slow', { hasFlags: true, isGraceOver: true }, 'stale'],
    ['keeps waiting for a slow server without flags', { isGraceOver: true }, 'starting'],
    [
      'fails as soon as the server rejects the request',
      { source: 'unreachable', lastStatus: 404 },
      'error',
    ],
    ['fails if its file is invalid', { source: 'invalid' }, 'error'],
    ['uses older flags if its file is invalid', { source: 'invalid', hasFlags: true }, 'stale'],
  ];
  it.each(cases)('%s', (_, inputs, expected) => {
    expect(nextState('starting', { ...NOTHING_YET, ...inputs })).toBe(expected);
  });
});

describe('a provider that is starting, after `initTimeoutMs`,', () => {
  const cases: readonly Case[] = [
    ['fails without flags', {}, 'error'],
    ['uses older flags', { hasFlags: true }, 'stale'],
    [
      'uses older flags while the server is unreachable',
      { source: 'unreachable', hasFlags: true },
      'stale',
    ],
    [
      'is unauthorized after a 401',
      { lastStatus: 401, hasFlags: true, remoteAccess: 'unknown' },
      'unauthorized',
    ],
    ['is unauthorized after a 403', { lastStatus: 403, hasFlags: true }, 'unauthorized'],
    [
      'uses older flags if the 403 may concern only the flag set',
      { lastStatus: 403, hasFlags: true, remoteAccess: 'unknown' },
      'stale',
    ],
  ];
  it.each(cases)('%s', (_, inputs, expected) => {
    expect(nextState('starting', { ...NOTHING_YET, ...inputs, hasInitTimedOut: true })).toBe(
      expected,
    );
  });
});

describe('a provider that has started', () => {
  it.each([
    ['ready', true, 'ready'],
    ['unreachable', true, 'stale'],
    ['unreachable', false, 'stale'],
    ['invalid', true, 'stale'],
    ['unauthorized', true, 'stale'],
    ['unauthorized', false, 'stale'],
    ['connecting', true, 'stale'],
  ] as const)('with source state %s, and flags: %s, is %s', (source, hasFlags, expected) => {
    expect(nextState('ready', { ...NOTHING_YET, source, hasFlags })).toBe(expected);
  });

  it.each([
    ['unreachable', false, 'error'],
    ['unreachable', true, 'stale'],
    ['unauthorized', false, 'unauthorized'],
    ['ready', false, 'ready'],
  ] as const)(
    'after a failed start, with source state %s, and flags: %s, is %s',
    (source, hasFlags, expected) => {
      expect(nextState('error', { ...NOTHING_YET, source, hasFlags })).toBe(expected);
    },
  );
});

it('a provider that could not start because of its key does not use older flags unnoticed', () => {
  const inputs = { ...NOTHING_YET, hasFlags: true };
  expect(nextState('unauthorized', { ...inputs, source: 'unauthorized' })).toBe('unauthorized');
  expect(nextState('unauthorized', { ...inputs, source: 'unreachable' })).toBe('unauthorized');
  expect(nextState('unauthorized', { ...inputs, source: 'ready' })).toBe('ready');
});

it('a closed provider stays closed', () => {
  expect(nextState('closed', { ...NOTHING_YET, source: 'ready', hasFlags: true })).toBe('closed');
});
