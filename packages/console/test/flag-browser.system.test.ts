import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { findBarriers, openPage, signIn, type PageOptions } from './support/console-page.ts';
import { expectSoon, HOSTILE, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

const RULES = [
  {
    id: 'first',
    conditions: [{ attribute: 'plan', operator: 'in', value: ['pro', 'team'] }],
    variant: 'on',
  },
  { id: 'second', conditions: [], variant: 'on', percentage: 10 },
];

const create = async (key: string, fields: object = {}) => {
  const { status, text } = await tests.server.request(
    'POST',
    '/api/v1/flags?environment=production',
    {
      body: { key, enabled: true, defaultVariant: 'off', rules: RULES, ...fields },
    },
  );
  expect([status, text]).toEqual([201, text]);
};

const read = async (key: string) => (await tests.server.api('GET', `/flags/${key}`)).body;

const open = async (path: string, options?: PageOptions): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page);
  await page.locator('.flag-bar').waitFor();
  return page;
};

const sentences = (page: Page) => page.locator('.rule-sentence').allInnerTexts();

const act = async (page: Page, rule: number, action: string) => {
  await page.getByRole('button', { name: `Actions of rule ${rule}` }).click();
  await page.getByRole('menuitem', { name: action }).click();
};

const apply = async (page: Page, comment = '') => {
  await page.getByRole('button', { name: 'Review' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill(comment);
  await page.locator('[type=submit]:not([aria-disabled=true])').click();
};

describe('the page of a flag', () => {
  it('has percentages in the form of the language, as the list of flags has', async () => {
    await create('checkout', { rules: [{ id: 'few', percentage: 12.345, variant: 'on' }] });
    for (const [language, percentage] of [
      ['en', '12.345%'],
      ['de', '12,345\u00a0%'],
    ] as const) {
      const page = await open('/flags/checkout?env=production', { language });
      await expectSoon(() => sentences(page)).toEqual([expect.stringContaining(percentage)]);
      await page.goto(`${tests.url}/flags`);
      const cell = page.getByRole('row', { name: 'checkout' });
      await expectSoon(() => cell.textContent()).toContain(percentage);
    }
  });

  it('shows its rules as sentences, and writes an edited one after a review', async () => {
    await create('checkout');
    await tests.server.api('PUT', '/contexts/ada', {
      body: { name: 'Ada', context: { targetingKey: 'grace', plan: 'gold' } },
    });
    const page = await openPage(tests.browser, `${tests.url}/flags`);
    await signIn(page);
    await page.getByRole('link', { name: 'checkout' }).click();
    await expectSoon(() => sentences(page)).toEqual([
      'plan is one of pro, team → on',
      'everyone → 10% by targetingKey: on',
    ]);
    await page.locator('.rule-toggle').first().click();
    await page.getByRole('textbox', { name: '2 values' }).fill('pro\nteam\ngold');
    await page.reload();
    await expectSoon(() => sentences(page).then(([first]) => first)).toBe(
      'plan is one of pro, team, gold → on',
    );
    expect((await read('checkout')).rules).toMatchObject(RULES);
    await page.getByRole('button', { name: 'Review' }).click();
    const row = page.getByRole('dialog').getByRole('row', { name: 'Ada' });
    await expectSoon(() => row.getByRole('cell').allInnerTexts()).toEqual(['off', 'on']);
    await page.keyboard.press('Escape');
    await apply(page, 'Gold, too ✓');
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect((await read('checkout')).rules[0].conditions[0].value).toEqual(['pro', 'team', 'gold']);
    const { body } = await tests.server.api('GET', '/audit?limit=1');
    expect(body.items[0]).toMatchObject({ key: 'checkout', comment: 'Gold, too ✓' });
  });

  it('moves, duplicates, pauses and deletes rules, with the keyboard too', async () => {
    await create('checkout');
    const page = await open('/flags/checkout');
    await page.locator('.rule-toggle').nth(1).focus();
    await page.keyboard.press('Alt+ArrowUp');
    const [second, first] = ['everyone → 10% by targetingKey: on', 'plan is one of pro, team → on'];
    await expectSoon(() => sentences(page)).toEqual([second, first]);
    expect(await page.locator('.rule-toggle:focus').innerText()).toContain('everyone');
    await act(page, 1, 'Duplicate');
    await act(page, 1, 'Pause (0%)');
    await act(page, 3, 'Move to the top');
    await act(page, 3, 'Delete');
    await expectSoon(() => sentences(page)).toEqual([first, 'everyone → 0% by targetingKey: on']);
    await apply(page);
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect((await read('checkout')).rules).toMatchObject([
      { id: 'first' },
      { id: 'second', percentage: 0 },
    ]);
  });

  it('builds a rule of any condition, with values that are pasted, a percentage and a split', async () => {
    await create('other', { rules: [] });
    await tests.server.api('POST', '/segments', {
      body: {
        key: 'staff',
        conditions: [{ attribute: 'email', operator: 'endsWith', value: '@a.b' }],
      },
    });
    await create('checkout', { rules: [] });
    const page = await open('/flags/checkout');
    const add = async (kind: string, place = page.locator('.rule-body')) => {
      await place.getByRole('button', { name: 'Add condition' }).last().click();
      await page.getByRole('menuitem', { name: kind, exact: true }).click();
    };
    await page.getByRole('button', { name: 'Add rule' }).click();
    await add('Attribute');
    await page.getByRole('combobox', { name: 'Attribute', exact: true }).first().fill('country');
    const values = page.getByRole('textbox', { name: '0 values' });
    await values.focus();
    await values.evaluate(element => {
      const clipboardData = new DataTransfer();
      clipboardData.setData('text', 'de, at,ch');
      element.dispatchEvent(
        new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }),
      );
    });
    await add('Segment');
    await page.getByRole('combobox', { name: 'Segment', exact: true }).selectOption('staff');
    await add('Flag');
    await page.getByRole('checkbox', { name: 'on', exact: true }).check();
    await add('Group');
    await page
      .locator('.condition-group')
      .getByRole('combobox', { name: 'Operator' })
      .selectOption('exists');
    await page.getByRole('textbox', { name: 'Percentage' }).fill('a few');
    await expectSoon(() => sentences(page)).toEqual([
      expect.stringMatching(/→ \? by targetingKey/),
    ]);
    await page.getByRole('textbox', { name: 'Percentage' }).fill('12,345');
    await page.getByRole('combobox', { name: 'What the rule serves' }).selectOption('split');
    await page.getByRole('textbox', { name: 'Weight of on' }).fill('150');
    await expectSoon(() => sentences(page)).toEqual([
      'country is one of de, at, ch and in segment staff and flag other is on and (targetingKey exists) → ' +
        '12.345% by targetingKey: on 75% / off 25%',
    ]);
    await apply(page);
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect((await read('checkout')).rules).toMatchObject([
      {
        conditions: [
          { attribute: 'country', operator: 'in', value: ['de', 'at', 'ch'] },
          { segment: 'staff' },
          { flag: 'other', variants: ['on'] },
          { any: [{ attribute: 'targetingKey', operator: 'exists' }] },
        ],
        percentage: 12.345,
        split: [
          { variant: 'on', weight: 150 },
          { variant: 'off', weight: 50 },
        ],
      },
    ]);
  });

  it('explains a rule that changes nothing before it is refused, and mends it', async () => {
    await create('checkout', { defaultVariant: 'on', rules: [] });
    const page = await open('/flags/checkout');
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByRole('combobox', { name: 'Variant', exact: true }).selectOption('on');
    await page.locator('.rule').getByText('which everyone gets without it').waitFor();
    await page.getByRole('alert').getByText('they change nothing').waitFor();
    await page.getByRole('link', { name: 'Variants' }).click();
    await page.getByRole('alert').getByText('they change nothing').waitFor();
    expect(await page.locator('.findings').count()).toBe(0);
    await page.getByRole('button', { name: 'Make off the default variant' }).click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await apply(page);
    await expectSoon(async () => (await read('checkout')).defaultVariant).toBe('off');
  });

  it('shows what is wrong at its rule, and does not write it', async () => {
    await create('checkout');
    const page = await open('/flags/checkout');
    await page.locator('.rule-toggle').nth(1).click();
    await page.getByRole('textbox', { name: 'Percentage' }).fill('many');
    await page.locator('.rule').nth(1).locator('.error').getByText('must be 0 to 100').waitFor();
    await page.getByRole('button', { name: 'Review' }).click();
    await page.getByRole('button', { name: 'Apply' }).click({ force: true });
    expect((await read('checkout')).version).toBe(1);
  });

  it('renames a variant in the rules as well, and refuses a value of another type', async () => {
    await create('sizes', {
      type: 'object',
      variants: { small: { size: 1 }, large: { size: 9 } },
      defaultVariant: 'small',
      rules: [{ id: 'first', conditions: [], variant: 'large', percentage: 50 }],
    });
    const page = await open('/flags/sizes?tab=variants');
    await page.getByRole('textbox', { name: 'Name of the variant' }).nth(1).fill('huge');
    const value = page.getByRole('textbox', { name: 'Value of large' });
    await value.fill('{"size": ');
    await page.locator('.error').first().waitFor();
    await page.getByRole('textbox', { name: 'Value of huge' }).fill('{"size": 12}');
    await page.locator('.error').waitFor({ state: 'detached' });
    await apply(page);
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect(await read('sizes')).toMatchObject({
      variants: { small: { size: 1 }, huge: { size: 12 } },
      rules: [{ variant: 'huge', percentage: 50 }],
    });
  });

  it('keeps the changes of two people to different rules, and lets one choose for the same', async () => {
    await create('checkout');
    const page = await open('/flags/checkout');
    await page.locator('.rule-toggle').nth(1).click();
    await page.getByRole('textbox', { name: 'Percentage' }).fill('20');
    const [first, second] = RULES;
    await tests.server.api('PATCH', '/flags/checkout', {
      body: { rules: [{ ...first, percentage: 5 }, second] },
    });
    const notice = page.getByRole('alert', { name: 'The flag has changed' });
    expect(await notice.innerText()).toContain('Rule 1 changed');
    await page.getByRole('button', { name: 'Continue with this' }).click();
    await apply(page);
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect(
      (await read('checkout')).rules.map((rule: { percentage: number }) => rule.percentage),
    ).toEqual([5, 20]);

    await page.getByRole('textbox', { name: 'Percentage' }).fill('30');
    await tests.server.api('PATCH', '/flags/checkout', {
      body: { rules: [first, { ...second, percentage: 40 }] },
    });
    await notice.waitFor();
    expect(await page.getByRole('button', { name: 'Continue with this' }).isDisabled()).toBe(true);
    await page.getByRole('radio', { name: 'Take theirs' }).check();
    await page.getByRole('button', { name: 'Continue with this' }).click();
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    await expectSoon(() => sentences(page).then(([, last]) => last)).toContain('40%');
  });

  it('that changed at the moment of the write is shown, and nothing is lost', async () => {
    await create('checkout');
    const page = await open('/flags/checkout', { expected: /412/ });
    await page.locator('.rule-toggle').nth(1).click();
    await page.getByRole('textbox', { name: 'Percentage' }).fill('20');
    await page.getByRole('button', { name: 'Review' }).click();
    await page.route(
      '**/trpc/flags.replace*',
      async route => {
        await tests.server.api('PATCH', '/flags/checkout', { body: { owner: 'ada' } });
        await route.continue();
      },
      { times: 1 },
    );
    await page.locator('[type=submit]:not([aria-disabled=true])').click();
    await page.getByRole('alert', { name: 'The flag has changed' }).waitFor();
    await page.getByRole('button', { name: 'Continue with this' }).click();
    await apply(page);
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
    expect(await read('checkout')).toMatchObject({ owner: 'ada', rules: [{}, { percentage: 20 }] });
  });

  it('cannot be changed by a viewer, and names the role that may', async () => {
    await create('checkout');
    const page = await openPage(tests.browser, `${tests.url}/flags/checkout`);
    await signIn(page, await tests.server.keyOf('viewer', '*'));
    await page.locator('.rule-toggle').first().click();
    expect(await page.locator('.note').innerText()).toContain('editor');
    expect(await page.getByRole('combobox', { name: 'Operator' }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Add rule' }).count()).toBe(0);
  });

  it('has one address for each environment, also for one that does not have the flag', async () => {
    await create('checkout');
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const page = await open('/flags/checkout');
    await page.getByRole('link', { name: 'staging' }).click();
    await page.getByText('This flag is not in staging.').waitFor();
    expect(new URL(page.url()).searchParams.get('env')).toBe('staging');
  });
});

describe.each<PageOptions>([
  { theme: 'light' },
  { theme: 'dark' },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390, language: 'de' },
  { theme: 'light', language: 'pseudo' },
  { theme: 'light', language: 'pseudo', width: 320 },
])('with %j, the page of a flag has no barrier', options => {
  it('for people with disabilities, and is not wider than the window', async () => {
    const value = Array.from({ length: 40 }, (_, number) => `${HOSTILE} ${number}`);
    await create('checkout', {
      name: HOSTILE,
      owner: 'z'.repeat(100),
      rules: [
        {
          id: 'a',
          conditions: [{ any: [{ attribute: 'x'.repeat(80), operator: 'in', value }] }],
          variant: 'on',
        },
        {
          id: 'b',
          conditions: [],
          split: [
            { variant: 'on', weight: 1 },
            { variant: 'off', weight: 2 },
          ],
        },
      ],
    });
    const page = await open('/flags/checkout', options);
    const check = async (name: string) => {
      expect([name, await findBarriers(page)]).toEqual([name, []]);
      const { width = 1_440 } = options;
      expect([name, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([
        name,
        width,
      ]);
      const folder = process.env['CONSOLE_SCREENSHOTS'];
      const { theme, language } = options;
      if (folder !== undefined)
        await page.screenshot({ path: `${folder}/${name} ${width} ${theme} ${language}.png` });
    };
    await page.locator('.rule-toggle').last().waitFor();
    await check('rules');
    await page.locator('.rule-toggle').first().click();
    await page.locator('.rule-toggle').last().click();
    await page.locator('.rollout input').last().fill('seed');
    await check('open rules');
    await page.locator('.draft-bar .primary').click();
    await page.waitForSelector('[role=dialog]');
    await check('review of a flag');
    await page.keyboard.press('Escape');
    await page.locator('.flag-tabs .tab').nth(1).click();
    await page.locator('.variant').first().waitFor();
    await check('variants');
    await page.locator('.flag-tabs .tab').nth(2).click();
    await page.locator('.json-tab .cm-content').waitFor();
    await check('flag as json');
    await page.locator('.flag-tabs .tab').nth(3).click();
    await page.locator('.step').first().waitFor();
    for (const summary of await page.locator('summary').all()) await summary.click();
    await check('try');
    await page.locator('.flag-tabs .tab').nth(4).click();
    await page.locator('.usage [role=status]').waitFor();
    await check('usage');
    await page.locator('.flag-tabs .tab').nth(5).click();
    await page.locator('.version').first().waitFor();
    await check('history');
    await page.locator('.flag-tabs .tab').nth(6).click();
    await page.locator('.snippet').waitFor();
    await check('code');
    await page.locator('.flag-tabs .tab').nth(7).click();
    await page.locator('.settings textarea').waitFor();
    await check('settings');
    await page.locator('.danger').click();
    await page.waitForSelector('[role=dialog]');
    await check('deletion of a flag');
  });
});
