import { createHash } from 'node:crypto';

import { OpenFeature } from '@openfeature/web-sdk';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { createFakeRuntime, settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonWebProvider } from '../src/index.ts';
import { createStorage, respondToPoll, served, startApplication } from './support/application.ts';
import type { ApplicationOptions } from './support/application.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

const START = Date.parse('2026-01-31T12:00:00Z');
const MEASURED = {
  experiments: { 'checkout-2': { flag: 'checkout', rule: 'test', unit: 'targetingKey' } },
  tracked: ['bought'],
};
const VALUES = {
  revision: 1,
  evaluations: {
    checkout: served(true, { reason: 'SPLIT', ruleId: 'test' }),
    banner: served(true),
  },
  ...MEASURED,
};
const EXPOSURE = {
  type: 'exposure',
  experiment: 'checkout-2',
  variant: 'on',
  unit: 'ada',
  timeMs: START,
};

type Batch = {
  readonly key?: string;
  readonly sequence: number;
  readonly instance: string;
  readonly events: readonly Readonly<Record<string, unknown>>[];
};

let page: EventTarget;
let document: EventTarget & { hidden: boolean };
let session: ReturnType<typeof createStorage>;
let beacons: { readonly url: string; readonly body: string }[];
/** How many further beacons the browser accepts. */
let room: number;

let runtimes: FakeRuntime[];

beforeEach(() => {
  runtimes = [];
  page = new EventTarget();
  document = Object.assign(new EventTarget(), { hidden: false });
  session = createStorage();
  beacons = [];
  room = Infinity;
  vi.stubGlobal('document', document);
  vi.stubGlobal('sessionStorage', session);
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('navigator', {
    onLine: true,
    sendBeacon(url: string, body: string) {
      if (room > 0) beacons.push({ url, body });
      room -= 1;
      return room >= 0;
    },
  });
});
afterEach(async () => {
  const cleared = OpenFeature.clearProviders();
  // A provider that is closed waits for the server.
  for (const runtime of runtimes) await runtime.advance(2_000);
  await cleared;
  vi.unstubAllGlobals();
});

const open = (options: ApplicationOptions = {}, runtime = createFakeRuntime()) => {
  runtimes.push(runtime);
  return startApplication({ stream: false, ...options }, undefined, runtime);
};

const start = async (options: ApplicationOptions = {}, runtime = createFakeRuntime()) => {
  const application = open(options, runtime);
  await respondToPoll(runtime, VALUES);
  await application.outcome;
  return application;
};

const parse = (body: string | undefined): Batch => JSON.parse(body ?? '');
const requestsIn = ({ pending }: FakeRuntime) =>
  pending.filter(({ url }) => url.endsWith('/api/v1/events'));
/** Responds to the latest request for events, and returns what it had. */
const respond = async (runtime: FakeRuntime, status = 202, body: object = { accepted: 1 }) => {
  const request = requestsIn(runtime).at(-1);
  await request?.respond(status, JSON.stringify(body));
  return parse(request?.body);
};
const leave = () => void page.dispatchEvent(new Event('pagehide'));

it('a unit that an experiment has served is sent once, two seconds later', async () => {
  const { client, runtime } = await start();
  for (let call = 0; call < 3; call += 1) client.getBooleanValue('checkout', false);
  client.getBooleanValue('banner', false);
  await runtime.advance(1_999);
  expect(requestsIn(runtime)).toEqual([]);
  await runtime.advance(1);
  const [request, ...others] = requestsIn(runtime);
  expect(others).toEqual([]);
  expect(request?.headers.get('authorization')).toBe('Bearer client-key');
  expect(parse(request?.body)).toEqual({
    instance: expect.stringMatching(/^[\w-]{22,}$/),
    sequence: 1,
    sentAtMs: START + 2_000,
    sdk: expect.stringMatching(/^@pennon\/web-provider \d/),
    events: [EXPOSURE],
  });
});

it('the experiment is part of the metadata of its results only', async () => {
  const { client } = await start();
  const experimentOf = (key: string) =>
    client.getBooleanDetails(key, false).flagMetadata['experiment'];
  expect([experimentOf('checkout'), experimentOf('banner')]).toEqual(['checkout-2', undefined]);
  expect(client.getStringDetails('checkout', '').flagMetadata).not.toHaveProperty('experiment');
});

it('a tracked event has its value, attributes and units, if it is measured', async () => {
  const { client, runtime } = await start();
  client.track('bought', { value: 99.77, currency: 'EUR' });
  client.track('viewed');
  await runtime.advance(2_000);
  expect((await respond(runtime)).events).toEqual([
    {
      type: 'track',
      name: 'bought',
      timeMs: START,
      value: 99.77,
      attributes: { currency: 'EUR' },
      units: { targetingKey: 'ada' },
    },
  ]);
});

it('50 events are sent at once, 25 in a request', async () => {
  const { client, provider, runtime } = await start();
  for (let value = 0; value < 50; value += 1) client.track('bought', { value });
  await runtime.advance(0);
  expect((await respond(runtime)).events).toHaveLength(25);
  expect((await respond(runtime)).events).toHaveLength(25);
  expect(requestsIn(runtime)).toHaveLength(2);
  expect(provider.events).toMatchObject({ queued: 0, sent: 50 });
});

it('events that were tracked before the first values are sent when these are there', async () => {
  const application = open();
  const { provider, runtime } = application;
  provider.track('bought', { targetingKey: 'ada' });
  await runtime.advance(1_000);
  await respondToPoll(runtime, VALUES);
  await application.outcome;
  await runtime.advance(2_000);
  expect((await respond(runtime)).events).toMatchObject([{ name: 'bought', timeMs: START }]);
});

it('values that the page came with expose too', async () => {
  const { client, runtime } = open({ bootstrap: VALUES });
  await settle();
  client.getBooleanValue('checkout', false);
  await runtime.advance(2_000);
  expect((await respond(runtime)).events).toMatchObject([{ unit: 'ada' }]);
});

it('the next page sends an exposure again only if the experiment was restarted in between', async () => {
  const storage = createStorage();
  const unitsOf = async (run: string) => {
    const experiments = { 'checkout-2': { ...MEASURED.experiments['checkout-2'], run } };
    const { client, runtime } = open({ storage, bootstrap: { ...VALUES, experiments } });
    await settle();
    client.getBooleanValue('checkout', false);
    await runtime.advance(2_000);
    const sent = requestsIn(runtime).length > 0 ? (await respond(runtime)).events : [];
    return sent.map(({ unit }) => unit);
  };
  expect(await unitsOf('first')).toEqual(['ada']);
  expect(await unitsOf('first')).toEqual([]);
  expect(await unitsOf('second')).toEqual(['ada']);
});

it.each(['is hidden', 'is left'])('a page that %s sends a beacon with its key', async how => {
  const { client, provider, runtime } = await start();
  client.getBooleanValue('checkout', false);
  if (how === 'is left') leave();
  document.hidden = true;
  document.dispatchEvent(new Event('visibilitychange'));
  expect(beacons.map(({ url }) => url)).toEqual(['http://flags.test/api/v1/events']);
  expect(parse(beacons[0]?.body)).toMatchObject({
    key: 'client-key',
    sequence: 1,
    events: [EXPOSURE],
  });
  await runtime.advance(10_000);
  expect(requestsIn(runtime)).toEqual([]);
  expect(provider.events.queued).toBe(0);
});

it('a beacon has at most 25 events and 60 KiB', async () => {
  const { client } = await start();
  for (let value = 0; value < 26; value += 1) client.track('bought', { value });
  for (let call = 0; call < 20; call += 1) client.track('bought', { text: 'ü'.repeat(1_900) });
  leave();
  const counts = beacons.map(({ body }) => parse(body).events.length);
  expect(counts.reduce((sum, count) => sum + count)).toBe(46);
  expect(Math.max(...counts)).toBe(25);
  expect(Math.max(...beacons.map(({ body }) => Buffer.byteLength(body)))).toBeLessThanOrEqual(
    61_440,
  );
});

it('a batch on its way is sent again with the same sequence when the page is left', async () => {
  const { client, runtime } = await start();
  client.getBooleanValue('checkout', false);
  await runtime.advance(2_000);
  client.track('bought');
  leave();
  const sent = parse(requestsIn(runtime)[0]?.body);
  expect(beacons.map(({ body }) => parse(body).sequence)).toEqual([1, 2]);
  expect(parse(beacons[0]?.body)).toMatchObject({ instance: sent.instance, events: sent.events });
});

it('without beacons, what waits is a request that outlives the page', async () => {
  vi.stubGlobal('navigator', {});
  const { client, runtime } = await start();
  client.getBooleanValue('checkout', false);
  leave();
  const [request] = requestsIn(runtime);
  expect(request?.headers.get('authorization')).toBe('Bearer client-key');
  expect(parse(request?.body)).not.toHaveProperty('key');
});

it('what the browser has no room for is sent by the next page, with the same sequence', async () => {
  const storage = createStorage();
  const first = await start({ storage });
  for (let value = 0; value < 30; value += 1) first.client.track('bought', { value });
  room = 1;
  leave();
  expect(beacons).toHaveLength(1);
  const { instance } = parse(beacons[0]?.body);
  const second = await start({ storage });
  await second.runtime.advance(2_000);
  const batch = await respond(second.runtime);
  expect(batch).toMatchObject({ instance, sequence: 2 });
  expect(batch.events).toHaveLength(5);
  await start({ storage });
  expect([...storage.slots.keys()].filter(slot => slot.startsWith('pennon:events'))).toEqual([]);
});

it('a page without a network sends no beacons, and the next page sends the events', async () => {
  const storage = createStorage();
  const first = await start({ storage });
  first.client.track('bought');
  Object.assign(navigator, { onLine: false });
  leave();
  expect(beacons).toEqual([]);
  const second = await start({ storage });
  await second.runtime.advance(2_000);
  expect((await respond(second.runtime)).events).toMatchObject([{ name: 'bought' }]);
});

it('stored events are given up after a day', async () => {
  const storage = createStorage();
  const { client } = await start({ storage });
  client.track('bought');
  room = 0;
  leave();
  const later = createFakeRuntime();
  later.setWallTime(86_400_000);
  const application = await start({ storage }, later);
  await later.advance(10_000);
  expect(requestsIn(later)).toEqual([]);
  expect(application.provider.events.queued).toBe(0);
});

it('at most 100 KiB of events are stored, the latest ones', async () => {
  const storage = createStorage();
  const { client } = await start({ storage });
  for (let value = 0; value < 100; value += 1)
    client.track('bought', { value, text: 'x'.repeat(3_000) });
  room = 0;
  leave();
  const slot = [...storage.slots.keys()].find(each => each.startsWith('pennon:events'));
  const stored = storage.slots.get(slot ?? '') ?? '';
  expect(stored.length).toBeGreaterThan(50_000);
  expect(stored.length).toBeLessThanOrEqual(102_400);
  expect(stored).toContain('"value":99');
});

it('a batch that the server does not accept for 15 minutes waits for the next page', async () => {
  const storage = createStorage();
  const { client, runtime, provider } = await start({ storage });
  client.track('bought');
  await runtime.advance(2_000);
  for (let attempt = 0; attempt < 60; attempt += 1) {
    await requestsIn(runtime).at(-1)?.fail('ECONNREFUSED');
    await runtime.advance(31_000);
  }
  const attempts = requestsIn(runtime).length;
  await runtime.advance(600_000);
  expect(requestsIn(runtime)).toHaveLength(attempts);
  expect(provider.events).toMatchObject({ queued: 0, sent: 0 });
  const second = await start({ storage });
  await second.runtime.advance(2_000);
  expect((await respond(second.runtime)).events).toMatchObject([{ name: 'bought' }]);
});

it('a refused batch is not stored', async () => {
  const storage = createStorage();
  const { client, runtime, provider } = await start({ storage });
  client.track('bought');
  await runtime.advance(2_000);
  await respond(runtime, 400, { error: { code: 'INVALID', message: 'no' } });
  expect(provider.events).toMatchObject({ queued: 0, dropped: 1, lastError: { status: 400 } });
  const second = await start({ storage });
  await second.runtime.advance(2_000);
  expect(requestsIn(second.runtime)).toEqual([]);
});

it('the exposures of a tab are remembered across its pages, as hashes', async () => {
  const storage = createStorage();
  const first = await start({ storage });
  first.client.getBooleanValue('checkout', false);
  await first.runtime.advance(2_000);
  await respond(first.runtime);
  const second = await start({ storage });
  second.client.getBooleanValue('checkout', false);
  expect(second.provider.events.queued).toBe(0);
  expect([...session.slots.values()].join()).not.toContain('ada');
  session.slots.clear();
  const otherTab = await start({ storage });
  otherTab.client.getBooleanValue('checkout', false);
  expect(otherTab.provider.events.queued).toBe(1);
});

it('without a storage, nothing is stored', async () => {
  const { client } = await start({ storage: null });
  client.getBooleanValue('checkout', false);
  room = 0;
  leave();
  expect(session.slots.size).toBe(0);
});

it('if the queue is full, the oldest tracking events are dropped first', async () => {
  const { client, provider, runtime } = await start({ events: { queue: 3 } });
  client.getBooleanValue('checkout', false);
  for (let value = 0; value < 5; value += 1) client.track('bought', { value });
  expect(provider.events).toMatchObject({ queued: 3, dropped: 3 });
  await runtime.advance(2_000);
  const { events } = await respond(runtime);
  expect(events.map(({ type, value }) => value ?? type)).toEqual(['exposure', 3, 4]);
});

it('the options of events that are null have their defaults', async () => {
  const { client, runtime } = await start({ events: null });
  client.getBooleanValue('checkout', false);
  await runtime.advance(2_000);
  expect((await respond(runtime)).events).toMatchObject([{ type: 'exposure' }]);
});

it('flush sends at once, and a closed provider sends the rest and ends all timers', async () => {
  const { client, provider, runtime } = await start();
  expect(await provider.flush()).toBe(true);
  client.getBooleanValue('checkout', false);
  const flushed = provider.flush();
  await settle();
  await respond(runtime);
  expect(await flushed).toBe(true);
  client.track('bought');
  const closed = provider.onClose();
  await settle();
  expect((await respond(runtime)).events).toMatchObject([{ name: 'bought' }]);
  await closed;
  expect(runtime.timerCount()).toBe(0);
  leave();
  provider.track('bought', { targetingKey: 'ada' });
  expect([beacons.length, provider.events.queued]).toEqual([0, 0]);
});

it('units are hashed if the application requires it', async () => {
  const { client, provider, runtime } = await start({ events: { hashUnits: true } });
  client.getBooleanValue('checkout', false);
  const flushed = provider.flush();
  await expect.poll(() => requestsIn(runtime).length).toBe(1);
  const unit = createHash('sha256').update('ada').digest('hex');
  expect(await respond(runtime)).toMatchObject({ hashedUnits: true, events: [{ unit }] });
  await flushed;
});

it('on a page without secure context, units that must be hashed are not sent', async () => {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  const { client, provider } = await start({ events: { hashUnits: true } });
  client.getBooleanValue('checkout', false);
  await settle();
  expect(provider.events).toMatchObject({ queued: 0, dropped: 1 });
  expect(provider.events.lastError?.message).toMatch('secure contexts');
});

it('nothing is sent if the application has switched it off, and never without a server', async () => {
  const { client, runtime } = await start({ events: { enabled: false } });
  expect(client.getBooleanDetails('checkout', false).flagMetadata).toMatchObject({
    experiment: 'checkout-2',
  });
  client.track('bought');
  const local = new PennonWebProvider({ flags: { on: true } });
  await OpenFeature.setProviderAndWait('local', local);
  OpenFeature.getClient('local').track('bought');
  leave();
  await runtime.advance(10_000);
  expect([requestsIn(runtime), beacons, local.events.queued]).toEqual([[], [], 0]);
  expect(await local.flush()).toBe(true);
});

it('flush returns true if the server has accepted what waited, although more was tracked since', async () => {
  const { client, provider, runtime } = await start();
  client.track('bought');
  const flushed = provider.flush();
  await settle();
  client.track('bought');
  await respond(runtime);
  await expect(flushed).resolves.toBe(true);
  await runtime.advance(2_000);
  expect(await respond(runtime)).toMatchObject({ sequence: 2 });
});

it('usage that the server does not take does not delay events', async () => {
  const { client, provider, runtime } = await start({ usage: true });
  client.getBooleanValue('banner', false);
  await runtime.advance(60_000);
  const isUsage = ({ url }: { readonly url: string }) => url.endsWith('/api/v1/usage');
  await runtime.pending.find(isUsage)?.respond(429, '{}', { 'retry-after': '600' });
  client.track('bought');
  await runtime.advance(2_000);
  expect(await respond(runtime)).toMatchObject({ sequence: 1 });
  client.track('bought');
  const flushed = provider.flush();
  await settle();
  expect(await respond(runtime)).toMatchObject({ sequence: 2 });
  await expect(flushed).resolves.toBe(true);
});

it('events of a page that an earlier version has stored are not sent in another form', async () => {
  const storage = createStorage();
  const first = await start({ storage });
  first.client.track('bought');
  await first.runtime.advance(2_000);
  const slot = [...storage.slots.keys()].find(each => each.startsWith('pennon:events:')) ?? '';
  const earlier = { instance: 'i', sequence: 1, at: START, events: [{ text: '{"type":"track"}' }] };
  storage.slots.set(slot, JSON.stringify([earlier]));
  const { runtime } = await start({ storage });
  await runtime.advance(2_000);
  expect(requestsIn(runtime)).toEqual([]);
});

it('what the storage has without the number of a batch does not prevent that others are sent', async () => {
  const storage = createStorage();
  const first = await start({ storage });
  first.client.track('bought');
  await first.runtime.advance(2_000);
  const slot = [...storage.slots.keys()].find(each => each.startsWith('pennon:events:')) ?? '';
  storage.slots.set(slot, JSON.stringify([{ at: START, events: [{ type: 'track' }] }]));
  const { client, provider, runtime } = await start({ storage });
  client.track('bought');
  const flushed = provider.flush();
  await settle();
  await respond(runtime, 400);
  expect((await respond(runtime)).events).toMatchObject([{ name: 'bought' }]);
  await expect(flushed).resolves.toBe(true);
});

it('closing takes at most two seconds, also with a "fetch" that ignores when it is aborted', async () => {
  const { client, provider, runtime } = open({
    bootstrap: VALUES,
    fetch: () => new Promise(() => {}),
  });
  await settle();
  client.track('bought');
  let isClosed = false;
  void provider.onClose().then(() => (isClosed = true));
  await runtime.advance(2_000);
  expect(isClosed).toBe(true);
});

it('events are sent while a new context has no values yet', async () => {
  const { client, runtime, setContext } = await start();
  const changed = setContext({ targetingKey: 'bob' });
  await settle();
  client.track('bought');
  await runtime.advance(2_000);
  await changed.catch(() => {});
  expect((await respond(runtime)).events).toMatchObject([{ units: { targetingKey: 'bob' } }]);
});

it('flush does not wait for what a beacon has sent', async () => {
  const { client, provider, runtime } = await start();
  client.track('bought');
  await runtime.advance(2_000);
  leave();
  let isFlushed: boolean | undefined;
  void provider.flush().then(result => (isFlushed = result));
  await settle();
  expect(isFlushed).toBe(true);
});

it('the queue has no more than its limit, also with what earlier pages have stored', async () => {
  const storage = createStorage();
  for (let visit = 0; visit < 3; visit += 1) {
    const { client, runtime } = await start({ storage });
    for (let value = 0; value < 5; value += 1) client.track('bought', { value });
    await runtime.advance(2_000);
  }
  const { client, provider } = await start({ storage, events: { queue: 6 } });
  client.track('bought');
  expect(provider.events).toMatchObject({ queued: 6, dropped: 10 });
});
