import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openSse } from './support/sse.ts';
import { startServer, type TestServer } from './support/server.ts';

let from: TestServer;
let to: TestServer;
beforeEach(async () => {
  from = await startServer();
  to = await startServer({ adminKey: 'another-admin-key-0123456789' });
  await fill(from);
});
afterEach(async () => {
  await from.close();
  await to.close();
});

const toKey = 'another-admin-key-0123456789';
const askTo = (method: 'GET' | 'POST' | 'DELETE' | 'PATCH', path: string, body?: unknown) =>
  to.request(method, path, { key: toKey, ...(body === undefined ? {} : { body }) });

const fill = async (server: TestServer): Promise<void> => {
  const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];
  await server.api('POST', '/segments', { body: { key: 'pros', conditions } });
  await server.api('POST', '/flags', {
    body: {
      key: 'a',
      enabled: true,
      rules: [{ conditions: [{ segment: 'pros' }], variant: 'on' }],
    },
  });
  await server.api('POST', '/flags', {
    body: {
      key: 'b',
      enabled: true,
      type: 'object',
      variants: { on: { deep: [1, { constructor: null }], text: 'Größe 📏' } },
      defaultVariant: 'on',
      rules: [{ conditions: [{ flag: 'a', variants: ['on'] }], variant: 'on' }],
    },
  });
  await server.api('PATCH', '/flags/b', { body: { description: 'changed once' } });
  await server.request('POST', '/api/v1/environments', {
    body: { key: 'staging', description: 'where things are tried' },
  });
  await server.request('POST', '/api/v1/flags?environment=staging', {
    body: { key: 'c', enabled: false },
  });
};

const whole = async (server: TestServer, key?: string) =>
  (await server.request('GET', '/api/v1/export', key === undefined ? {} : { key })).body;

describe('an export', () => {
  it('holds every environment, and keys as hashes, never a secret nor the admin key', async () => {
    const secret = await from.keyOf('server');
    const answer = await from.request('GET', '/api/v1/export');
    expect(answer.status).toBe(200);
    const { formatVersion, environments, keys } = answer.body;
    expect(formatVersion).toBe(1);
    expect(environments.map(({ key }: { key: string }) => key)).toEqual([
      'development',
      'production',
      'staging',
    ]);
    expect(environments[1].flags.map(({ key }: { key: string }) => key)).toEqual(['a', 'b']);
    expect(keys).toEqual([
      expect.objectContaining({ role: 'server', hash: expect.stringMatching(/^[0-9a-f]{64}$/) }),
    ]);
    expect(answer.text).not.toContain(secret);
    expect(answer.text).not.toContain('"admin"');
  });

  it('of one environment holds that and no keys; its admin gets no more', async () => {
    const admin = await from.keyOf('admin', 'staging');
    const one = await from.request('GET', '/api/v1/export?environment=staging');
    expect(Object.keys(one.body)).toEqual(['formatVersion', 'environments']);
    expect(one.body.environments).toMatchObject([{ key: 'staging', flags: [{ key: 'c' }] }]);
    expect((await from.request('GET', '/api/v1/export', { key: admin })).body).toEqual(one.body);
    const other = await from.request('GET', '/api/v1/export?environment=production', {
      key: admin,
    });
    expect(other.status).toBe(403);
  });
});

describe('an import', () => {
  it('of a whole export makes the round trip the identity, and SDK keys survive it', async () => {
    const secret = await from.keyOf('server');
    const document = await whole(from);
    const { status, body } = await askTo('POST', '/api/v1/import', document);
    expect(status).toBe(200);
    expect(body.dryRun).toBe(false);
    expect(await whole(to, toKey)).toEqual(document);
    expect((await to.request('GET', '/api/v1/flag-set', { key: secret })).body.flags).toEqual(
      (await from.request('GET', '/api/v1/flag-set', { key: secret })).body.flags,
    );
    const answer = await to.request('POST', '/api/v1/evaluate', {
      key: secret,
      body: { flagKey: 'b', context: { targetingKey: 'u', plan: 'pro' } },
    });
    expect(answer.body).toMatchObject({ variant: 'on', reason: 'TARGETING_MATCH' });
  });

  it('made again changes nothing', async () => {
    const document = await whole(from);
    await askTo('POST', '/api/v1/import', document);
    const before = (await askTo('GET', '/api/v1/flag-set?environment=production')).body.id;
    const { body } = await askTo('POST', '/api/v1/import', document);
    const outcomes = body.environments.map(({ outcome }: { outcome: string }) => outcome);
    expect(outcomes).toEqual(['unchanged', 'unchanged', 'unchanged']);
    expect((await askTo('GET', '/api/v1/flag-set?environment=production')).body.id).toBe(before);
  });

  it('begins a new epoch, and followers get the whole new set', async () => {
    const url = await to.listen();
    const path = '/api/v1/flag-set?environment=production';
    const before = (await askTo('GET', path)).body.id.split('.');
    const stream = await openSse(`${url}${path.replace('?', '/stream?')}`, { key: toKey });
    await stream.next();
    await askTo('POST', '/api/v1/import', await whole(from));
    expect(await stream.next()).toMatchObject({
      event: 'set',
      data: { flags: { a: { key: 'a' }, b: { version: 2 } } },
    });
    const after = (await askTo('GET', path)).body.id.split('.');
    expect([after[0] === before[0], Number(after[1])]).toEqual([false, Number(before[1]) + 1]);
    stream.close();
  });

  it('leaves one entry for each environment in its audit log', async () => {
    await askTo('POST', '/api/v1/import', await whole(from));
    const log = (await askTo('GET', '/api/v1/audit?environment=production')).body.items;
    expect(log).toMatchObject([
      {
        action: 'environment.import',
        before: { flags: 0, segments: 0 },
        after: { flags: 2, segments: 1 },
      },
    ]);
    const control = (await askTo('GET', '/api/v1/audit?environment=*&limit=1')).body.items;
    expect(control).toMatchObject([{ action: 'environment.create', key: 'staging' }]);
  });

  it('as a dry run says what it would do to which field, and does nothing', async () => {
    await askTo('POST', '/api/v1/import', await whole(from));
    await askTo('PATCH', '/api/v1/flags/b?environment=production', { description: 'mine' });
    await askTo('POST', '/api/v1/flags?environment=production', { key: 'extra', enabled: true });
    await askTo('DELETE', '/api/v1/flags/c?environment=staging');
    const before = await whole(to, toKey);
    const document = await whole(from);
    const { status, body } = await askTo(
      'POST',
      '/api/v1/import?dryRun=true&overwrite=true',
      document,
    );
    expect([status, body.dryRun]).toEqual([200, true]);
    expect(body.environments).toEqual([
      { key: 'development', outcome: 'unchanged', changes: [] },
      {
        key: 'production',
        outcome: 'overwrite',
        changes: [
          {
            kind: 'flag',
            key: 'b',
            change: 'change',
            differences: expect.arrayContaining([
              { path: 'description', before: 'mine', after: 'changed once' },
              { path: 'version', before: 3, after: 2 },
            ]),
          },
          { kind: 'flag', key: 'extra', change: 'remove', differences: [] },
        ],
      },
      {
        key: 'staging',
        outcome: 'create',
        changes: [{ kind: 'flag', key: 'c', change: 'add', differences: [] }],
      },
    ]);
    expect(await whole(to, toKey)).toEqual(before);
  });

  it('over something else is refused as a whole, unless it is to overwrite', async () => {
    await askTo('POST', '/api/v1/flags?environment=production', { key: 'mine', enabled: true });
    const before = await whole(to, toKey);
    const document = await whole(from);
    const refused = await askTo('POST', '/api/v1/import', document);
    expect([refused.status, refused.body.error.code]).toEqual([409, 'CONFLICT']);
    expect(refused.body.error.message).toContain('environment "production"');
    expect(await whole(to, toKey)).toEqual(before);
    expect((await askTo('POST', '/api/v1/import?overwrite=true', document)).status).toBe(200);
    expect(await whole(to, toKey)).toEqual(document);
  });

  it('never takes over the admin key, and a key of the same id only to overwrite', async () => {
    await from.keyOf('viewer');
    const document = await whole(from);
    await askTo('POST', '/api/v1/import', document);
    const renamed = structuredClone(document);
    renamed.keys[0].name = 'renamed';
    expect((await askTo('POST', '/api/v1/import', renamed)).status).toBe(409);
    expect((await askTo('POST', '/api/v1/import?overwrite=true', renamed)).status).toBe(200);
    expect((await whole(to, toKey)).keys[0].name).toBe('renamed');
    renamed.keys[0].id = 'admin';
    expect((await askTo('POST', '/api/v1/import?overwrite=true', renamed)).status).toBe(400);
    expect((await askTo('GET', '/api/v1/environments')).status).toBe(200);
  });

  it('of one environment takes an admin of it; keys and new environments take one of all', async () => {
    const admin = await from.keyOf('admin', 'staging');
    const one = (await from.request('GET', '/api/v1/export', { key: admin })).body;
    one.environments[0].flags[0].enabled = true;
    const send = (body: unknown) =>
      from.request('POST', '/api/v1/import?overwrite=true', { key: admin, body });
    expect((await send(one)).status).toBe(200);
    expect((await from.request('GET', '/api/v1/flags/c?environment=staging')).body.enabled).toBe(
      true,
    );
    expect((await send({ ...one, keys: (await whole(from)).keys })).status).toBe(403);
    const elsewhere = structuredClone(one);
    elsewhere.environments[0].key = 'production';
    expect((await send(elsewhere)).status).toBe(403);
  });
});

describe('a document that is not sound is refused, and nothing is imported', () => {
  // oxlint-disable-next-line typescript/no-explicit-any
  type Document = any;
  it.each<[string, (document: Document) => unknown]>([
    ['another format', document => (document.formatVersion = 2)],
    ['an unknown field', document => (document.bogus = true)],
    ['a flag of a wrong type', document => (document.environments[1].flags[0].enabled = 'false')],
    [
      'two flags of one key',
      document => document.environments[1].flags.push(document.environments[1].flags[0]),
    ],
    [
      'two environments of one key',
      document => document.environments.push(document.environments[0]),
    ],
    [
      'a flag that names a segment which is not there',
      document => (document.environments[1].segments = []),
    ],
    [
      'a flag that names a flag which is not there',
      document => document.environments[1].flags.shift(),
    ],
    [
      'a rule that names an unknown variant',
      document => (document.environments[1].flags[0].rules[0].variant = 'x'),
    ],
    ['a key of an unknown environment', document => (document.keys[0].environment = 'nowhere')],
    [
      'a server key for all environments',
      document => Object.assign(document.keys[0], { role: 'server', environment: '*' }),
    ],
    [
      'origins of a key for people',
      document => (document.keys[0].allowedOrigins = ['https://a.b']),
    ],
    ['a hash that is none', document => (document.keys[0].hash = 'secret')],
    [
      'a key with the name __proto__',
      document => (document.environments[1].flags[0].key = '__proto__'),
    ],
  ])('%s', async (_, spoil) => {
    await from.keyOf('viewer');
    const document = await whole(from);
    spoil(document);
    const before = await whole(to, toKey);
    const refused = await askTo('POST', '/api/v1/import', document);
    expect([refused.status, refused.body.error.code]).toEqual([400, 'BAD_REQUEST']);
    expect(refused.body.error.details.length).toBeGreaterThan(0);
    expect(await whole(to, toKey)).toEqual(before);
  });

  it('the texts "true" and "false" of the query are the options, and nothing else is', async () => {
    const document = await whole(from);
    expect((await askTo('POST', '/api/v1/import?dryRun=yes', document)).status).toBe(400);
    expect((await askTo('POST', '/api/v1/import?overwright=true', document)).status).toBe(400);
    expect((await askTo('POST', '/api/v1/import', { ...document, dryRun: true })).status).toBe(400);
  });
});

describe('the body of an import', () => {
  const large = (bytes: number) => ({
    formatVersion: 1,
    environments: [
      { key: 'x'.repeat(bytes), createdAt: '2026-01-01T00:00:00Z', flags: [], segments: [] },
    ],
  });

  it('may be 64 MiB, on both doors, and no more', async () => {
    const fits = 64 * 1_048_576 - 200;
    for (const path of ['/api/v1/import', '/trpc/transfer.import']) {
      expect((await askTo('POST', path, large(fits))).status).toBe(400);
      expect((await askTo('POST', path, large(fits + 400))).status).toBe(413);
    }
  });

  it('of every other route stays as small as it was', async () => {
    expect((await askTo('POST', '/trpc/flags.create', large(2_000_000))).status).toBe(413);
    expect((await askTo('POST', '/trpc/transfer.import,flags.list', large(2_000_000))).status).toBe(
      413,
    );
  });

  it('may nest as deep as a flag may, below the document', async () => {
    const deep = (levels: number): object => (levels === 0 ? {} : { in: deep(levels - 1) });
    const create = (levels: number) =>
      from.api('POST', '/flags', {
        body: {
          key: 'deep',
          enabled: true,
          type: 'object',
          variants: { on: deep(levels) },
          defaultVariant: 'on',
        },
      });
    let levels = 40;
    while ((await create(levels)).status !== 201) levels -= 1;
    expect(levels).toBeGreaterThan(10);
    const document = await whole(from);
    expect((await askTo('POST', '/api/v1/import', document)).status).toBe(200);
    expect(await whole(to, toKey)).toEqual(document);
  });
});
