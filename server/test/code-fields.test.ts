import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const price = {
  key: 'price',
  type: 'number',
  enabled: true,
  variants: { low: 10, high: 20 },
  defaultVariant: 'low',
  codeDefault: 15,
};

const create = (body: object) => server.api('POST', '/flags', { body });
const patch = (body: object) => server.api('PATCH', '/flags/price', { body });

describe('the code default of a flag', () => {
  it.each([
    ['boolean', { on: true, off: false }, false],
    ['string', { on: 'a' }, ''],
    ['number', { on: 1 }, -0.5],
    ['object', { on: {} }, { deep: [{ a: null }], text: 'Größe' }],
  ])('is stored and returned: %s', async (type, variants, codeDefault) => {
    const body = { key: 'f', enabled: true, type, variants, defaultVariant: 'on', codeDefault };
    expect((await create(body)).body).toMatchObject({ codeDefault });
    expect((await server.api('GET', '/flags/f')).body.codeDefault).toStrictEqual(codeDefault);
  });

  it.each([
    ['text for a number', '15', 'must be a finite number, because the flag\'s type is "number", but is the string "15"'], // prettier-ignore
    ['an object for a number', {}, 'must be a finite number'],
    ['a list', [1], 'must be a string, a number, a boolean or a JSON object'],
  ])('is refused: %s', async (_, codeDefault, message) => {
    const details = [{ path: 'codeDefault', message: expect.stringContaining(message) }];
    const refused = { status: 400, body: { error: { code: 'BAD_REQUEST', details } } };
    expect(await create({ ...price, codeDefault })).toMatchObject(refused);
    await create(price);
    expect(await patch({ codeDefault })).toMatchObject(refused);
    const keys = ['price'];
    const many = await server.api('PATCH', '/flags', { body: { keys, patch: { codeDefault } } });
    expect(many.status).toBe(400);
    expect((await server.api('GET', '/flags/price')).body).toMatchObject({ codeDefault: 15 });
  });

  it('is refused in an import', async () => {
    await create(price);
    const { body: exported } = await server.request('GET', '/api/v1/export');
    exported.environments.find(({ key }: { key: string }) => key === 'production').flags[0] = {
      ...(await server.api('GET', '/flags/price')).body,
      codeDefault: 'fifteen',
    };
    const imported = await server.request('POST', '/api/v1/import?overwrite=true', {
      body: exported,
    });
    expect([imported.status, imported.text]).toEqual([
      400,
      expect.stringContaining('flags.price.codeDefault'),
    ]);
  });

  it('changes no evaluation, and is not sent to SDKs', async () => {
    await create({ ...price, defaultVariant: null });
    const evaluation = () =>
      server.api('POST', '/evaluate', { body: { flagKey: 'price', context: {} } });
    const before = await evaluation();
    expect(before.body).toMatchObject({ reason: 'DEFAULT' });
    expect(before.body).not.toHaveProperty('value');
    await patch({ codeDefault: 16 });
    expect((await evaluation()).body).toEqual({ ...before.body, version: 2 });
    expect((await server.api('GET', '/flag-set')).text).not.toContain('codeDefault');
  });

  it('sends a stream no change of values', async () => {
    await create(price);
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/flag-set/stream?environment=production`, {
      key: ADMIN_KEY,
    });
    await stream.next();
    await patch({ codeDefault: 16, numberType: 'integer' });
    expect((await stream.next())?.data.flags.price).toEqual({
      ...price,
      codeDefault: undefined,
      rules: [],
      seed: 'price',
      clientVisible: false,
      metadata: {},
      version: 2,
    });
    stream.close();
  });

  it('has versions, which can be compared and brought back, and audit entries', async () => {
    await create(price);
    await patch({ codeDefault: 16 });
    expect((await patch({ codeDefault: 16 })).body.version).toBe(2);
    expect((await patch({ codeDefault: null })).body).not.toHaveProperty('codeDefault');
    const difference = { path: 'codeDefault', before: 15, after: 16 };
    const compared = await server.api('GET', '/flags/price/versions/2/diff');
    expect(compared.body.differences).toContainEqual(difference);
    const audit = await server.api('GET', '/audit?limit=1');
    expect(audit.body.items[0]).toMatchObject({
      before: { codeDefault: 16 },
      after: expect.not.objectContaining({ codeDefault: 16 }),
    });
    const reverted = await server.api('POST', '/flags/price/revert', { body: { version: 1 } });
    expect(reverted.body).toMatchObject({ codeDefault: 15 });
  });

  it('is copied, exported and imported, and a different one elsewhere is a warning', async () => {
    await create(price);
    const inDevelopment = (method: 'GET' | 'PATCH', body?: object) =>
      server.request(method, '/api/v1/flags/price?environment=development', { body });
    await server.api('POST', '/flags/price/copy', { body: { to: 'development' } });
    expect((await inDevelopment('GET')).body.codeDefault).toBe(15);
    const { body: exported } = await server.request('GET', '/api/v1/export');
    const changed = await inDevelopment('PATCH', { codeDefault: 99 });
    expect(changed.body.warnings).toContainEqual({
      path: 'codeDefault',
      message:
        'differs from the code default in environment "production", but code has only one default value',
    });
    await server.request('POST', '/api/v1/import?overwrite=true', { body: exported });
    expect((await inDevelopment('GET')).body.codeDefault).toBe(15);
  });
});

describe('the number type of a flag', () => {
  it.each([
    ['another type', { numberType: 'decimal' }, 'must be one of'],
    ['fractions of an integer', { numberType: 'integer', codeDefault: 1.5 }, 'cannot be "integer", because codeDefault is 1.5'], // prettier-ignore
  ])('is refused: %s', async (_, fields, message) => {
    expect((await create({ ...price, ...fields })).body.error.details).toEqual([
      { path: 'numberType', message: expect.stringContaining(message) },
    ]);
  });

  it('is refused for flags that are not numbers', async () => {
    const refused = await create({ key: 'f', enabled: true, numberType: 'integer' });
    expect(refused.body.error.details).toEqual([
      {
        path: 'numberType',
        message: 'is for flags of type "number" only: leave it out',
      },
    ]);
  });

  it('is stored, and refuses variants that do not fit later', async () => {
    await create({ ...price, numberType: 'integer' });
    const refused = await patch({ variants: { low: 10, high: 20, half: 0.5 } });
    expect(refused.body.error.details[0].message).toContain('because variants.half is 0.5');
    expect((await patch({ numberType: 'float' })).body).toMatchObject({ numberType: 'float' });
  });
});
