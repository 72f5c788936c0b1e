import { createHash } from 'node:crypto';

import { StandardResolutionReasons } from '@openfeature/server-sdk';
import { expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { collectWarnings } from '../../../packages/sync/test/support/options.ts';
import { PennonProvider } from '../src/index.ts';
import type { OnlineOptions } from '../src/index.ts';
import { SERVER_URL, startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

const split = (bucketBy: string) => ({
  id: 'test',
  bucketBy,
  split: [
    { variant: 'on', weight: 1 },
    { variant: 'off', weight: 0 },
  ],
});
const FLAGS = {
  checkout: booleanFlag('checkout', false, {
    rules: [onIf('plan', 'free'), split('targetingKey')],
  }),
  billing: booleanFlag('billing', false, { rules: [split('company.id')], clientVisible: true }),
  other: booleanFlag('other', true),
};
const MEASURED = {
  experiments: {
    'checkout-2': { flag: 'checkout', rule: 'test', unit: 'targetingKey' },
    'billing-1': { flag: 'billing', rule: 'test', unit: 'company.id' },
  },
  tracked: ['bought'],
};
const ADA = { targetingKey: 'ada', company: { id: 'c9' } };
const START = Date.parse('2026-01-31T12:00:00Z');

const start = async (options: Partial<OnlineOptions> = {}, measured: object = MEASURED) => {
  const server = startFakeServer(FLAGS);
  await server.measure(measured);
  return { server, ...(await startOn(server, options)) };
};

const eventsOf = ({ batches }: FakeServer) => batches.flatMap(({ events }) => events);
const unitsOf = (server: FakeServer) => eventsOf(server).map(({ unit }) => unit);
const exposureOf = (unit: string) => ({
  type: 'exposure',
  experiment: 'checkout-2',
  variant: 'on',
  unit,
  timeMs: START,
});

it('a unit that an experiment has served is sent once a day', async () => {
  const { server, client } = await start();
  for (let call = 0; call < 3; call += 1) await client.getBooleanValue('checkout', false, ADA);
  await client.getBooleanValue('other', false, ADA);
  await client.getBooleanValue('checkout', false, { ...ADA, plan: 'free' });
  await server.advance(4_999);
  expect(server.count('events')).toBe(0);
  await server.advance(1);
  expect(server.batches).toEqual([
    {
      instance: expect.stringMatching(/^[\w-]{22,}$/),
      sequence: 1,
      sentAtMs: START + 5_000,
      sdk: expect.stringMatching(/^@pennon\/server-provider \d/),
      events: [exposureOf('ada')],
    },
  ]);
  await server.advance(11 * 3_600_000);
  await client.getBooleanValue('checkout', false, ADA);
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['ada']);
  await server.advance(3_600_000);
  await client.getBooleanValue('checkout', false, ADA);
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['ada', 'ada']);
});

it('the experiment is part of the metadata of its results only', async () => {
  const { client } = await start();
  const metadataOf = async (key: string, context: object = ADA) =>
    (await client.getBooleanDetails(key, false, { ...context })).flagMetadata['experiment'];
  expect(await metadataOf('checkout')).toBe('checkout-2');
  expect(await metadataOf('billing')).toBe('billing-1');
  expect(await metadataOf('checkout', { ...ADA, plan: 'free' })).toBeUndefined();
  expect(await metadataOf('other')).toBeUndefined();
  const mismatch = await client.getStringDetails('checkout', 'text', ADA);
  expect(mismatch.reason).toBe(StandardResolutionReasons.ERROR);
  expect(mismatch.flagMetadata).not.toHaveProperty('experiment');
});

it('the unit is the attribute that the rule draws by', async () => {
  const { server, provider } = await start();
  provider.evaluate('billing', ADA);
  provider.evaluate('billing', { targetingKey: 'ada', 'company.id': 7 });
  provider.evaluate('billing', { targetingKey: 'ada' });
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['c9', '7']);
});

it('direct evaluations expose, unless the application opts out, and bulk ones never do', async () => {
  const { server, provider } = await start();
  provider.evaluate('checkout', { targetingKey: 'a' });
  provider.evaluate('checkout', { targetingKey: 'b' }, { expose: false });
  provider.snapshot().evaluate('checkout', { targetingKey: 'c' });
  provider.snapshot({ expose: false }).evaluate('checkout', { targetingKey: 'd' });
  provider.snapshot().evaluateAll({ targetingKey: 'e' });
  provider.snapshot().toBootstrap({ targetingKey: 'f' });
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['a', 'c']);
});

it('values for a page have what is measured of the visible flags', async () => {
  const { provider } = await start();
  const { experiments, tracked, evaluations } = provider.snapshot().toBootstrap(ADA);
  expect({ experiments, tracked }).toEqual({
    experiments: { 'billing-1': MEASURED.experiments['billing-1'] },
    tracked: ['bought'],
  });
  expect(evaluations['billing']).toMatchObject({ ruleId: 'test' });
});

it('a tracked event has its value, attributes and the units of the running experiments', async () => {
  const { server, client } = await start();
  const details = { value: 99.77, currency: 'EUR', at: new Date(START) };
  client.track('bought', { ...ADA, email: 'ada@example.com' }, details);
  client.track('viewed', ADA);
  client.track('bought', { email: 'ada@example.com' });
  await server.advance(5_000);
  expect(eventsOf(server)).toEqual([
    {
      type: 'track',
      name: 'bought',
      timeMs: START,
      value: 99.77,
      attributes: { currency: 'EUR', at: '2026-01-31T12:00:00.000Z' },
      units: { targetingKey: 'ada', 'company.id': 'c9' },
    },
  ]);
});

it('all events are sent if the server does not name them, and none if nothing is measured', async () => {
  const { server, provider } = await start({}, { experiments: {}, tracked: null });
  provider.track('anything', ADA);
  await server.measure({});
  const unmeasured = await start({}, {});
  unmeasured.provider.track('anything', ADA);
  await server.advance(5_000);
  await unmeasured.server.advance(5_000);
  expect(eventsOf(server)).toMatchObject([{ name: 'anything', units: { targetingKey: 'ada' } }]);
  expect(unmeasured.server.count('events')).toBe(0);
});

it('events that were tracked before the first flags are sent when these are there', async () => {
  const server = startFakeServer(FLAGS);
  await server.measure(MEASURED);
  const provider = new PennonProvider({ url: SERVER_URL, key: 'server-key' }, server.runtime);
  provider.track('bought', ADA, { value: 1 });
  provider.track('viewed', ADA);
  await server.advance(1_000);
  await provider.initialize();
  await server.advance(5_000);
  expect(eventsOf(server)).toMatchObject([{ name: 'bought', value: 1, timeMs: START }]);
  await provider.onClose();
});

it('what cannot be an event is dropped, and never an error of the application', async () => {
  const { server, provider } = await start();
  const cycle: Record<string, string> = {};
  Object.assign(cycle, { self: cycle });
  provider.track('bought', ADA, cycle);
  provider.track('bought', ADA, { text: 'x'.repeat(4_096) });
  provider.track('', ADA);
  provider.track('x'.repeat(101), ADA);
  provider.track('bought', ADA, Object.fromEntries(Array.from({ length: 21 }, (_, n) => [n, n])));
  provider.evaluate('checkout', { targetingKey: 'x'.repeat(257) });
  expect(provider.events).toMatchObject({ queued: 0, dropped: 6 });
  expect(provider.events.lastError?.message).toMatch('256 characters');
  provider.track('bought', ADA, { value: Number.NaN });
  await server.advance(5_000);
  expect(eventsOf(server)).toEqual([expect.not.objectContaining({ value: expect.anything() })]);
  expect(server.batches[0]?.dropped).toEqual({ exposures: 1, tracks: 5 });
});

it('500 events, or 100 KiB, are sent at once', async () => {
  const { server, provider } = await start();
  for (let unit = 0; unit < 500; unit += 1)
    provider.evaluate('checkout', { targetingKey: `${unit}` });
  await server.advance(0);
  expect(server.batches.map(({ events }) => events.length)).toEqual([500]);
  for (let call = 0; call < 30; call += 1)
    provider.track('bought', ADA, { text: 'x'.repeat(3_900) });
  await server.advance(0);
  expect(server.count('events')).toBe(3);
  expect(provider.events).toMatchObject({ queued: 0, sent: 530 });
});

it('a batch that is not accepted is sent again with its sequence, and others wait', async () => {
  const { server, provider } = await start();
  server.behave('broken', 'events');
  provider.evaluate('checkout', { targetingKey: 'a' });
  await server.advance(5_000);
  provider.evaluate('checkout', { targetingKey: 'b' });
  await server.advance(20_000);
  const attempts = server.count('events');
  expect(attempts).toBeGreaterThan(2);
  expect(new Set(server.batches.map(({ sequence }) => sequence))).toEqual(new Set([1]));
  server.behave('normal', 'events');
  await server.advance(70_000);
  expect(
    server.batches.slice(attempts).map(({ sequence, events }) => [sequence, events[0]?.['unit']]),
  ).toEqual([
    [1, 'a'],
    [2, 'b'],
  ]);
  expect(provider.events).toMatchObject({ queued: 0, sent: 2, dropped: 0 });
});

it('a busy server is not disturbed before the time that it states', async () => {
  const { server, provider } = await start();
  server.behave({ status: 429, retryAfter: '50' }, 'events');
  provider.evaluate('checkout', ADA);
  await server.advance(5_000 + 49_000);
  const flushed = provider.flush();
  await server.advance(0);
  expect(server.count('events')).toBe(1);
  server.behave('normal', 'events');
  await server.advance(1_000);
  expect(await flushed).toBe(true);
  expect(provider.events.sent).toBe(1);
});

it.each([400, 403, 404, 413])('a batch that is refused with %i is given up', async status => {
  const { warnings, logger } = collectWarnings();
  const { server, provider } = await start({ logger });
  server.behave({ status }, 'events');
  for (const targetingKey of ['a', 'b']) {
    provider.evaluate('checkout', { targetingKey });
    await server.advance(60_000);
  }
  expect(server.count('events')).toBe(2);
  expect(warnings).toEqual([expect.stringMatching(`events are not sent: .*${status}`)]);
  expect(provider.events).toMatchObject({ queued: 0, dropped: 2, lastError: { status } });
});

it('a batch is given up after 15 minutes, and its exposures can be sent again', async () => {
  const { server, provider } = await start();
  server.behave('broken', 'events');
  provider.evaluate('checkout', ADA);
  provider.track('bought', ADA);
  await server.advance(16 * 60_000);
  expect(provider.events).toMatchObject({ queued: 0, dropped: 2 });
  server.behave('normal', 'events');
  provider.evaluate('checkout', ADA);
  await server.advance(5_000);
  expect(server.batches.at(-1)).toMatchObject({
    sequence: 2,
    dropped: { exposures: 1, tracks: 1 },
    events: [{ unit: 'ada' }],
  });
});

it('if the queue is full, the oldest tracking events are dropped first, and exposures last', async () => {
  const { server, provider } = await start({ events: { queue: 4 } });
  provider.evaluate('checkout', { targetingKey: 'a' });
  for (const value of [1, 2, 3]) provider.track('bought', ADA, { value });
  provider.evaluate('checkout', { targetingKey: 'b' });
  provider.track('bought', ADA, { value: 4 });
  expect(provider.events).toMatchObject({ queued: 4, dropped: 2 });
  for (const targetingKey of ['c', 'd', 'e']) provider.evaluate('checkout', { targetingKey });
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['b', 'c', 'd', 'e']);
  expect(server.batches[0]?.dropped).toEqual({ exposures: 1, tracks: 4 });
});

it('events that the server rejects count as dropped', async () => {
  const { server, provider } = await start();
  server.reject(1);
  provider.evaluate('checkout', ADA);
  provider.evaluate('billing', ADA);
  await server.advance(5_000);
  expect(provider.events).toMatchObject({ queued: 0, sent: 1, dropped: 1 });
  expect(provider.events.lastError?.message).toMatch('it is not known');
});

it('flush sends at once, and waits at most 2 s', async () => {
  const { server, provider } = await start();
  provider.evaluate('checkout', ADA);
  expect(await provider.flush()).toBe(true);
  expect(unitsOf(server)).toEqual(['ada']);
  server.behave('silent', 'events');
  provider.track('bought', ADA);
  const flushed = provider.flush();
  await server.advance(2_000);
  expect(await flushed).toBe(false);
  server.behave('normal', 'events');
});

it('a flush ends the wait for the next attempt', async () => {
  const { server, provider } = await start();
  server.behave('broken', 'events');
  provider.evaluate('checkout', ADA);
  await server.advance(5_000);
  server.behave('normal', 'events');
  expect(await provider.flush()).toBe(true);
});

it('a provider that is closed sends the rest, and ends all timers', async () => {
  const { server, provider } = await start();
  provider.evaluate('checkout', ADA);
  await provider.onClose();
  expect(unitsOf(server)).toEqual(['ada']);
  expect(server.timers()).toBe(0);
  provider.track('bought', ADA);
  await provider.onClose();
  expect(server.count('events')).toBe(1);
});

it('a provider that is closed waits at most 2 s for usage and events together', async () => {
  const { server, client, provider } = await start();
  server.behave('silent', 'events');
  server.behave('silent', 'usage');
  await client.getBooleanValue('checkout', false, ADA);
  let isClosed = false;
  void provider.onClose().then(() => (isClosed = true));
  await server.advance(1_999);
  expect(isClosed).toBe(false);
  await server.advance(1);
  expect([isClosed, server.timers()]).toEqual([true, 0]);
});

it('a provider that is initialized again begins another instance', async () => {
  const { server, provider } = await start();
  provider.evaluate('checkout', ADA);
  await provider.onClose();
  await provider.initialize();
  provider.evaluate('checkout', ADA);
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['ada', 'ada']);
  expect(new Set(server.batches.map(({ instance }) => instance)).size).toBe(2);
  await provider.onClose();
});

it('the next run of an experiment has exposures of the same units', async () => {
  const { server, provider } = await start();
  provider.evaluate('checkout', ADA);
  await server.measure({ experiments: {}, tracked: [] });
  provider.evaluate('checkout', ADA);
  await server.measure(MEASURED);
  provider.evaluate('checkout', ADA);
  provider.evaluate('checkout', ADA);
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['ada', 'ada']);
});

it('a restart that the provider has not seen begins with exposures of the same units', async () => {
  const ofRun = (run: string) => ({
    experiments: { 'checkout-2': { ...MEASURED.experiments['checkout-2'], run } },
    tracked: ['bought'],
  });
  const { server, provider } = await start({}, ofRun('first'));
  const expose = () => provider.evaluate('checkout', ADA);
  expose();
  await server.measure(ofRun('second'));
  expose();
  expose();
  // A flag set of the same run that was away for a moment.
  await server.measure({ experiments: {}, tracked: [] });
  await server.measure(ofRun('second'));
  expose();
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['ada', 'ada']);
});

it('units are hashed if the application requires it', async () => {
  const { server, provider } = await start({ events: { hashUnits: true } });
  provider.evaluate('checkout', ADA);
  provider.track('bought', { targetingKey: 'ada' });
  expect(await provider.flush()).toBe(true);
  expect(server.batches).toMatchObject([{ hashedUnits: true }]);
  const hash = createHash('sha256').update('ada').digest('hex');
  expect(eventsOf(server)).toMatchObject([{ unit: hash }, { units: { targetingKey: hash } }]);
});

it('nothing is sent if the application has switched it off, but the metadata remain', async () => {
  const { server, client } = await start({ events: { enabled: false } });
  client.track('bought', ADA);
  const details = await client.getBooleanDetails('checkout', false, ADA);
  await server.advance(5_000);
  expect(server.count('events')).toBe(0);
  expect(details.flagMetadata['experiment']).toBe('checkout-2');
});

it('in remote mode, results of the server expose, also cached ones of another context', async () => {
  const { server, client } = await start({ mode: 'remote' });
  await client.getBooleanValue('checkout', false, { targetingKey: 'a' });
  await client.getBooleanValue('checkout', false, { targetingKey: 'a' });
  await client.getBooleanValue('checkout', false, { targetingKey: 'b' });
  await server.advance(5_000);
  expect(unitsOf(server)).toEqual(['a', 'b']);
});

it('a provider without a server has no events', async () => {
  const provider = new PennonProvider({ flags: { on: true } });
  await provider.initialize();
  provider.track('bought', ADA);
  provider.evaluate('on');
  expect(await provider.flush()).toBe(true);
  expect(provider.events).toMatchObject({ queued: 0, sent: 0, dropped: 0, lastError: undefined });
  await provider.onClose();
});

it('a server that is away at the start does not lose what was tracked', async () => {
  const server = startFakeServer(FLAGS);
  server.behave('broken');
  const { provider, started } = openOn(server);
  await settle();
  provider.track('bought', ADA);
  await server.advance(2_000);
  await started;
  await server.measure(MEASURED);
  server.behave('normal');
  await server.advance(120_000);
  expect(eventsOf(server)).toMatchObject([{ name: 'bought', timeMs: START }]);
});
