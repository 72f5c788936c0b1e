import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { startServer } from '../../../server/test/support/server.ts';
import { stoppedClock } from '../../../server/test/support/shifted-clock.ts';
import {
  closePages,
  findBarriers,
  openPage,
  signIn,
  type PageOptions,
} from './support/console-page.ts';
import { expectSoon, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

const RULE = {
  id: 'first',
  conditions: [{ attribute: 'plan', operator: 'in', value: ['pro', 'team'] }],
  variant: 'on',
};

const create = async (key: string, fields: object = {}) => {
  const { status, text } = await tests.server.request(
    'POST',
    '/api/v1/flags?environment=production',
    {
      body: { key, enabled: true, defaultVariant: 'off', rules: [RULE], ...fields },
    },
  );
  expect([status, text]).toEqual([201, text]);
};

const open = async (path: string, options?: PageOptions): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path, options);
  await signIn(page);
  await page.locator('.flag-bar').waitFor();
  return page;
};

const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true });

describe('trying a flag', () => {
  it('explains what a context gets, of a draft beside what is live', async () => {
    await create('checkout');
    const page = await open('/flags/checkout?tab=try');
    await expectSoon(() => region(page, 'Live').innerText()).toContain('DEFAULT');
    expect(await page.locator('.step.failed').first().innerText()).toContain('plan is one of');
    await page.getByRole('button', { name: 'Add attribute' }).click();
    const attribute = page.getByRole('group', { name: 'Attribute 2' });
    await attribute.getByRole('combobox', { name: 'Attribute', exact: true }).fill('plan');
    await attribute.getByRole('textbox', { name: 'Value' }).fill('pro');
    await expectSoon(() => region(page, 'Live').innerText()).toContain('TARGETING_MATCH');
    await page.locator('.step.held').first().waitFor();
    await page.getByRole('switch', { name: 'Enabled' }).click();
    await expectSoon(() => region(page, 'With the draft').innerText()).toContain('DISABLED');
    expect(await region(page, 'Live').innerText()).toContain('TARGETING_MATCH');
  });

  it('shows what a context gets of all flags of an environment', async () => {
    await create('checkout');
    await create('other', { enabled: false });
    const page = await open('/flags/checkout?tab=try');
    await page.getByRole('link', { name: 'All flags in production' }).click();
    const rows = () => page.locator('.all-results tbody tr').allInnerTexts();
    await expectSoon(rows).toEqual([
      'checkout\toff\tfalse\tDEFAULT',
      'other\t–\tthe default value in the code\tDISABLED',
    ]);
    await page.getByRole('button', { name: 'Add attribute' }).click();
    const attribute = page.getByRole('group', { name: 'Attribute 2' });
    await attribute.getByRole('combobox', { name: 'Attribute', exact: true }).fill('plan');
    await attribute.getByRole('textbox', { name: 'Value' }).fill('pro');
    await page.getByRole('searchbox').fill('check');
    await expectSoon(rows).toEqual(['checkout\ton\ttrue\tTARGETING_MATCH']);
    await tests.server.api('PATCH', '/flags/checkout', { body: { enabled: false } });
    await expectSoon(rows).toEqual([expect.stringContaining('DISABLED')]);
    expect(page.url()).toContain('/try?env=production&q=check');
  });

  it('takes a context as JSON, and reports what is not JSON or not of its type', async () => {
    await create('checkout');
    const page = await open('/flags/checkout?tab=try');
    const attribute = page.getByRole('group', { name: 'Attribute 1' });
    await attribute.getByRole('combobox', { name: 'Type of the value' }).selectOption('number');
    await attribute.getByText('not of the type number').waitFor();
    await attribute.getByRole('textbox', { name: 'Value' }).fill('-5');
    await attribute.locator('.error').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'JSON', exact: true }).click();
    const json = page.getByRole('textbox', { name: 'Context', exact: true });
    expect(JSON.parse(await json.innerText())).toEqual({ targetingKey: -5 });
    await json.fill('{"targetingKey": "ada", "plan": "team", "nested": {"a": [1]}}');
    await expectSoon(() => region(page, 'Live').innerText()).toContain('TARGETING_MATCH');
    await json.fill('{"targetingKey": ');
    await page.getByText('This is not a JSON object').waitFor();
    await page.reload();
    await expectSoon(() => page.getByRole('textbox', { name: 'Value' }).count()).toBe(3);
  });

  it('saves contexts by name, loads them and deletes them', async () => {
    await create('checkout');
    await tests.server.api('PUT', '/contexts/grace', {
      body: { name: 'Grace', context: { targetingKey: 'grace', plan: 'pro' } },
    });
    const page = await open('/flags/checkout?tab=try');
    const contexts = async () => (await tests.server.api('GET', '/contexts')).body.items;
    await page.getByRole('textbox', { name: 'Save this context as' }).fill('Zoë, free');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Saved', { exact: true }).waitFor();
    expect(await contexts()).toMatchObject([
      { key: 'grace' },
      { key: 'zoe-free', name: 'Zoë, free', context: { targetingKey: 'user-1' } },
    ]);
    await page.getByRole('button', { name: 'Grace', exact: true }).click();
    await expectSoon(() => region(page, 'Live').innerText()).toContain('TARGETING_MATCH');
    await page.getByRole('button', { name: 'Delete Grace' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expectSoon(contexts).toMatchObject([{ key: 'zoe-free' }]);
  });

  it('shows the evaluation as source code, and in all environments', async () => {
    await create('checkout');
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const page = await open('/flags/checkout?tab=try&env=production');
    await page.getByText('As curl and as code').click();
    await page.getByRole('button', { name: 'curl' }).click();
    const code = region(page, 'Source code');
    expect(await code.innerText()).toContain(`${tests.url}/api/v1/evaluate?environment=production`);
    await page.getByRole('button', { name: 'Python' }).click();
    expect(await code.innerText()).toContain('get_boolean_value');
    await page.getByText('In all environments').first().click();
    const row = page.getByRole('row', { name: 'staging' });
    await expectSoon(() => row.getByRole('cell').allInnerTexts()).toEqual(['–', '–']);
  });

  it('shows saved contexts to a viewer, who cannot change them', async () => {
    await create('checkout');
    await tests.server.api('PUT', '/contexts/grace', { body: { context: { plan: 'pro' } } });
    const page = await openPage(tests.browser, `${tests.url}/flags/checkout?tab=try`);
    await signIn(page, await tests.server.keyOf('viewer', '*'));
    await page.getByRole('button', { name: 'grace', exact: true }).click();
    await expectSoon(() => region(page, 'Live').innerText()).toContain('TARGETING_MATCH');
    expect(await page.getByRole('button', { name: /Save|Delete/ }).count()).toBe(0);
  });
});

describe('the usage of a flag', () => {
  const table = (page: Page, name: string) =>
    page.getByRole('table', { name }).getByRole('row').allInnerTexts();

  it('is by variant and by reason, over time, with the changes of the flag', async () => {
    await using server = await startServer({
      console: tests.built.source,
      clock: stoppedClock(),
    });
    await server.api('POST', '/flags', {
      body: { key: 'checkout', enabled: true, defaultVariant: 'off', rules: [RULE] },
    });
    for (const plan of ['pro', 'team', 'free'])
      await server.api('POST', '/evaluate', {
        body: { flagKey: 'checkout', context: { targetingKey: 'ada', plan } },
      });
    await server.api('PATCH', '/flags/checkout', { body: { owner: 'ada' } });
    await expectSoon(async () => (await server.api('GET', '/usage?flag=checkout')).body.total).toBe(
      3,
    );
    const url = await server.listen();
    const page = await openPage(tests.browser, `${url}/flags/checkout?tab=usage`);
    await signIn(page);
    await page.locator('.chart canvas').waitFor();
    expect(await table(page, 'The whole time')).toEqual([
      'Variant\tEvaluations\tShare',
      'on\t2\t66.7%',
      'off\t1\t33.3%',
    ]);
    await page.getByText('Version 2').waitFor();
    await page.getByRole('button', { name: 'Reason' }).click();
    await page.getByRole('button', { name: '3 hours' }).click();
    await expectSoon(() => table(page, 'The whole time')).toEqual([
      'Reason\tEvaluations\tShare',
      'TARGETING_MATCH\t2\t66.7%',
      'DEFAULT\t1\t33.3%',
    ]);
    await page.getByText('All numbers as a table').click();
    const numbers = page.getByRole('region', { name: 'All numbers as a table' });
    await expectSoon(() => numbers.getByRole('cell').first().innerText()).toBe('2');
    expect(await findBarriers(page)).toEqual([]);
    await closePages(tests.browser);
  });

  it('is empty until an application evaluates it', async () => {
    await create('checkout');
    const page = await open('/flags/checkout?tab=usage');
    await page.getByText('No application has evaluated the flag in this time.').waitFor();
    for (const period of ['3 hours', '14 days', '90 days'])
      await page.getByRole('button', { name: period }).click();
    await page.getByText('Days are those of UTC.').waitFor();
    expect(await page.locator('.chart').count()).toBe(0);
  });
});

describe('the history of a flag', () => {
  const update = (body: object, comment?: string) =>
    tests.server.api('PATCH', '/flags/checkout', {
      body,
      ...(comment !== undefined && { headers: { 'x-change-comment': comment } }),
    });

  it('shows who changed what and why, and compares any two versions', async () => {
    await create('checkout', { name: 'Checkout' });
    await update({ owner: 'ada' }, 'OPS-17');
    await update({ enabled: false });
    const page = await open('/flags/checkout?tab=history');
    const versions = page.getByRole('list', { name: 'Versions' }).getByRole('listitem');
    await expectSoon(() => versions.count()).toBe(3);
    const [newest = '', second = '', first = ''] = await versions.allInnerTexts();
    expect(newest).toContain('Changed: Enabled');
    expect(newest).toContain('current');
    expect(second).toContain('OPS-17');
    expect(first).toContain('Created');
    const comparison = region(page, 'Compare versions');
    await expectSoon(() => comparison.innerText()).toContain('Disabled');
    await page.getByRole('button', { name: 'Show changes of version 2' }).click();
    await expectSoon(() => comparison.innerText()).toContain('Owner');
    expect(await comparison.innerText()).not.toContain('Disabled');
    await comparison.getByRole('combobox', { name: 'From' }).selectOption('3');
    await comparison.getByRole('combobox', { name: 'To' }).selectOption('1');
    await expectSoon(() => comparison.innerText()).toContain('Enabled');
  });

  it('brings back a version as a new one, with a reason', async () => {
    await create('checkout');
    await update({ enabled: false, owner: 'ada' });
    const page = await open('/flags/checkout?tab=history');
    await page.getByRole('button', { name: 'Revert to version 1' }).click();
    const dialog = page.getByRole('dialog', { name: 'Bring back version 1 of checkout' });
    await dialog.getByText('Enabled', { exact: true }).waitFor();
    await dialog.getByRole('textbox').fill('it was better');
    await dialog.getByRole('button', { name: 'Revert' }).click();
    await dialog.waitFor({ state: 'detached' });
    const newest = page.locator('.version').first();
    await expectSoon(() => newest.innerText()).toContain('Version 3');
    const { body } = await tests.server.api('GET', '/flags/checkout');
    expect(body).toMatchObject({ version: 3, enabled: true });
    const audit = await tests.server.api('GET', '/audit?limit=1');
    expect(audit.body.items[0]).toMatchObject({ action: 'flag.revert', comment: 'it was better' });
  });

  it('brings back a flag that was deleted', async () => {
    await create('checkout');
    await tests.server.api('DELETE', '/flags/checkout');
    const page = await openPage(tests.browser, `${tests.url}/flags/checkout?env=production`);
    await signIn(page);
    await page.getByRole('button', { name: 'Show what it was' }).click();
    await page.getByRole('button', { name: 'Revert to version 1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revert' }).click();
    await page.locator('.flag-bar').waitFor();
    expect((await tests.server.api('GET', '/flags/checkout')).body).toMatchObject({
      enabled: true,
    });
  });

  it('has all versions, page by page', async () => {
    await create('checkout');
    for (let number = 0; number < 55; number += 1) await update({ owner: `owner ${number}` });
    const page = await open('/flags/checkout?tab=history');
    const versions = page.getByRole('list', { name: 'Versions' }).getByRole('listitem');
    await expectSoon(() => versions.count()).toBe(50);
    await page.getByRole('button', { name: 'Show older versions' }).click();
    await expectSoon(() => versions.count()).toBe(56);
  });
});

describe('the settings of a flag', () => {
  const apply = async (page: Page) => {
    await page.getByRole('button', { name: 'Review' }).click();
    await page.locator('[type=submit]:not([aria-disabled=true])').click();
    await page.locator('.draft-bar').waitFor({ state: 'detached' });
  };

  it('are its name, description, tags and owner, and who sees it', async () => {
    await create('checkout', { owner: 'ada' });
    const page = await open('/flags/checkout?tab=settings');
    await page.getByRole('textbox', { name: 'Name' }).fill('Checkout');
    await page.getByRole('textbox', { name: 'Description' }).fill('Two\nlines');
    await page.getByRole('textbox', { name: 'Tags' }).fill('web, checkout , web,');
    await page.getByRole('textbox', { name: 'Owner' }).fill('');
    await page.getByRole('checkbox', { name: 'Visible to client keys' }).check();
    await apply(page);
    const { body } = await tests.server.api('GET', '/flags/checkout');
    expect(body).toMatchObject({
      name: 'Checkout',
      description: 'Two\nlines',
      tags: ['web', 'checkout'],
      clientVisible: true,
    });
    expect(body.owner ?? null).toBeNull();
  });

  it('delete the flag in one environment, with a reason, unless another flag refers to it', async () => {
    await create('checkout');
    await create('other', {
      rules: [{ id: 'a', conditions: [{ flag: 'checkout', variants: ['on'] }], variant: 'on' }],
    });
    const page = await open('/flags/checkout?tab=settings&env=production', { expected: /409/ });
    await page.getByRole('button', { name: 'Delete the flag' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete checkout in production?' });
    await dialog.getByRole('button', { name: 'Delete the flag' }).click();
    await expectSoon(() => dialog.getByRole('alert').innerText()).toContain('other');
    await tests.server.api('DELETE', '/flags/other');
    await dialog.getByRole('textbox').fill('no longer used');
    await dialog.getByRole('button', { name: 'Delete the flag' }).click();
    await page.getByText('This flag is not in production.').waitFor();
    expect((await tests.server.api('GET', '/flags/checkout')).status).toBe(404);
    const { body } = await tests.server.api('GET', '/audit?limit=1');
    expect(body.items[0]).toMatchObject({ action: 'flag.delete', comment: 'no longer used' });
  });
});

describe('the code of a flag', () => {
  it('waits for the first evaluation, which shows by itself', async () => {
    await create('checkout');
    const page = await open('/flags/checkout?tab=code');
    await page.getByText('Waiting for the first evaluation').waitFor();
    const context = { targetingKey: 'ada' };
    const path = '/ofrep/v1/evaluate/flags/checkout';
    const key = await tests.server.keyOf('server');
    const { status } = await tests.server.request('POST', path, { key, body: { context } });
    expect(status).toBe(200);
    await page.locator('.first-evaluation.done').waitFor();
  });

  it('is a snippet for its type in each language, and keeps the language', async () => {
    await create('color', {
      type: 'string',
      variants: { red: 'ff0000', blue: '0000ff' },
      defaultVariant: 'red',
      rules: [],
    });
    const page = await open('/flags/color?tab=code');
    const code = region(page, 'Source code');
    const languages = [
      ['Node.js', 'getStringValue'],
      ['Browser', 'PennonWebProvider'],
      ['React', 'useStringFlagValue'],
      ['Python', 'get_string_value'],
      ['curl', 'api/v1/evaluate'],
    ] as const;
    for (const [language, text] of languages) {
      await page.getByRole('button', { name: language, exact: true }).click();
      await expectSoon(() => code.innerText()).toContain(text);
      expect(await code.innerText()).toContain('color');
    }
    await page.getByRole('button', { name: 'React', exact: true }).click();
    await page.getByText('Client keys do not get this flag yet').waitFor();
    await page.reload();
    await expectSoon(() => code.innerText()).toContain('useStringFlagValue');
  });
});

describe('a flag as JSON', () => {
  it('changes the rules, and changes with them', async () => {
    await create('checkout');
    const page = await open('/flags/checkout?tab=json');
    const json = page.getByRole('textbox', { name: 'The flag as JSON' });
    const document = JSON.parse(await json.innerText());
    expect(document).toMatchObject({ enabled: true, rules: [{ id: 'first' }] });
    expect(document.version).toBeUndefined();
    const rule = { conditions: [{ segment: 'staff' }], variant: 'on' };
    await json.fill(JSON.stringify({ ...document, owner: 'ada', rules: [rule] }));
    await page.getByRole('switch', { name: 'Enabled' }).click();
    await expectSoon(async () => JSON.parse(await json.innerText())).toMatchObject({
      enabled: false,
      owner: 'ada',
    });
    await page.getByRole('link', { name: 'Rules' }).click();
    await expectSoon(() => page.locator('.rule-sentence').allInnerTexts()).toEqual([
      'in segment staff → on',
    ]);
  });

  it.each([
    ['{"rules": ', 'not a JSON object'],
    ['{"enabeld": true}', '“enabeld”'],
    ['{"enabled": true, "variants": {}, "rules": [{"conditions": [{}]}]}', '“rules”'],
  ])('%j is not part of the draft, and the page explains it', async (text, problem) => {
    await create('checkout');
    const page = await open('/flags/checkout?tab=json');
    await page.getByRole('textbox', { name: 'The flag as JSON' }).fill(text);
    await expectSoon(() => page.locator('.json-tab [role=status]').innerText()).toContain(problem);
    expect(await page.locator('.draft-bar').count()).toBe(0);
  });
});
