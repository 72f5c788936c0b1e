import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, it } from 'vitest';

import {
  greeting,
  INIT,
  useBrowser,
  useFlagServer,
  useProxy,
  useVisitor,
} from './support/visitor.ts';

const browser = useBrowser();
const flags = useFlagServer();
const proxy = useProxy(flags);
const visitor = useVisitor(browser, proxy, '<p></p>');

beforeEach(() => flags.server.putFlag('greeting', greeting('Hello')));

const PATIENCE = { timeout: 90_000 };
const sorted = (lines: string[]) => lines.toSorted((a, b) => a.localeCompare(b));
const overviewOf = (page: Page) =>
  page.evaluate(() => [
    ...pennon.overview('greeting'),
    ...(pennon.copy?.overview('greeting') ?? []),
  ]);
const overview = async () => sorted(await overviewOf(visitor.page));

/** Starts a provider in each of these domains of the page, all with the targeting key of their domain. */
const startAll = (page: Page, domains: string[], options: object = {}) =>
  page.evaluate(([all, names]) => pennon.startAll(all, [...names]), [
    { url: proxy().url, key: flags.key, pollIntervalMs: 1_000, ...INIT, ...options },
    domains,
  ] as const);

const domainsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `domain-${index}`);

/** Returns the status of a request of the page that has nothing to do with flags, or "queued". */
const otherRequest = (): Promise<string> =>
  visitor.page.evaluate(
    url =>
      fetch(url, { mode: 'no-cors', signal: AbortSignal.timeout(60_000) }).then(
        () => 'answered',
        () => 'queued',
      ),
    `${proxy().url}/healthz`,
  );

/** Returns what the overview contains with some streams, and polls for the rest. */
const withStreams = (streams: number, count: number, value = 'Hello') => [
  ...Array.from({ length: count - streams }, () => `READY polling ${value}`),
  ...Array.from({ length: streams }, () => `READY streaming ${value}`),
];

describe.each([6, 10])('a page with %i providers over HTTP/1.1', count => {
  it('has values and changes in all, and connections left for other requests', async () => {
    await startAll(visitor.page, domainsOf(count));
    await expect.poll(overview, PATIENCE).toEqual(withStreams(2, count));
    expect(await otherRequest()).toBe('answered');
    await flags.server.putFlag('greeting', greeting('Welcome'));
    await expect.poll(overview, PATIENCE).toEqual(withStreams(2, count, 'Welcome'));
    expect(await otherRequest()).toBe('answered');
  });
});

describe('a page with two copies of the package', () => {
  beforeEach(() => visitor.page.evaluate(() => pennon.loadCopy()));

  const startInCopy = (domains: string[], options: object = {}) =>
    visitor.page.evaluate(([all, names]) => pennon.copy?.startAll(all, [...names]), [
      { url: proxy().url, key: flags.key, pollIntervalMs: 1_000, ...INIT, ...options },
      domains,
    ] as const);
  const streams = () => proxy().requests.filter(({ path }) => path.endsWith('/stream')).length;

  it('and seven providers has two streams, and connections left for other requests', async () => {
    await startAll(visitor.page, domainsOf(4));
    await startInCopy(['copy-1', 'copy-2', 'copy-3']);
    await expect.poll(overview, PATIENCE).toEqual(withStreams(2, 7));
    expect(await otherRequest()).toBe('answered');
  });

  it('has one stream for equal contexts, even if the address is spelled differently', async () => {
    const context = { targetingKey: 'ada' };
    await startAll(visitor.page, ['shop'], { context });
    await startInCopy(['blog'], { context, url: `${proxy().url.replace('http', 'HTTP')}//` });
    await expect.poll(overview, PATIENCE).toEqual(withStreams(2, 2));
    await flags.server.putFlag('greeting', greeting('Welcome'));
    await expect.poll(overview, PATIENCE).toEqual(withStreams(2, 2, 'Welcome'));
    // The preflight request and the stream.
    expect(streams()).toBe(2);
  });
});

describe('four pages of a site with two providers each', () => {
  it('have four streams, and connections left for other requests', async () => {
    const tabs = [visitor.page];
    while (tabs.length < 4) tabs.push(await visitor.openTab());
    await Promise.all(tabs.map((tab, index) => startAll(tab, [`a-${index}`, `b-${index}`])));
    const overviewOfAll = async () => sorted((await Promise.all(tabs.map(overviewOf))).flat());
    await expect.poll(overviewOfAll, PATIENCE).toEqual(withStreams(4, 8));
    expect(await otherRequest()).toBe('answered');
    for (const tab of tabs.splice(2)) await tab.close();
    await expect.poll(overviewOfAll, PATIENCE).toEqual(withStreams(4, 4));
    await flags.server.putFlag('greeting', greeting('Welcome'));
    await expect.poll(overviewOfAll, PATIENCE).toEqual(withStreams(4, 4, 'Welcome'));
  });
});
