import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

let count = 0;
/** Creates a flag with a new key, and returns its path. */
const createFlag = async (fields: object = { enabled: true }): Promise<string> => {
  count += 1;
  const key = `flag-${count}`;
  const created = await server.api('POST', '/flags', { body: { key, ...fields } });
  expect(created.status).toBe(201);
  return `/flags/${key}`;
};

const proRule = { attribute: 'plan', operator: 'equals', value: 'pro', percentage: 10 };
const colours = {
  enabled: true,
  type: 'string',
  variants: { red: '#f00', blue: '#00f' },
  defaultVariant: 'red',
};

describe('rules that change nothing', () => {
  it('are refused with the default variant to send, and nothing is written', async () => {
    const path = await createFlag({ enabled: false });
    const before = await server.api('GET', path);
    const refused = await server.api('PATCH', path, { body: { enabled: true, rules: [proRule] } });
    expect([refused.status, refused.body.error.code]).toEqual([400, 'NO_EFFECT']);
    expect(refused.body.error.message).toContain('"defaultVariant": "off"');
    expect(refused.body.error.message).toContain('"allowNoEffect": true');
    expect(refused.body.error.details).toMatchObject([{ path: 'rules' }]);
    expect((await server.api('GET', path)).body).toEqual(before.body);

    const body = { enabled: true, rules: [proRule], defaultVariant: 'off' };
    expect((await server.api('PATCH', path, { body })).status).toBe(200);
  });

  it.each([
    ['a rule that serves the default variant', { rules: [{ conditions: [], variant: 'red' }] }],
    ['two such rules', { rules: [{ variant: 'red' }, { percentage: 5, variant: 'red' }] }],
    [
      'a split with all of its weight on the default variant',
      {
        rules: [
          {
            split: [
              { variant: 'red', weight: 1 },
              { variant: 'blue', weight: 0 },
            ],
          },
        ],
      },
    ],
    ['a disabled flag', { enabled: false, rules: [{ variant: 'red' }] }],
  ])('are refused on every write: %s', async (_, fields) => {
    const body = { ...colours, ...fields };
    const created = await server.api('POST', '/flags', { body: { key: 'refused', ...body } });
    expect([created.status, created.body.error.code]).toEqual([400, 'NO_EFFECT']);
    const path = await createFlag({ ...colours, enabled: false });
    for (const method of ['PUT', 'PATCH'] as const) {
      const changed = await server.api(method, path, { body });
      expect([method, changed.status]).toEqual([method, 400]);
      const allowed = await server.api(method, await createFlag(colours), {
        body: { ...body, allowNoEffect: true },
      });
      expect([method, allowed.status]).toEqual([method, 200]);
      expect(allowed.body).not.toHaveProperty('allowNoEffect');
    }
  });

  it.each([
    ['a rollout that has not begun', { rules: [{ percentage: 0, variant: 'blue' }] }],
    ['a complete rollout', { rules: [{ percentage: 100, variant: 'blue' }] }],
    ['no rules', { rules: [] }],
    ['the default value in code as default', { rules: [{ variant: 'red' }], defaultVariant: null }],
  ])('do not include %s', async (_, fields) => {
    expect(await createFlag({ ...colours, ...fields })).toBeDefined();
  });

  it('are refused if the default variant becomes what they serve', async () => {
    const path = await createFlag({ ...colours, rules: [{ variant: 'blue' }] });
    const refused = await server.api('PATCH', path, { body: { defaultVariant: 'blue' } });
    expect(refused.body.error.code).toBe('NO_EFFECT');
    expect(refused.body.error.message).toContain('"defaultVariant": "red"');
  });

  it('do not prevent other changes of the flag once they are stored', async () => {
    const rules = [{ variant: 'red' }];
    const path = await createFlag({ ...colours, rules, allowNoEffect: true });
    const { body } = await server.api('GET', path);
    expect((await server.api('PATCH', path, { body: { enabled: false } })).status).toBe(200);
    const put = await server.api('PUT', path, { body: { ...body, description: 'x' } });
    expect(put.status).toBe(200);
  });
});

describe('a write that changes nothing', () => {
  it.each(['PATCH', 'PUT'] as const)('by %s writes no version and no audit entry', async method => {
    const path = await createFlag({ ...colours, description: 'd', tags: ['a'] });
    const before = await server.api('GET', path);
    const revision = (await server.api('GET', '/flag-set')).body.id;
    const audit = (await server.api('GET', '/audit')).body.items.length;
    const same = await server.api(method, path, { body: before.body });
    // A patch does not accept the fields that only the server writes.
    const { version: _, createdAt: __, updatedAt: ___, ...fields } = before.body;
    const again = method === 'PUT' ? same : await server.api(method, path, { body: fields });
    expect([again.status, again.body]).toEqual([200, before.body]);
    expect(again.headers['etag']).toBe(before.headers['etag']);
    expect((await server.api('GET', '/flag-set')).body.id).toBe(revision);
    expect((await server.api('GET', '/audit')).body.items).toHaveLength(audit);
  });

  it('still requires the current entity tag', async () => {
    const path = await createFlag();
    const headers = { 'if-match': '"old"' };
    const response = await server.api('PATCH', path, { headers, body: { enabled: true } });
    expect(response.status).toBe(412);
  });
});

it('a patch accepts rules in the short form', async () => {
  const path = await createFlag({ enabled: true, defaultVariant: 'off' });
  const patched = await server.api('PATCH', path, { body: { rules: [proRule] } });
  expect(patched.body.rules).toEqual([
    {
      id: 'rule-1',
      conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
      percentage: 10,
      bucketBy: 'targetingKey',
      variant: 'on',
    },
  ]);
});

describe('PUT of an absent document', () => {
  it.each(['flags', 'segments'])('creates it in %s: 201, Location, version 1', async collection => {
    const body =
      collection === 'flags'
        ? colours
        : { conditions: [{ attribute: 'a', operator: 'equals', value: 'b' }] };
    const path = `/${collection}/by-put`;
    const created = await server.api('PUT', path, { body, headers: { 'if-none-match': '*' } });
    expect([created.status, created.body.version]).toEqual([201, 1]);
    expect(created.headers['location']).toMatch(new RegExp(`^/api/v1${path}`));
    expect((await server.api('GET', path)).headers['etag']).toBe(created.headers['etag']);
    const [entry] = (await server.api('GET', '/audit')).body.items;
    expect(entry).toMatchObject({ action: `${collection.slice(0, -1)}.create`, key: 'by-put' });

    const again = await server.api('PUT', path, { body, headers: { 'if-none-match': '*' } });
    expect([again.status, again.body.error.code]).toEqual([412, 'PRECONDITION_FAILED']);
    expect((await server.api('PUT', path, { body })).status).toBe(200);
    const other = await server.api('PUT', `${path}-2`, { body });
    expect(other.status).toBe(201);
  });

  it('is refused with If-Match, because no entity tag is current', async () => {
    for (const tag of ['"x"', '*']) {
      const headers = { 'if-match': tag };
      const refused = await server.api('PUT', '/flags/absent', { body: colours, headers });
      expect([refused.status, refused.body.error.code]).toEqual([412, 'PRECONDITION_FAILED']);
    }
    expect((await server.api('GET', '/flags/absent')).status).toBe(404);
  });

  it('accepts only "*" as If-None-Match', async () => {
    const headers = { 'if-none-match': '"x"' };
    const refused = await server.api('PUT', '/flags/absent', { body: colours, headers });
    expect(refused.status).toBe(400);
  });
});

describe('a copy of a flag', () => {
  it.each([
    [undefined, false],
    [true, true],
    [false, false],
  ])('with enabled %s arrives with enabled %s', async (enabled, expected) => {
    const path = await createFlag(colours);
    const body = { to: 'development', enabled };
    const preview = await server.api('POST', `${path}/copy`, { body: { ...body, dryRun: true } });
    expect(preview.body.differences).toContainEqual({
      path: 'enabled',
      before: null,
      after: expected,
    });
    const copied = await server.api('POST', `${path}/copy`, { body });
    expect([copied.status, copied.body.enabled]).toEqual([200, expected]);
  });

  it('that replaces a flag leaves it enabled or disabled, unless the request sets it', async () => {
    const path = await createFlag({ ...colours, enabled: false });
    const copy = (fields: object) =>
      server.api('POST', `${path}/copy`, { body: { to: 'development', ...fields } });
    await copy({ enabled: true });
    await server.api('PATCH', path, { body: { description: 'new' } });
    expect((await copy({ overwrite: true })).body).toMatchObject({
      enabled: true,
      description: 'new',
    });
    expect((await copy({ overwrite: true, enabled: false })).body.enabled).toBe(false);
  });
});
