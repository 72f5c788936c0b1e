import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../packages/sync/test/support/patience.ts';
import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { openOn, openReal } from './support/open.ts';
import type { Opened } from './support/open.ts';

const flags = {
  plain: booleanFlag('plain', true),
  described: booleanFlag('described', true, {
    name: 'Described',
    description: 'What it is for.',
    tags: ['web'],
    owner: 'team-web',
    createdAt: '2026-01-31T12:00:00.000Z',
    updatedAt: '2026-01-31T12:00:00.000Z',
  }),
  'new-field': booleanFlag('new-field', false, { archived: true, rules: [onIf('plan', 'pro')] }),
  'new-feature': booleanFlag('new-feature', true, { requires: ['ramps'], ramps: [{ from: 0 }] }),
  dependent: booleanFlag('dependent', false, {
    rules: [
      { id: 'r', conditions: [{ flag: 'new-field', variants: ['on'] }], variant: 'on' },
      { id: 's', conditions: [{ segment: 'pro', not: true }], variant: 'off' },
    ],
  }),
};
const segments = {
  pro: {
    key: 'pro',
    name: 'Pro customers',
    folder: 'customers',
    conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
  },
};
const flagSet = {
  formatVersion: 1,
  environment: 'production',
  id: 'epoch.7.nonce',
  revision: 7,
  signature: { algorithm: 'ed25519' },
  flags,
  segments,
};

const assertEvaluated = async ({ client }: Pick<Opened, 'client'>) => {
  const valueOf = (key: string, context = {}) => client.getBooleanValue(key, false, context);
  expect(await valueOf('plain')).toBe(true);
  expect(await valueOf('described')).toBe(true);
  expect(await client.getBooleanValue('new-field', true)).toBe(false);
  expect(await valueOf('new-field', { plan: 'pro' })).toBe(true);
  expect(await valueOf('dependent', { plan: 'pro' })).toBe(true);
  const details = await client.getBooleanDetails('new-feature', false);
  expect(details).toMatchObject({ value: false, errorCode: 'PARSE_ERROR' });
  expect(details.errorMessage).toContain('"ramps"');
};

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-newer-'));
  path = join(directory, 'flags.json');
  await writeFile(path, JSON.stringify(flagSet));
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

describe('a flag set of a newer server: only the flag that requires an unknown feature fails', () => {
  it('from the server, also after a change', async () => {
    const server = startFakeServer();
    const opened = openOn(server);
    await opened.started;
    await server.send('set', flagSet, flagSet.id);
    await assertEvaluated(opened);
    const change = {
      previous: flagSet.id,
      revision: 8,
      author: 'ada',
      flags: { plain: { ...flags.plain, archived: false, defaultVariant: 'off' } },
      segments: {},
    };
    await server.send('change', change, 'epoch.8.nonce');
    expect(await opened.client.getBooleanValue('plain', true)).toBe(false);
    expect(await opened.client.getBooleanValue('described', false)).toBe(true);
    expect(opened.client.providerStatus).toBe('READY');
  });

  it('from an offline file', async () => {
    const opened = openReal({ offlineFile: path });
    expect(await opened.started).toBe('ok');
    await assertEvaluated(opened);
    const { lastError } = opened.provider.freshness();
    expect(lastError?.message).toContain('flag "new-feature"');
    expect(lastError?.message).not.toMatch(/new-field|described/);
  });

  it.each(['bootstrap', 'cacheFile'] as const)('from the option %s', async option => {
    const server = startFakeServer();
    server.behave('silent');
    const opened = openOn(server, { [option]: path });
    await eventually(() => expect(opened.provider.freshness().source).toBe(option));
    await server.advance(2_000);
    expect(await opened.started).toBe('ok');
    await assertEvaluated(opened);
  });

  it('from a bootstrap object', async () => {
    const server = startFakeServer();
    server.behave('silent');
    const opened = openOn(server, { bootstrap: flagSet });
    await server.advance(2_000);
    expect(await opened.started).toBe('ok');
    await assertEvaluated(opened);
  });
});
