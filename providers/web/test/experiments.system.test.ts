import { beforeAll, beforeEach, expect, it } from 'vitest';

import { loggedEvents, startExperiment } from '../../../packages/sync/test/support/experiment.ts';
import { INIT, useBrowser, useFlagServer, useProxy, useVisitor } from './support/visitor.ts';

const browser = useBrowser();
const flags = useFlagServer();
const proxy = useProxy(flags);
const visitor = useVisitor(browser, proxy, '<p>A page</p>');

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'authorization, content-type',
};

beforeAll(() => startExperiment(flags.server));

/** Responds to events in place of the server, and records them. */
const respond = (status = 202) =>
  proxy().injectFault({ type: 'respond', status, headers: CORS }, /\/api\/v1\/events/);

beforeEach(() => respond());

const MINUTE_MS = 60_000;

/** Starts the provider in pages without time, which send nothing by themselves, and wait for each response. */
const start = async (options: object = {}) => {
  const { clock } = visitor.page;
  await clock.install({ time: Date.now() - MINUTE_MS });
  await clock.pauseAt(Date.now());
  await visitor.page.evaluate(([all, context]) => pennon.start(all, context), [
    { url: proxy().url, key: flags.key, ...INIT, ...options },
    { targetingKey: 'ada' },
  ] as const);
};

const passTwoSeconds = () => visitor.page.clock.runFor(2_000);

const visit = () =>
  visitor.page.evaluate(() => {
    pennon.valueOf('checkout');
    pennon.valueOf('checkout');
    pennon.track('bought', { value: 9.5, currency: 'EUR' });
    pennon.track('not-measured');
  });

const requests = () =>
  proxy().requests.filter(({ path, method }) => path.endsWith('/events') && method === 'POST');
const batches = () => requests().map(({ body }) => JSON.parse(body));
const methods = () =>
  proxy()
    .requests.filter(({ path }) => path.endsWith('/events'))
    .map(({ method }) => method);

const EVENTS = [
  {
    type: 'exposure',
    experiment: 'checkout-2',
    variant: expect.stringMatching(/^(old|new)$/),
    unit: 'ada',
  },
  {
    type: 'track',
    name: 'bought',
    value: 9.5,
    attributes: { currency: 'EUR' },
    units: { targetingKey: 'ada' },
  },
];

it('a page that is left sends a beacon with its key and without a preflight', async () => {
  await start();
  await visit();
  expect(requests()).toEqual([]);
  await visitor.page.goto('about:blank');
  await expect.poll(batches).toMatchObject([{ key: flags.key, sequence: 1, events: EVENTS }]);
  expect(methods()).toEqual(['POST']);
});

it('a tab that is closed sends a beacon', async () => {
  await start();
  await visit();
  await visitor.page.close({ runBeforeUnload: true });
  await expect.poll(batches).toMatchObject([{ events: EVENTS }]);
});

it('a page that stays sends a request two seconds later, or at once if it is flushed', async () => {
  await start();
  await visit();
  expect(requests()).toEqual([]);
  await passTwoSeconds();
  await expect.poll(batches).toMatchObject([{ sequence: 1, events: EVENTS }]);
  await visitor.page.evaluate(() => pennon.track('bought'));
  expect(await visitor.page.evaluate(() => pennon.flush())).toBe(true);
  expect(batches()).toMatchObject([{ sequence: 1 }, { sequence: 2, events: [{ name: 'bought' }] }]);
});

it('what a page with headers sends at its end outlives it', async () => {
  await start({ headers: { 'accept-language': 'en' } });
  await visit();
  await visitor.page.goto('about:blank');
  await expect.poll(batches).toMatchObject([{ events: EVENTS }]);
});

it('what a server does not accept is sent by the next page of the site, once', async () => {
  proxy().injectFault({ type: 'cut' }, /\/api\/v1\/events/);
  await start();
  await visit();
  await passTwoSeconds();
  await expect.poll(() => proxy().count(/\/events/)).toBeGreaterThan(0);
  respond();
  const tab = await visitor.openTab();
  await tab.evaluate(([all, context]) => pennon.start(all, context), [
    { url: proxy().url, key: flags.key },
    { targetingKey: 'ada' },
  ] as const);
  expect(await tab.evaluate(() => pennon.flush())).toBe(true);
  expect(batches().at(-1)).toMatchObject({ sequence: 1, events: EVENTS });
  expect(new Set(batches().map(({ instance }) => instance)).size).toBe(1);
});

it('the server accepts what a page sends, while it stays and when it is left', async () => {
  proxy().clearFaults();
  await start();
  await visit();
  expect(await visitor.page.evaluate(() => pennon.flush())).toBe(true);
  await expect.poll(() => loggedEvents(flags.server)).toEqual(['bought', 'exposure']);
  await visitor.page.evaluate(() => pennon.track('bought'));
  await visitor.page.goto('about:blank');
  await expect.poll(() => loggedEvents(flags.server)).toEqual(['bought', 'bought', 'exposure']);
});
