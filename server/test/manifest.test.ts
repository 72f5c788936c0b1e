import { readFileSync } from 'node:fs';

import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startServer, type RequestOptions, type TestServer } from './support/server.ts';

const MANIFEST = '/openfeature/v0/manifest';
const FLAGS = `${MANIFEST}/flags`;

let server: TestServer;
let editor: string;
beforeEach(async () => {
  server = await startServer();
  editor = await server.keyOf('editor');
});
afterEach(() => server.close());

const send = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object) =>
  server.request(method, path, { key: editor, body });
const push = (flag: object) => send('POST', FLAGS, flag);
const change = (flag: { readonly key: string; readonly [field: string]: unknown }) =>
  send('PUT', `${FLAGS}/${flag.key}`, flag);
const pull = async (options: RequestOptions = { key: editor }) =>
  (await server.request('GET', MANIFEST, options)).body.flags;
const flagOf = async (key: string) => (await server.api('GET', `/flags/${key}`)).body;
const valueOf = async (flagKey: string) =>
  (await server.api('POST', '/evaluate', { body: { flagKey, context: {} } })).body;

const search = {
  key: 'search-rollout',
  type: 'boolean',
  description: 'Enable the new search experience.',
  defaultValue: false,
};

describe('a flag that is pushed for the first time', () => {
  it.each([
    ['boolean', true],
    ['boolean', false],
    ['string', 'control'],
    ['string', ''],
    ['integer', 0],
    ['float', 1],
    ['float', -0.25],
    ['object', { deep: [1, null, { text: 'Größe' }] }],
    ['object', {}],
  ])('serves its default value: %s %j', async (type, defaultValue) => {
    const flag = { key: 'f', type, defaultValue };
    const created = await push(flag);
    expect(created).toMatchObject({
      status: 201,
      headers: { 'x-manifest-capabilities': 'read,write,delete' },
    });
    expect(created.body).toStrictEqual({ flag, updatedAt: (await flagOf('f')).updatedAt });
    expect(await pull()).toStrictEqual([flag]);
    expect(await valueOf('f')).toMatchObject({ reason: 'STATIC', value: defaultValue });
    expect(await flagOf('f')).toMatchObject({ codeDefault: defaultValue, version: 1 });
  });

  it('has its name and its description', async () => {
    const flag = { ...search, name: 'Search rollout' };
    await push(flag);
    expect(await pull()).toStrictEqual([flag]);
    expect(await flagOf(flag.key)).toMatchObject({
      name: 'Search rollout',
      description: 'Enable the new search experience.',
    });
  });

  it('is recorded in the audit log with the key', async () => {
    await server.request('POST', FLAGS, {
      key: editor,
      body: search,
      headers: { 'x-change-comment': 'from CI' },
    });
    const { body } = await server.api('GET', '/audit?limit=1');
    expect(body.items[0]).toMatchObject({
      action: 'flag.create',
      actor: { name: 'editor of production' },
      comment: 'from CI',
    });
  });
});

describe('a flag that is pushed again', () => {
  beforeEach(async () => {
    await push(search);
  });

  it('changes its default value and description, but no evaluation', async () => {
    const before = await valueOf(search.key);
    const changed = await change({ ...search, description: 'New', defaultValue: true });
    expect(changed).toMatchObject({
      status: 200,
      headers: { 'x-manifest-capabilities': 'read,write,delete' },
      body: { flag: { description: 'New', defaultValue: true } },
    });
    expect(await valueOf(search.key)).toEqual({ ...before, version: 2 });
  });

  it('has no description if it is sent without one, and keeps its name and default value', async () => {
    await server.api('PATCH', `/flags/${search.key}`, { body: { name: 'Search' } });
    const { key, type } = search;
    await change({ key, type });
    expect(await pull()).toStrictEqual([{ key, name: 'Search', type, defaultValue: false }]);
    await change(search);
    await change({ key, type, description: null });
    expect((await flagOf(key)).description).toBeUndefined();
  });

  it('gets no version if nothing is different', async () => {
    expect((await change(search)).status).toBe(200);
    expect((await flagOf(search.key)).version).toBe(1);
  });

  it('keeps its rules and variants', async () => {
    const rules = [{ id: 'r', attribute: 'plan', operator: 'equals', value: 'pro', variant: 'on' }];
    await server.api('PATCH', `/flags/${search.key}`, { body: { rules, tags: ['a'] } });
    const { rules: stored } = await flagOf(search.key);
    await change({ ...search, defaultValue: true });
    expect(await flagOf(search.key)).toMatchObject({ rules: stored, tags: ['a'], version: 3 });
  });

  it('can become an integer or a float, as their values allow', async () => {
    const price = { key: 'price', enabled: true, type: 'number', variants: { on: 1, half: 2 } };
    await server.api('POST', '/flags', { body: { ...price, defaultVariant: 'on' } });
    expect(await pull()).toContainEqual({ key: 'price', type: 'integer', defaultValue: 1 });
    await change({ key: 'price', type: 'float', defaultValue: 2 });
    expect(await pull()).toContainEqual({ key: 'price', type: 'float', defaultValue: 2 });
    await server.api('PATCH', '/flags/price', { body: { variants: { on: 1, half: 0.5 } } });
    const refused = await change({ key: 'price', type: 'integer' });
    expect([refused.status, refused.body.error.message]).toEqual([
      400,
      'the input is not valid: type cannot be "integer", because variants.half is 0.5: use "float", or whole numbers below 1e21 only',
    ]);
    expect(refused.body.error.details).toMatchObject([{ field: 'type' }]);
  });

  it('is named in errors and warnings as in the manifest', async () => {
    const ratio = { key: 'ratio', type: 'float', defaultValue: 0.5 };
    await push(ratio);
    await server.api('PATCH', '/flags/ratio', { body: { variants: { default: 1 } } });
    const refused = await change({ key: 'ratio', type: 'integer' });
    expect(refused.body.error.message).toContain('type cannot be "integer", because defaultValue');
    const elsewhere = { enabled: true, type: 'number', variants: { a: 1 }, defaultVariant: 'a' };
    await server.request('POST', '/api/v1/flags?environment=development', {
      body: { key: 'ratio', ...elsewhere, codeDefault: 3 },
    });
    const changed = await server.request('PUT', `${FLAGS}/ratio?environment=production`, {
      body: { ...ratio, defaultValue: 0.25 },
    });
    expect(changed.body.warnings).toMatchObject([{ path: 'defaultValue' }]);
    expect(changed.text).not.toContain('codeDefault');
  });
});

describe('a manifest', () => {
  const create = (flag: object) => server.api('POST', '/flags', { body: flag });
  const variants = { b: 'blue', a: 'amber' };

  it('has whole numbers from 1e21 as floats, as they are in JSON', async () => {
    for (const [key, a] of Object.entries({ large: 1e15, vast: 1e21 }))
      await create({ key, enabled: true, type: 'number', variants: { a }, defaultVariant: 'a' });
    expect((await pull()).map(({ type }: { type: string }) => type)).toEqual(['integer', 'float']);
    const { text } = await server.api('GET', '/types.py');
    expect(text).toContain('"vast": float');
  });

  it.each([
    ['its code default', { type: 'string', variants, defaultVariant: 'b', codeDefault: 'x' }, 'x'],
    ['the default variant', { type: 'string', variants, defaultVariant: 'b' }, 'blue'],
    ['the first variant', { type: 'string', variants, defaultVariant: null }, 'amber'],
    ['off, even if it is on', {}, false],
    ['its code default of true', { codeDefault: true }, true],
  ])('has, for a flag, %s', async (_, fields, defaultValue) => {
    await create({ key: 'f', enabled: true, ...fields });
    expect((await pull())[0]).toMatchObject({ key: 'f', defaultValue });
  });

  it('is in the order of keys, and is empty at first', async () => {
    expect(await pull()).toEqual([]);
    for (const key of ['b', 'a', 'B']) await create({ key, enabled: true });
    expect((await pull()).map(({ key }: { key: string }) => key)).toEqual(['B', 'a', 'b']);
  });

  it('is valid for the OpenFeature CLI, which writes it to a file by key', async () => {
    const flags = [
      search,
      { key: 's', type: 'string', defaultValue: '' },
      { key: 'i', type: 'integer', defaultValue: 3 },
      { key: 'd', type: 'float', defaultValue: 3 },
      { key: 'o', type: 'object', defaultValue: {} },
    ];
    for (const flag of flags) await push(flag);
    await create({
      key: 'o2',
      enabled: false,
      type: 'object',
      variants: { on: { a: 1 } },
      defaultVariant: null,
    });
    const file = {
      flags: Object.fromEntries(
        (await pull()).map(
          ({ key, type, ...rest }: { key: string; type: string; name?: string }) => [
            key,
            { flagType: type, ...rest },
          ],
        ),
      ),
    };
    const schema = new URL('fixtures/openfeature-cli/flag-manifest.json', import.meta.url);
    const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(schema, 'utf8')));
    expect([validate(file), validate.errors]).toEqual([true, null]);
    expect(Object.keys(file.flags)).toHaveLength(6);
  });

  it('shows a viewer that it can only read', async () => {
    await push(search);
    const viewer = await server.keyOf('viewer');
    const read = await server.request('GET', MANIFEST, { key: viewer });
    expect([read.status, read.headers['x-manifest-capabilities']]).toEqual([200, 'read']);
    expect(read.body.flags).toStrictEqual([search]);
    for (const [method, path] of [
      ['POST', FLAGS],
      ['PUT', `${FLAGS}/f`],
      ['DELETE', `${FLAGS}/f`],
    ] as const)
      // prettier-ignore
      expect((await server.request(method, path, { key: viewer })).status).toBe(403);
  });

  it('is one of many environments for a key of all, which names one', async () => {
    await push(search);
    expect(await pull({})).toBeUndefined();
    const inProduction = await server.request('GET', `${MANIFEST}?environment=production`);
    expect(inProduction.body.flags).toHaveLength(1);
    const inDevelopment = await server.request('GET', `${MANIFEST}?environment=development`);
    expect(inDevelopment.body.flags).toEqual([]);
  });
});

describe('a flag that is deleted', () => {
  it('is not in the manifest any more, and can be brought back', async () => {
    await push(search);
    const deleted = await send('DELETE', `${FLAGS}/${search.key}`);
    expect(deleted).toMatchObject({
      status: 200,
      headers: { 'x-manifest-capabilities': 'read,write,delete' },
      body: {
        message: expect.stringContaining('"search-rollout" was deleted'),
        archivedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    });
    expect(await pull()).toEqual([]);
    await server.api('POST', `/flags/${search.key}/revert`, { body: { version: 1 } });
    expect(await pull()).toStrictEqual([search]);
  });

  it('is kept while another flag refers to it', async () => {
    await push(search);
    const rules = [{ conditions: [{ flag: search.key, variants: ['on'] }], variant: 'on' }];
    await server.api('POST', '/flags', { body: { key: 'other', enabled: true, rules } });
    const { status, body } = await send('DELETE', `${FLAGS}/${search.key}`);
    expect([status, body.error.message]).toEqual([409, expect.stringContaining('"other"')]);
  });
});

type Expected = { readonly status: number; readonly message: string; readonly field?: string };

describe('an error of the manifest', () => {
  beforeEach(async () => {
    await push(search);
  });

  const put = (key: string, body: object) => () => send('PUT', `${FLAGS}/${key}`, body);
  const post = (body?: object) => () => push(body ?? {});
  const { key } = search;

  it.each([
    ['an existing key', post(search), { status: 409, message: 'already exists' }],
    [
      'an unknown flag',
      put('x', { key: 'x', type: 'string' }),
      { status: 404, message: 'flag "x" does not exist' },
    ],
    [
      'an unknown flag to delete',
      () => send('DELETE', `${FLAGS}/x`),
      { status: 404, message: 'flag "x" does not exist' },
    ],
    [
      'another type',
      put(key, { key, type: 'string' }),
      { status: 409, message: 'cannot become "string"', field: 'type' },
    ],
    [
      'another key than in the path',
      put(key, { key: 'x', type: 'boolean' }),
      { status: 400, message: 'as in the path', field: 'key' },
    ],
    [
      'an unknown type',
      post({ ...search, type: 'json' }),
      { status: 400, message: 'type must be one of', field: 'type' },
    ],
    [
      'a value of another type',
      post({ ...search, key: 'n', defaultValue: 'no' }),
      { status: 400, message: 'defaultValue must be true or false', field: 'defaultValue' },
    ],
    [
      'null as value',
      post({ ...search, key: 'n', defaultValue: null }),
      { status: 400, message: 'defaultValue must be', field: 'defaultValue' },
    ],
    [
      'a fraction as integer',
      post({ key: 'n', type: 'integer', defaultValue: 1.5 }),
      { status: 400, message: 'whole number', field: 'defaultValue' },
    ],
    [
      'an integer that JSON has with an exponent',
      post({ key: 'n', type: 'integer', defaultValue: 1e21 }),
      { status: 400, message: 'whole number below 1e21', field: 'defaultValue' },
    ],
    [
      'a missing value',
      post({ key: 'n', type: 'string' }),
      { status: 400, message: 'defaultValue is missing', field: 'defaultValue' },
    ],
    [
      'an invalid key',
      post({ ...search, key: 'a b' }),
      { status: 400, message: 'key must consist of letters', field: 'key' },
    ],
    [
      'an unknown field',
      post({ ...search, key: 'n', expiry: 1 }),
      { status: 400, message: 'expiry is an unknown field', field: 'expiry' },
    ],
  ])(
    'has the form that the CLI reads: %s',
    async (_, request, { status, message, field }: Expected) => {
      const response = await request();
      expect(response.status).toBe(status);
      const { error } = response.body;
      expect(error).toMatchObject({ status, message: expect.stringContaining(message) });
      if (field !== undefined)
        expect(error.details[0]).toMatchObject({ field, message: expect.any(String) });
      expect(await pull()).toHaveLength(1);
    },
  );

  it('has that form for keys, and for a body that is not JSON', async () => {
    const withKey = async (secret: string | null) =>
      (await server.request('GET', MANIFEST, { key: secret })).body.error;
    expect(await withKey(null)).toMatchObject({ status: 401, message: expect.any(String) });
    expect(await withKey('wrong')).toMatchObject({ status: 401, message: expect.any(String) });
    expect(await withKey(await server.keyOf('server'))).toMatchObject({
      status: 403,
      message: expect.stringContaining('use a key with role'),
    });
    const text = await server.request('POST', FLAGS, { key: editor, text: '{' });
    expect(text.body.error).toMatchObject({ status: 400 });
    expect((await server.request('POST', `${FLAGS}/`, { key: editor })).body.error).toMatchObject({
      status: 404,
    });
  });
});
