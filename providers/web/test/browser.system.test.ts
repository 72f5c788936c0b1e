import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { INIT, useBrowser, useFlagServer, useProxy, useVisitor } from './support/visitor.ts';

const ADA = { targetingKey: 'ada', plan: 'pro' };

const browser = useBrowser();
const flags = useFlagServer();
const proxy = useProxy(flags);
const visitor = useVisitor(browser, proxy, '<p data-flag="greeting"></p>');

beforeEach(() => flags.server.putFlag('greeting', greeting('Hello')));
afterEach(() => expectNoViolations());

/** Fails the test if the content security policy has blocked anything. */
const expectNoViolations = async () => {
  const blocked = await visitor.page.evaluate(() => pennon.violations);
  if (blocked.length > 0) throw new Error(`the policy has blocked ${blocked.join(', ')}`);
};

const greeting = (text: string) => ({
  type: 'string',
  variants: { plain: text, pro: `${text}, pro`, team: `${text}, team` },
  defaultVariant: 'plain',
  clientVisible: true,
  rules: [
    { attribute: 'plan', operator: 'equals', value: 'pro', variant: 'pro' },
    { attribute: 'email', operator: 'endsWith', value: '@secret-customer.test', variant: 'team' },
  ],
});

const start = (options: object = {}, context: object = ADA) =>
  visitor.page.evaluate(([all, given]) => pennon.start(all, given), [
    { url: proxy().url, key: flags.key, ...INIT, ...options },
    { ...context },
  ] as const);

const PATIENCE = { timeout: 90_000 };
const status = () => visitor.page.evaluate(() => pennon.status());
const shown = () => visitor.page.evaluate(() => document.querySelector('[data-flag]')?.textContent);
const emitted = () => visitor.page.evaluate(() => pennon.emitted);

describe('a page', () => {
  it('shows the flags on its first load, from another origin and with a strict policy', async () => {
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    expect(await emitted()).toEqual([{ event: 'PROVIDER_READY' }]);
    const requests = () => proxy().requests.map(({ method, path }) => `${method} ${path}`);
    await expect
      .poll(requests, PATIENCE)
      .toEqual([
        'OPTIONS /api/v1/evaluations',
        'POST /api/v1/evaluations',
        'OPTIONS /api/v1/evaluations/stream',
        'POST /api/v1/evaluations/stream',
      ]);
  });

  it('never receives rules, segments or hidden flags, by stream or by poll', async () => {
    await flags.server.putFlag('hidden-project', {
      ...greeting('Hidden greeting'),
      clientVisible: false,
    });
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    await flags.server.putFlag('hidden-project', {
      ...greeting('Still hidden'),
      clientVisible: false,
    });
    await flags.server.putFlag('greeting', greeting('Hi'));
    await expect.poll(shown, PATIENCE).toBe('Hi, pro');
    await visitor.page.evaluate(() => pennon.close());
    await visitor.page.reload();
    await start({ stream: false, storage: null });
    await expect.poll(shown, PATIENCE).toBe('Hi, pro');
    const transcript = proxy().transcript();
    expect(transcript).toContain('"greeting"');
    expect(transcript).toContain('Hi, pro');
    for (const secret of [
      'hidden',
      'secret-customer',
      'Hello, team',
      'rules',
      'plan',
      'email',
      'variants',
      flags.key,
    ]) {
      expect(transcript).not.toContain(secret);
    }
    expect(proxy().requests.filter(({ path }) => path.includes('pennon_client'))).toEqual([]);
    expect(await visitor.page.evaluate(() => pennon.valueOf('hidden-project'))).toBe('the default');
  });

  it('shows a change, and emits exactly what changed', async () => {
    await flags.server.putFlag('other', greeting('Other'));
    await start();
    await flags.server.putFlag('greeting', greeting('Good morning'));
    await expect.poll(shown, PATIENCE).toBe('Good morning, pro');
    expect(await emitted()).toEqual([
      { event: 'PROVIDER_READY' },
      { event: 'PROVIDER_CONFIGURATION_CHANGED', flagsChanged: ['greeting'] },
    ]);
  });

  it('shows the values of a new context', async () => {
    await start();
    await visitor.page.evaluate(() => pennon.setContext({ targetingKey: 'bob' }));
    await expect.poll(shown, PATIENCE).toBe('Hello');
    expect((await emitted()).map(({ event }) => event)).toEqual([
      'PROVIDER_READY',
      'PROVIDER_RECONCILING',
      'PROVIDER_CONTEXT_CHANGED',
    ]);
  });

  it('keeps its flags while the server is down, is STALE, and catches up when it is back', async () => {
    await start();
    await flags.server.kill();
    await expect.poll(status, PATIENCE).toBe('STALE');
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    await flags.server.restart();
    proxy().retarget(flags.server.url());
    await flags.server.putFlag('greeting', greeting('Welcome back'));
    await expect.poll(shown, PATIENCE).toBe('Welcome back, pro');
    await expect.poll(status, PATIENCE).toBe('READY');
  });

  it('shows the values of the first visit on a second one while the server is down', async () => {
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    proxy().injectFault({ type: 'cut' });
    proxy().cutConnections();
    await visitor.page.reload();
    await start();
    await expect.poll(shown, PATIENCE).toBe('Hello, pro');
    await expect.poll(status, PATIENCE).toBe('STALE');
    proxy().clearFaults();
    await expect.poll(status, PATIENCE).toBe('READY');
  });

  it('shows another subject none of these values', async () => {
    await start();
    proxy().injectFault({ type: 'cut' });
    proxy().cutConnections();
    await visitor.page.reload();
    await start({ initTimeoutMs: 200 }, { targetingKey: 'bob' });
    await expect.poll(status, PATIENCE).toBe('ERROR');
    await expect.poll(shown, PATIENCE).toBe('the default');
  });

  it('gets no values with a key for another origin, or from a server that never responds', async () => {
    const { secret } = (await flags.server.api('POST', 'keys', {
      name: 'elsewhere',
      role: 'client',
      environment: 'production',
      allowedOrigins: ['https://elsewhere.test'],
    })) as { secret: string };
    await start({ key: secret });
    await expect.poll(status, PATIENCE).toBe('FATAL');
    proxy().injectFault({ type: 'stall' });
    await visitor.page.reload();
    await start({ initTimeoutMs: 200 });
    await expect.poll(status, PATIENCE).toBe('ERROR');
    await expect.poll(shown, PATIENCE).toBe('the default');
  });

  it('has no connection while it is hidden, and loads missed changes when it is shown', async () => {
    await visitor.page.clock.install();
    await start();
    const setHidden = (hidden: boolean) =>
      visitor.page.evaluate(value => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await setHidden(true);
    await visitor.page.clock.runFor(5_000);
    await expect.poll(() => proxy().inFlight()).toBe(0);
    await flags.server.putFlag('greeting', greeting('Missed'));
    await setHidden(false);
    await expect.poll(shown, PATIENCE).toBe('Missed, pro');
  });

  it('is STALE while it is offline, and current again once it is online', async () => {
    await start();
    await visitor.profile.setOffline(true);
    await expect.poll(status, PATIENCE).toBe('STALE');
    await flags.server.putFlag('greeting', greeting('Online'));
    await visitor.profile.setOffline(false);
    await expect.poll(status, PATIENCE).toBe('READY');
    await expect.poll(shown, PATIENCE).toBe('Online, pro');
  });
});
