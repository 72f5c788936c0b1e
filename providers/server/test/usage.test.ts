import { readFileSync } from 'node:fs';

import { OpenFeature } from '@openfeature/server-sdk';
import { expect, it } from 'vitest';

import { createFakeRuntime, settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { collectWarnings } from '../../../packages/sync/test/support/options.ts';
import { PennonProvider } from '../src/index.ts';
import type { OnlineOptions } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { openReal, startOn } from './support/open.ts';

const FLAGS = {
  f: booleanFlag('f', false, { rules: [onIf('plan', 'pro')] }),
  g: booleanFlag('g', true),
  half: booleanFlag('half', false, { rules: [{ id: 'half', variant: 'on', percentage: 50 }] }),
};
const PRO = { targetingKey: 'ada', plan: 'pro' };
const MINUTE = 60_000;

const start = async (options: Partial<OnlineOptions> = {}, flags: object = FLAGS) => {
  const server = startFakeServer({ ...flags });
  return { server, ...(await startOn(server, options)) };
};

/** The counts of all reports, in order. */
const countsOf = ({ reports }: FakeServer) =>
  reports
    .flatMap(({ counts }) => counts)
    .toSorted(([a, b], [c, d]) => (`${a}${b}` < `${c}${d}` ? -1 : 1));
const unknownOf = ({ reports }: FakeServer) => reports.flatMap(({ unknown = [] }) => unknown);

it('what the application got is reported after a minute, by variant and reason', async () => {
  const { server, client, provider } = await start();
  await client.getBooleanValue('f', false, PRO);
  await client.getBooleanValue('f', false, PRO);
  await client.getBooleanValue('f', false);
  await client.getStringValue('g', 'text');
  await client.getBooleanValue('half', false);
  await client.getBooleanValue('missing', false);
  provider.evaluate('g');
  provider.snapshot().evaluate('g');
  await server.advance(MINUTE - 1);
  expect(server.count('usage')).toBe(0);
  await server.advance(1);
  expect(countsOf(server)).toEqual([
    ['f', 'off', 'DEFAULT', 1],
    ['f', 'on', 'TARGETING_MATCH', 2],
    ['g', null, 'ERROR', 1],
    ['g', 'on', 'STATIC', 2],
    ['half', null, 'ERROR', 1],
  ]);
  expect(unknownOf(server)).toEqual(['missing']);
  const { name, version } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  expect(server.reports).toMatchObject([
    {
      sequence: 1,
      from: '2026-01-31T12:00:00.000Z',
      until: '2026-01-31T12:01:00.000Z',
      sdk: `${name} ${version}`,
    },
  ]);
});

it('results of all flags, and values for a page, do not count', async () => {
  const { server, provider } = await start();
  provider.snapshot().evaluateAll(PRO);
  provider.snapshot().toBootstrap(PRO);
  await server.advance(2 * MINUTE);
  expect(server.count('usage')).toBe(0);
});

it('each report has what was counted since the previous one, and none is sent without counts', async () => {
  const { server, client } = await start();
  await client.getBooleanValue('g', false);
  await server.advance(5 * MINUTE);
  await client.getBooleanValue('g', false);
  await server.advance(5 * MINUTE);
  expect(server.reports.map(({ sequence, counts }) => [sequence, counts])).toEqual([
    [1, [['g', 'on', 'STATIC', 1]]],
    [2, [['g', 'on', 'STATIC', 1]]],
  ]);
  expect(new Set(server.reports.map(({ instance }) => instance)).size).toBe(1);
});

it('a report that is not accepted is sent again with the same sequence, and further counts wait', async () => {
  const { server, client } = await start();
  server.behave('broken', 'usage');
  await client.getBooleanValue('g', false);
  await server.advance(MINUTE);
  await client.getBooleanValue('g', false);
  await server.advance(2 * MINUTE);
  expect(server.count('usage')).toBeGreaterThan(3);
  server.behave('normal', 'usage');
  await server.advance(2 * MINUTE);
  expect(server.reports.map(({ sequence, counts }) => [sequence, counts[0]?.[3]])).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

it('a busy server is not disturbed before the time that it states', async () => {
  const { server, client } = await start();
  server.behave({ status: 503, retryAfter: '50' }, 'usage');
  await client.getBooleanValue('g', false);
  await server.advance(MINUTE + 49_000);
  expect(server.count('usage')).toBe(1);
  server.behave('normal', 'usage');
  await server.advance(1_000);
  expect(server.reports).toHaveLength(1);
});

it.each([400, 401, 403, 404, 413])('a report that is refused with %i is given up', async status => {
  const { warnings, logger } = collectWarnings();
  const { server, client } = await start({ logger });
  server.behave({ status }, 'usage');
  for (let report = 1; report <= 3; report += 1) {
    await client.getBooleanValue('g', false);
    await server.advance(2 * MINUTE);
    expect(server.count('usage')).toBe(report);
  }
  expect(warnings).toEqual([
    expect.stringMatching(`usage is not reported: the server responded with ${status}`),
  ]);
});

it('a report is given up after 15 minutes, with one warning', async () => {
  const { warnings, logger } = collectWarnings();
  const { server, client } = await start({ logger });
  server.behave('broken', 'usage');
  await client.getBooleanValue('g', false);
  await server.advance(14 * MINUTE);
  expect(warnings).toEqual([]);
  await server.advance(3 * MINUTE);
  expect(warnings).toEqual([expect.stringMatching('usage is not reported')]);
  expect(server.timers()).toBeGreaterThan(0);
  const requests = server.count('usage');
  await server.advance(10 * MINUTE);
  expect(server.count('usage')).toBe(requests);
});

it('a provider that is closed reports the rest, and ends all timers', async () => {
  const { server, client, provider } = await start();
  await client.getBooleanValue('g', false);
  await provider.onClose();
  expect(countsOf(server)).toEqual([['g', 'on', 'STATIC', 1]]);
  expect(server.timers()).toBe(0);
});

it('a provider that is closed waits at most 2 s for a server that does not respond', async () => {
  const { server, client, provider } = await start();
  server.behave('silent', 'usage');
  await client.getBooleanValue('g', false);
  let isClosed = false;
  void provider.onClose().then(() => (isClosed = true));
  await server.advance(1_999);
  expect(isClosed).toBe(false);
  await server.advance(1);
  expect([isClosed, server.timers()]).toEqual([true, 0]);
});

it('a report that is on its way when the provider is closed keeps its sequence', async () => {
  const { server, client, provider } = await start();
  server.behave('silent', 'usage');
  await client.getBooleanValue('g', false);
  await server.advance(MINUTE);
  server.behave('normal', 'usage');
  await client.getBooleanValue('f', false);
  await provider.onClose();
  expect(server.reports.map(({ sequence, counts }) => [sequence, counts[0]?.[0]])).toEqual([
    [1, 'g'],
    [2, 'f'],
  ]);
});

it('many flags are reported in several requests, which the server accepts', async () => {
  const keys = Array.from({ length: 5_000 }, (_, index) => `${index}`.padEnd(100, '-flag'));
  const { server, provider } = await start(
    {},
    Object.fromEntries(keys.map(key => [key, booleanFlag(key, true)])),
  );
  for (const key of keys) provider.evaluate(key);
  await server.advance(MINUTE);
  await expect.poll(() => countsOf(server).length).toBe(keys.length);
  const bytes = server.reports.map(report => JSON.stringify(report).length);
  expect(Math.max(...bytes)).toBeLessThanOrEqual(64 * 1_024);
  expect(new Set(countsOf(server).map(([key]) => key))).toEqual(new Set(keys));
  expect(server.reports.map(({ sequence }) => sequence)).toEqual(
    bytes.map((_, index) => index + 1),
  );
});

it('unknown keys are limited, and those that no flag can have are left out', async () => {
  const { server, provider } = await start();
  for (let index = 0; index < 3_000; index += 1) provider.evaluate(`key-${index}`);
  provider.evaluate('x'.repeat(101));
  provider.evaluate('');
  await server.advance(MINUTE);
  expect(unknownOf(server)).toHaveLength(1_000);
  expect(unknownOf(server)).toContain('key-999');
});

it('in remote mode, the provider counts what the server has not counted', async () => {
  const { server, client, provider } = await start({ mode: 'remote' });
  await client.getBooleanValue('f', false, PRO);
  await client.getBooleanValue('f', false, PRO);
  await Promise.all([client.getBooleanValue('g', false), client.getBooleanValue('g', false)]);
  await client.getBooleanValue('missing', false);
  server.behave('broken', 'evaluate');
  await client.getBooleanValue('f', false);
  provider.evaluate('g');
  await server.advance(MINUTE);
  expect(countsOf(server)).toEqual([
    ['f', 'off', 'DEFAULT', 1],
    ['f', 'on', 'CACHED', 1],
    // One of two calls that shared a request, and one in this process.
    ['g', 'on', 'STATIC', 2],
  ]);
  expect(unknownOf(server)).toEqual([]);
});

it('nothing is reported if the option is false', async () => {
  const { server, client, provider } = await start({ usage: false });
  await client.getBooleanValue('g', false);
  await server.advance(2 * MINUTE);
  await provider.onClose();
  expect(server.count('usage')).toBe(0);
});

it('flags without a server are never reported', async () => {
  const runtime = createFakeRuntime();
  const { client, started } = openReal({ flags: { local: true } }, runtime);
  await started;
  expect(await client.getBooleanValue('local', false)).toBe(true);
  await runtime.advance(2 * MINUTE);
  await OpenFeature.clearProviders();
  expect(runtime.pending).toEqual([]);
});

it('evaluations before there are flags count as errors, and others are not affected', async () => {
  const server = startFakeServer(FLAGS);
  server.behave('broken');
  const url = 'http://flags.test';
  const provider = new PennonProvider({ url, key: 'server-key' }, server.runtime);
  const started = provider.initialize().catch(() => undefined);
  await settle();
  expect(provider.evaluate('g')).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
  await server.advance(2_000);
  await started;
  await provider.onClose();
  expect(countsOf(server)).toEqual([['g', null, 'ERROR', 1]]);
});
