import { expect, it } from 'vitest';

import { useBrowser, useFlagServer, useProxy, useVisitor } from '../../web/test/support/visitor.ts';
import type { PlainPage } from '../../web/test/pages/plain-page.ts';
import type { PennonProvider } from '../src/index.ts';
import { slowTime } from '../../../packages/sync/test/support/patience.ts';
import { openReal } from './support/open.ts';

declare const pennon: PlainPage;

const browser = useBrowser();
const flags = useFlagServer();
const proxy = useProxy(flags);
const visitor = useVisitor(browser, proxy, '<p>A page</p>');

const QUERY = 'environment=production';
const UNITS = 150;
/** Whether a variant is served is a draw, so this many users have enough of each at 1 %. */
const USERS = 40_000;

const startRamp = async (): Promise<void> => {
  const { server } = flags;
  const window = { toMs: 60_000 };
  await server.api('POST', `metrics?${QUERY}`, {
    key: 'failed',
    kind: 'conversion',
    event: 'failed',
    window,
    direction: 'decrease',
  });
  await server.putFlag('checkout', {
    type: 'string',
    variants: { old: 'Old', new: 'New' },
    defaultVariant: 'old',
    clientVisible: true,
  });
  await server.api('POST', `ramps?${QUERY}`, {
    key: 'new-checkout',
    flag: 'checkout',
    rule: 'release',
    control: 'old',
    treatment: 'new',
    steps: [{ share: 1, holdMinutes: 60 }],
    guardrails: [{ metric: 'failed' }],
  });
  await server.api('POST', `ramps/new-checkout/start?${QUERY}`);
};

/** Returns users that the rule of the ramp serves a variant. Nothing is sent about them. */
const usersOf = (provider: PennonProvider, variant: string): string[] => {
  const users: string[] = [];
  for (let i = 0; i < USERS && users.length < UNITS; i += 1) {
    const targetingKey = `user-${i}`;
    const result = provider.evaluate('checkout', { targetingKey }, { expose: false });
    if ('ruleId' in result && result.ruleId === 'release' && result.variant === variant)
      users.push(targetingKey);
  }
  return users;
};

it(
  'a harmful release at 1 % is rolled back, up to what a page shows',
  { timeout: 300_000 },
  async () => {
    await startRamp();
    const { secret: key } = await flags.server.createKey('server');
    const { provider, client, started } = openReal({ url: flags.server.url(), key }, slowTime);
    expect(await started).toBe('ok');
    const users = { old: usersOf(provider, 'old'), new: usersOf(provider, 'new') };
    await visitor.page.evaluate(
      ([options, targetingKey]) => pennon.start(options, { targetingKey }),
      [{ url: proxy().url, key: flags.key, initTimeoutMs: 90_000 }, users.new[0] ?? ''] as const,
    );
    const shown = () => visitor.page.evaluate(() => pennon.valueOf('checkout'));
    expect(await shown()).toBe('New');

    for (const targetingKey of [...users.old, ...users.new])
      await client.getStringValue('checkout', '', { targetingKey });
    const failed = [...users.old.slice(0, 2), ...users.new.slice(0, 60)];
    const failedAt = performance.now();
    for (const targetingKey of failed) client.track('failed', { targetingKey });
    // Without this, the provider sends them up to 5 s later.
    expect(await provider.flush()).toBe(true);
    // It takes under 40 s, which a test with a fake clock expects: here the machine may be busy.
    await expect.poll(shown, { timeout: 120_000, interval: 250 }).toBe('Old');
    const seconds = (performance.now() - failedAt) / 1_000;
    process.stdout.write(`${seconds.toFixed(1)} s from failures to the value in the browser\n`);

    expect(await flags.server.api('GET', `ramps/new-checkout?${QUERY}`)).toMatchObject({
      state: 'rolledBack',
      reason: {
        code: 'harm',
        evidence: { metric: 'failed', soFar: { control: 2, treatment: 60 } },
      },
    });
  },
);
