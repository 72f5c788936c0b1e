import { expect, it } from 'vitest';

import { openPage, signIn } from './support/console-page.ts';
import { setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

/** Words that addresses of the console, or of the server, have. */
const WORDS = ['settings', 'new', 'ramps', 'metrics', 'key', 'constructor'];

const send = async (path: string, body: object): Promise<void> => {
  const { status, text } = await tests.server.request('POST', `/api/v1/${path}`, { body });
  expect([path, status, text]).toEqual([path, 201, text]);
};

const CONDITION = { attribute: 'plan', operator: 'equals', value: 'pro' };

const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));

const ENVIRONMENT = 'constructor';

const METRIC = { key: 'ramps', kind: 'conversion', event: 'bought', window: { toMs: 86_400_000 } };

const RULES = [
  { id: 'half', split },
  { id: 'release', conditions: [CONDITION], variant: 'on' },
];

/** What is listed, by the address of the list. A page is loaded when it has the last part. */
const LISTS = {
  '/flags': { kind: 'flags', body: {}, shown: '.flag-tabs' },
  '/segments': { kind: 'segments', body: { conditions: [CONDITION] }, shown: '.condition' },
  '/experiments': {
    kind: 'experiments',
    body: { rule: 'half', control: 'off', metrics: [{ metric: 'ramps', role: 'primary' }] },
    shown: '.facts',
  },
  '/experiments/ramps': {
    kind: 'ramps',
    body: {
      rule: 'release',
      control: 'off',
      treatment: 'on',
      steps: [{ share: 1, holdMinutes: 60 }],
    },
    shown: '.step-line',
  },
} as const;

/** Creates a flag of each word in an environment, and what a list has besides. */
const createAll = async (list: keyof typeof LISTS): Promise<void> => {
  const here = `?environment=${ENVIRONMENT}`;
  const { kind, body } = LISTS[list];
  await send('environments', { key: ENVIRONMENT, name: 'An environment' });
  await send(`metrics${here}`, METRIC);
  for (const key of WORDS) {
    await send(`flags${here}`, { key, enabled: true, rules: RULES });
    const flag = 'rule' in body ? { flag: key } : {};
    if (kind !== 'flags') await send(kind + here, { key, ...body, ...flag });
  }
};

it.each(['/flags', '/segments', '/experiments', '/experiments/ramps'] as const)(
  'what %s lists is opened, also with a word of an address as its key',
  async list => {
    await createAll(list);
    const page = await openPage(tests.browser, `${tests.url}${list}?env=${ENVIRONMENT}`);
    await signIn(page);
    for (const word of WORDS) {
      const heading = page.locator('h1', { hasText: word });
      const { shown } = LISTS[list];
      await page.getByRole('link', { name: word, exact: true }).first().click();
      await heading.waitFor();
      await page.locator(shown).first().waitFor();
      await page.reload();
      await heading.waitFor();
      await page.locator(shown).first().waitFor();
      // The list of flags is that of all environments, so its links name none.
      const shownEnvironment = list === '/flags' ? null : ENVIRONMENT;
      expect(new URL(page.url()).searchParams.get('env')).toBe(shownEnvironment);
      await page.goto(`${tests.url}${list}?env=${ENVIRONMENT}`);
    }
  },
);

it('the address that an experiment had in earlier versions leads to its page', async () => {
  await createAll('/experiments');
  const page = await openPage(tests.browser, `${tests.url}/experiments/new?env=${ENVIRONMENT}`);
  await signIn(page);
  await page.locator('h1', { hasText: 'new' }).waitFor();
  expect(page.url()).toBe(`${tests.url}/experiments/key/new?env=${ENVIRONMENT}`);
});
