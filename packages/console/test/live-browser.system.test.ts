import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { openPage, signIn } from './support/console-page.ts';
import { expectSoon, setUpConsole } from './support/console-tests.ts';

const tests = setUpConsole();

const open = async (path: string, marker: string): Promise<Page> => {
  const page = await openPage(tests.browser, tests.url + path);
  await signIn(page);
  await page.getByText(marker, { exact: true }).first().waitFor();
  return page;
};

const createSegment = async (key: string): Promise<void> => {
  const conditions = [{ attribute: 'plan', operator: 'in', value: ['pro'] }];
  const { status } = await tests.server.api('POST', '/segments', { body: { key, conditions } });
  expect(status).toBe(201);
};

const createFlag = (key: string, environment = 'production') =>
  tests.server.request('POST', `/api/v1/flags?environment=${environment}`, {
    body: { key, enabled: true },
  });

describe('a change by the API shows without a reload', () => {
  it('in the list of segments', async () => {
    await createSegment('first');
    const page = await open('/segments', 'first');
    await createSegment('second');
    await page.getByRole('link', { name: 'second' }).waitFor();
    await tests.server.api('DELETE', '/segments/second');
    await expectSoon(() => page.getByRole('link', { name: 'second' }).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'first' }).count()).toBe(1);
  });

  it('in a segment, and beside the edits of a person', async () => {
    await createSegment('first');
    const page = await open('/segments/first', 'first');
    const name = page.getByRole('textbox', { name: 'Name' });
    await name.waitFor();
    await tests.server.api('PATCH', '/segments/first', { body: { name: 'By the API' } });
    await expectSoon(() => name.inputValue()).toBe('By the API');
    await name.fill('Mine');
    await tests.server.api('PATCH', '/segments/first', { body: { description: 'Theirs' } });
    await page.getByText('Theirs').first().waitFor();
    expect(await name.inputValue()).toBe('Mine');
  });

  it('in the audit log', async () => {
    await createFlag('first');
    const page = await open('/audit', 'first');
    await createFlag('second');
    const entry = page.getByText('second', { exact: true }).first();
    await entry.waitFor();
    expect(await entry.isVisible()).toBe(true);
  });

  it('in the comparison of two environments', async () => {
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    await createFlag('first');
    const page = await open('/compare?from=production&to=staging', 'first');
    await createFlag('second');
    await page.getByRole('link', { name: 'second' }).waitFor();
    expect(await page.getByRole('link', { name: 'first' }).count()).toBe(1);
  });

  it('in the settings of environments', async () => {
    const page = await open('/settings/environments', 'production');
    await tests.server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const created = page.getByText('staging', { exact: true }).first();
    await created.waitFor();
    expect(await created.isVisible()).toBe(true);
  });
});
