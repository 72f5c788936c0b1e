import { expect, it } from 'vitest';

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
const visitor = useVisitor(browser, proxy, '<p data-flag="greeting"></p>');

/** The server stores counts every 10 s. */
const PATIENCE = { timeout: 90_000, interval: 250 };

const total = async (flag: string) => {
  const usage = await flags.server.api('GET', `usage?environment=production&flag=${flag}`);
  return typeof usage === 'object' && usage !== null && 'total' in usage ? usage.total : usage;
};

const open = async (flag: string, options: object = {}) => {
  await flags.server.putFlag(flag, greeting('Hello'));
  await visitor.page.evaluate(([all, given]) => pennon.start(all, given), [
    { url: proxy().url, key: flags.key, ...INIT, ...options },
    { targetingKey: 'ada' },
  ] as const);
  for (let call = 0; call < 3; call += 1)
    await visitor.page.evaluate(key => pennon.valueOf(key), flag);
};

const violations = () => visitor.page.evaluate(() => pennon.violations);

it('a page that is left has reported what it got, without a preflight', async () => {
  await open('left');
  expect(await violations()).toEqual([]);
  await visitor.page.goto('about:blank');
  await expect.poll(() => total('left'), PATIENCE).toBe(3);
  expect(proxy().requests.filter(({ path }) => path.startsWith('/api/v1/usage'))).toMatchObject([
    { method: 'POST' },
  ]);
});

it('a tab that is closed has reported what it got', async () => {
  await open('closed');
  await visitor.page.close({ runBeforeUnload: true });
  await expect.poll(() => total('closed'), PATIENCE).toBe(3);
});

it('a provider with headers reports by requests', async () => {
  await open('with-headers', { headers: { 'accept-language': 'en' } });
  await visitor.page.evaluate(() => pennon.close());
  await expect.poll(() => total('with-headers'), PATIENCE).toBe(3);
});

it('a page that does not report its usage sends nothing', async () => {
  await open('silent', { usage: false });
  await visitor.page.evaluate(() => pennon.close());
  await visitor.page.goto('about:blank');
  expect(proxy().count(/\/api\/v1\/usage/)).toBe(0);
});
