import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature, StandardResolutionReasons as REASONS } from '@openfeature/server-sdk';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startOfrepServer, type OfrepServer } from './support/ofrep.ts';

const urlOf = (address: AddressInfo | string | null): string =>
  `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;

let ofrep: OfrepServer;
beforeAll(async () => {
  ofrep = await startOfrepServer();
});
beforeEach(() => ofrep.putLive('a'));
afterAll(() => ofrep.close());

describe('@openfeature/ofrep-provider for Node.js', () => {
  const clientWith = async (key: string, baseUrl = ofrep.url) => {
    const headers: [string, string][] = [['Authorization', `Bearer ${key}`]];
    await OpenFeature.setProviderAndWait(key, new OFREPProvider({ baseUrl, headers }));
    return OpenFeature.getClient(key);
  };
  const context = { targetingKey: 'ada' };

  it('receives values of all types', async () => {
    const client = await clientWith(ofrep.keys.server);
    expect(await client.getBooleanValue('boolean', false, context)).toBe(true);
    expect(await client.getStringValue('text', '', context)).toBe('Ä 🦩');
    expect(await client.getNumberValue('whole', 0, context)).toBe(10);
    expect(await client.getNumberValue('fraction', 0, context)).toBe(10);
    expect(await client.getObjectValue('object', {}, context)).toEqual({ list: [1] });
    const details = await client.getStringDetails('plan', '', { plan: 'pro' });
    expect(details).toMatchObject({
      value: 'pro',
      variant: 'pro',
      reason: REASONS.TARGETING_MATCH,
      flagMetadata: { version: 1, flagSetId: 'production' },
    });
  });

  it('evaluates each context', async () => {
    const client = await clientWith(ofrep.keys.server);
    const planOf = async (other?: Record<string, string>) =>
      (await client.getStringDetails('plan', '', other)).value;
    expect(await planOf(context)).toBe('free');
    expect(await planOf({ ...context, plan: 'pro' })).toBe('pro');
    client.setContext({ plan: 'pro' });
    expect(await planOf()).toBe('pro');
    expect(await planOf({ plan: 'free' })).toBe('free');
    client.setContext({});
    expect(await planOf()).toBe('free');
  });

  it('works with an address that ends with a slash', async () => {
    const client = await clientWith(ofrep.keys.server, `${ofrep.url}/`);
    expect(await client.getStringValue('text', '', context)).toBe('Ä 🦩');
  });

  // It takes a response without a value for one of another server, so the reason is lost. The value is right.
  it.each(['disabled', 'code-default'])('passes the default value in code for %s', async key => {
    const client = await clientWith(ofrep.keys.server);
    const details =
      key === 'disabled'
        ? await client.getBooleanDetails(key, true, context)
        : await client.getStringDetails(key, 'mine', context);
    expect(details).toMatchObject({
      value: key === 'disabled' ? true : 'mine',
      reason: 'ERROR',
      errorCode: 'GENERAL',
    });
  });

  it('receives the codes of errors', async () => {
    const client = await clientWith(ofrep.keys.server);
    const codeOf = async (key: string) =>
      (await client.getBooleanDetails(key, false, {})).errorCode;
    expect(await codeOf('ghost')).toBe('FLAG_NOT_FOUND');
    expect(await codeOf('half')).toBe('TARGETING_KEY_MISSING');
    expect(await codeOf('text')).toBe('TYPE_MISMATCH');
    const other = await clientWith('unknown');
    expect(await other.getBooleanDetails('boolean', false)).toMatchObject({ errorCode: 'GENERAL' });
  });

  it('sees a change with the next evaluation, also after an outage', async () => {
    const client = await clientWith(ofrep.keys.server);
    const value = () => client.getStringValue('live', 'mine', context);
    expect(await value()).toBe('a');
    ofrep.proxy.refuse();
    expect(await value()).toBe('mine');
    await ofrep.putLive('b');
    ofrep.proxy.heal();
    expect(await value()).toBe('b');
  });
});

const PAGE = `
  import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
  import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
  const events = [];
  const client = OpenFeature.getClient();
  for (const event of Object.values(ProviderEvents)) client.addHandler(event, () => events.push(event));
  const details = (key, value) => {
    const type = { boolean: 'Boolean', string: 'String', number: 'Number', object: 'Object' }[typeof value];
    return client['get' + type + 'Details'](key, value);
  };
  window.ofrep = {
    events,
    status: () => client.providerStatus,
    details,
    setContext: context => OpenFeature.setContext(context),
    start: async (baseUrl, key, context) => {
      const headers = [['Authorization', 'Bearer ' + key]];
      await OpenFeature.setContext(context);
      await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers })).catch(() => {});
    },
  };
`;

describe('@openfeature/ofrep-web-provider in a browser', () => {
  const PATIENCE = { timeout: 90_000 };
  let browser: Browser;
  let pages: Server;
  let page: Page;

  beforeAll(async () => {
    const stdin = { contents: PAGE, resolveDir: import.meta.dirname };
    const bundled = await build({ stdin, bundle: true, write: false, format: 'iife' });
    const script = bundled.outputFiles[0]?.text ?? '';
    pages = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><meta charset="utf-8"><script>${script}</script>`);
    }).listen(0, '127.0.0.1');
    await once(pages, 'listening');
    browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu'],
      timeout: PATIENCE.timeout,
    });
  });
  beforeEach(async () => {
    page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(PATIENCE.timeout);
    await page.goto(urlOf(pages.address()));
    return () => page.context().close();
  });
  afterAll(async () => {
    await browser.close();
    pages.close();
  });

  const call = (expression: string, ...args: readonly unknown[]) =>
    page.evaluate(`ofrep.${expression}(...${JSON.stringify(args)})`);
  const start = (context: object = { targetingKey: 'ada' }, key = ofrep.keys.client) =>
    call('start', ofrep.url, key, context);
  const valueOf = (key: string, value: unknown) =>
    page.evaluate(`ofrep.details(...${JSON.stringify([key, value])}).value`);
  it('receives values of all types', async () => {
    await start();
    expect(await call('status')).toBe('READY');
    expect(await valueOf('boolean', false)).toBe(true);
    expect(await valueOf('text', '')).toBe('Ä 🦩');
    expect(await valueOf('whole', 0)).toBe(10);
    expect(await valueOf('fraction', 0)).toBe(10);
    expect(await valueOf('object', {})).toEqual({ list: [1] });
  });

  it('passes the default value in code with the reason', async () => {
    await start();
    expect(await call('details', 'disabled', true)).toMatchObject({
      value: true,
      reason: 'DISABLED',
    });
    expect(await call('details', 'code-default', 'mine')).toMatchObject({
      value: 'mine',
      reason: 'DEFAULT',
    });
  });

  it('receives the codes of errors', async () => {
    await start({ plan: 'free' });
    expect(await call('details', 'half', true)).toMatchObject({
      errorCode: 'TARGETING_KEY_MISSING',
    });
    expect(await call('details', 'ghost', true)).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' });
    expect(await call('details', 'text', true)).toMatchObject({ errorCode: 'TYPE_MISMATCH' });
  });

  const streams = async (): Promise<number> =>
    Number(
      /^pennon_streams (\d+)$/m.exec((await ofrep.server.request('GET', '/metrics')).text)?.[1],
    );

  it('is FATAL with a key that is not valid', async () => {
    await start({}, 'unknown');
    expect(await call('status')).toBe('FATAL');
  });

  // For the same subject it shows the last values first, and evaluates again in the background.
  it('evaluates again for another context', async () => {
    await start();
    expect(await valueOf('plan', '')).toBe('free');
    await call('setContext', { targetingKey: 'ada', plan: 'pro' });
    await expect.poll(() => valueOf('plan', ''), PATIENCE).toBe('pro');
    await call('setContext', { targetingKey: 'grace' });
    expect(await valueOf('plan', '')).toBe('free');
  });

  it('sees each change at once', async () => {
    await start();
    expect(await valueOf('live', '')).toBe('a');
    for (const variant of ['b', 'a'] as const) {
      await ofrep.putLive(variant);
      await expect.poll(() => valueOf('live', ''), PATIENCE).toBe(variant);
    }
    expect(await page.evaluate('ofrep.events')).toContain('PROVIDER_CONFIGURATION_CHANGED');
  });

  // It does not leave STALE afterwards, because it emits no READY.
  it('keeps its values in an outage, is STALE, and sees what has changed when it is over', async () => {
    // Those of the pages of earlier tests have ended.
    await expect.poll(streams).toBe(0);
    await start();
    await expect.poll(streams).toBe(1);
    ofrep.proxy.refuse();
    await expect.poll(() => call('status'), PATIENCE).toBe('STALE');
    expect(await valueOf('live', '')).toBe('a');
    await ofrep.putLive('b');
    ofrep.proxy.heal();
    await expect.poll(() => valueOf('live', ''), PATIENCE).toBe('b');
  });
});
