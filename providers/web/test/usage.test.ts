import { OpenFeature } from '@openfeature/web-sdk';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonWebProvider } from '../src/index.ts';
import { served, startApplication } from './support/application.ts';
import type { ApplicationOptions } from './support/application.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

const MINUTE = 60_000;
const VALUES = { revision: 1, evaluations: { banner: served(true), text: served('hello') } };

let page: EventTarget;
let document: EventTarget & { hidden: boolean };
let beacons: { readonly url: string; readonly body: string }[];
let acceptsBeacons: boolean;

beforeEach(() => {
  page = new EventTarget();
  document = Object.assign(new EventTarget(), { hidden: false });
  beacons = [];
  acceptsBeacons = true;
  vi.stubGlobal('document', document);
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('navigator', {
    onLine: true,
    sendBeacon(url: string, body: string) {
      if (acceptsBeacons) beacons.push({ url, body });
      return acceptsBeacons;
    },
  });
});
afterEach(async () => {
  await OpenFeature.clearProviders();
  vi.unstubAllGlobals();
});

const start = async (options: ApplicationOptions = {}, values: object = VALUES) => {
  const application = startApplication({ stream: false, usage: true, ...options });
  await (await application.runtime.nextRequest()).respond(200, JSON.stringify(values));
  await application.outcome;
  return application;
};

/** The requests to report usage that are pending. */
const reportsIn = ({ pending }: FakeRuntime) =>
  pending.filter(({ url }) => url.endsWith('/api/v1/usage'));
const parse = (body: string | undefined) => JSON.parse(body ?? '');

it('what the page got is reported after a minute, by variant and reason', async () => {
  const { client, runtime } = await start();
  client.getBooleanValue('banner', false);
  client.getBooleanValue('banner', false);
  client.getBooleanValue('text', false);
  client.getBooleanValue('missing', false);
  await runtime.advance(MINUTE);
  const [request] = reportsIn(runtime);
  expect(request?.headers.get('authorization')).toBe('Bearer client-key');
  expect(parse(request?.body)).toMatchObject({
    sequence: 1,
    counts: [
      ['banner', 'on', 'STATIC', 2],
      ['text', null, 'ERROR', 1],
    ],
    unknown: ['missing'],
    sdk: expect.stringMatching(/^@pennon\/web-provider \d/),
  });
});

it('one count has at most 10,000 evaluations, and the rest is in the next report', async () => {
  const { client, runtime } = await start();
  for (let call = 0; call < 10_001; call += 1) client.getBooleanValue('banner', false);
  await runtime.advance(MINUTE);
  const [first] = reportsIn(runtime);
  expect(parse(first?.body).counts).toEqual([['banner', 'on', 'STATIC', 10_000]]);
  await first?.respond(202, '{}');
  await runtime.advance(MINUTE);
  expect(parse(reportsIn(runtime).at(-1)?.body).counts).toEqual([['banner', 'on', 'STATIC', 1]]);
});

const leave = {
  'is hidden': () => {
    document.hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
  },
  'is left': () => void page.dispatchEvent(new Event('pagehide')),
};

it.each(Object.entries(leave))('a page that %s sends a beacon with its key', async (_, act) => {
  const { client, runtime } = await start();
  client.getBooleanValue('banner', false);
  act();
  act();
  await settle();
  expect(beacons).toHaveLength(1);
  expect(beacons[0]?.url).toBe('http://flags.test/api/v1/usage');
  expect(parse(beacons[0]?.body)).toMatchObject({
    key: 'client-key',
    sequence: 1,
    counts: [['banner', 'on', 'STATIC', 1]],
  });
  expect(reportsIn(runtime)).toEqual([]);
});

it('a report on its way is sent again with the same sequence when the page is left', async () => {
  const { client, runtime } = await start();
  client.getBooleanValue('banner', false);
  await runtime.advance(MINUTE);
  client.getBooleanValue('banner', false);
  page.dispatchEvent(new Event('pagehide'));
  expect(beacons.map(({ body }) => parse(body).sequence)).toEqual([1, 2]);
  expect(parse(reportsIn(runtime)[0]?.body).instance).toBe(parse(beacons[0]?.body).instance);
});

it('without a place for a beacon, or with headers, the report is a request', async () => {
  acceptsBeacons = false;
  for (const options of [{}, { headers: { 'x-gateway': 'a' } }]) {
    const { client, runtime } = await start(options);
    client.getBooleanValue('banner', false);
    page.dispatchEvent(new Event('pagehide'));
    await settle();
    const [request] = reportsIn(runtime);
    expect(request?.headers.get('authorization')).toBe('Bearer client-key');
    expect(parse(request?.body)).not.toHaveProperty('key');
    acceptsBeacons = true;
  }
  expect(beacons).toEqual([]);
});

it('a page that is shown again reports further evaluations', async () => {
  const { client, runtime } = await start();
  client.getBooleanValue('banner', false);
  page.dispatchEvent(new Event('pagehide'));
  client.getBooleanValue('banner', false);
  await runtime.advance(MINUTE);
  expect(parse(reportsIn(runtime)[0]?.body)).toMatchObject({ sequence: 2 });
});

it('a provider that is closed reports the rest at once, and ends all timers', async () => {
  const { client, runtime, provider } = await start();
  client.getBooleanValue('banner', false);
  await provider.onClose();
  expect(beacons).toHaveLength(1);
  expect(runtime.timerCount()).toBe(0);
  client.getBooleanValue('banner', false);
  page.dispatchEvent(new Event('pagehide'));
  expect(beacons).toHaveLength(1);
});

it('a count that the server rejects is not an error of the events', async () => {
  const { client, provider, runtime } = await start();
  client.getBooleanValue('banner', false);
  await runtime.advance(MINUTE);
  const rejected = [{ index: 0, code: 'FLAG_NOT_FOUND', message: 'there is no flag "banner"' }];
  await reportsIn(runtime)[0]?.respond(202, JSON.stringify({ accepted: 0, rejected }));
  expect(provider.events.lastError).toBeUndefined();
});

it('a reason that the server does not know is UNKNOWN', async () => {
  const evaluations = { banner: served(true, { reason: 'LUCK' }) };
  const { client } = await start({}, { revision: 1, evaluations });
  client.getBooleanValue('banner', false);
  page.dispatchEvent(new Event('pagehide'));
  expect(parse(beacons[0]?.body).counts).toEqual([['banner', 'on', 'UNKNOWN', 1]]);
});

it('nothing is reported if the option is false, and never without a server', async () => {
  const { client, runtime } = await start({ usage: false });
  client.getBooleanValue('banner', false);
  await OpenFeature.setProviderAndWait('local', new PennonWebProvider({ flags: { local: true } }));
  OpenFeature.getClient('local').getBooleanValue('local', false);
  page.dispatchEvent(new Event('pagehide'));
  await runtime.advance(2 * MINUTE);
  expect([reportsIn(runtime), beacons]).toEqual([[], []]);
});
