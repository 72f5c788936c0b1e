import { describe, expect, it } from 'vitest';

import { hashSecret } from '../src/auth/authenticate.ts';
import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { CONTROL_LEDGER, type KeyDocument } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type RequestOptions, type TestServer } from './support/server.ts';

describe('environments', () => {
  it('are development and production at first', async () => {
    await using server = await startServer();
    const { body } = await server.request('GET', '/api/v1/environments');
    expect(body.items.map(({ key }: { key: string }) => key)).toEqual([
      'development',
      'production',
    ]);
  });

  it('have flag sets of their own, and are deleted with their flags and keys', async () => {
    await using server = await startServer();
    const made = await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    expect(made.status).toBe(201);
    expect(
      (await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } })).status,
    ).toBe(409);
    const key = await server.keyOf('editor', 'staging');
    expect(
      (await server.request('POST', '/api/v1/flags', { key, body: { key: 'f', enabled: true } }))
        .status,
    ).toBe(201);
    expect((await server.api('GET', '/flags/f')).status).toBe(404);
    expect(
      (await server.request('DELETE', '/api/v1/environments/staging?confirm=staging')).status,
    ).toBe(204);
    expect((await server.request('GET', '/api/v1/flags', { key })).status).toBe(401);
    expect(
      (await server.request('DELETE', '/api/v1/environments/staging?confirm=staging')).status,
    ).toBe(404);
    await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    expect((await server.request('GET', '/api/v1/flags?environment=staging')).body.items).toEqual(
      [],
    );
  });

  it('must be named with a key for all environments, and are implied by a key of one', async () => {
    await using server = await startServer();
    const missing = await server.request('GET', '/api/v1/flags');
    expect([missing.status, missing.body.error.details[0].path]).toEqual([400, 'environment']);
    expect((await server.request('GET', '/api/v1/flags?environment=missing')).status).toBe(404);
    const key = await server.keyOf('viewer');
    expect((await server.request('GET', '/api/v1/flags', { key })).status).toBe(200);
    expect(
      (await server.request('GET', '/api/v1/flags?environment=production', { key })).status,
    ).toBe(200);
    expect(
      (await server.request('GET', '/api/v1/flags?environment=development', { key })).status,
    ).toBe(403);
    const { body } = await server.request('GET', '/api/v1/environments', { key });
    expect(body.items).toHaveLength(1);
  });
});

describe('the fields of an environment', () => {
  const update = (server: TestServer, body: object, options: RequestOptions = {}) =>
    server.request('PATCH', '/api/v1/environments/production', { body, ...options });
  const production = async (server: TestServer) =>
    (await server.request('GET', '/api/v1/environments')).body.items[1];

  it('are changed one by one, and removed by null', async () => {
    await using server = await startServer();
    const { createdAt } = await production(server);
    const fields = { name: 'Production', color: 'red', order: 3, confirm: true, staleDays: 30 };
    const changed = await update(server, fields);
    expect([changed.status, changed.body]).toEqual([
      200,
      { key: 'production', ...fields, createdAt },
    ]);
    const headers = { 'x-change-comment': 'quieter' };
    const removed = await update(
      server,
      { color: null, order: null, confirm: false, description: 'Live' },
      { headers },
    );
    const after = {
      key: 'production',
      name: 'Production',
      description: 'Live',
      confirm: false,
      staleDays: 30,
      createdAt,
    };
    expect(removed.body).toEqual(after);
    expect(await production(server)).toEqual(after);
    const { items } = (await server.request('GET', '/api/v1/audit?environment=*&limit=1')).body;
    expect(items).toMatchObject([
      {
        action: 'environment.update',
        environment: 'production',
        kind: 'environment',
        comment: 'quieter',
        before: { color: 'red' },
        after: { description: 'Live' },
      },
    ]);
  });

  it('are in the body that creates it, and a change that changes nothing is not audited', async () => {
    await using server = await startServer();
    const body = { key: 'qa', name: 'QA', color: 'grey' };
    const refused = await server.request('POST', '/api/v1/environments', { body });
    expect([refused.status, refused.body.error.details[0].message]).toEqual([
      400,
      expect.stringContaining('did you mean "gray"'),
    ]);
    const created = await server.request('POST', '/api/v1/environments', {
      body: { ...body, color: 'gray', order: null },
    });
    expect([created.status, created.body]).toMatchObject([201, { name: 'QA', color: 'gray' }]);
    expect(created.body).not.toHaveProperty('order');
    const path = '/api/v1/environments/qa';
    const same = await server.request('PATCH', path, { body: { name: 'QA', order: null } });
    expect(same.body).toEqual(created.body);
    const { items } = (await server.request('GET', '/api/v1/audit?environment=*&limit=1')).body;
    expect(items).toMatchObject([{ action: 'environment.create' }]);
  });

  it.each([
    [{ order: -1 }, 'order', 'must be a whole number from 0 to 10000'],
    [{ staleDays: 0 }, 'staleDays', 'must be 1 to 3650 days'],
    [{ confirm: 'yes' }, 'confirm', 'must be true or false'],
    [{ name: 'a\nb' }, 'name', 'one line'],
    [{ colour: 'red' }, 'colour', 'color'],
    [{ createdAt: '2026-01-01T00:00:00Z' }, 'createdAt', ''],
  ])('are refused as %j', async (body, path, message) => {
    await using server = await startServer();
    const refused = await update(server, body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, path]);
    expect(refused.body.error.details[0].message).toContain(message);
  });

  it('may be changed by an admin of it, and an unknown one is named', async () => {
    await using server = await startServer();
    const key = await server.keyOf('admin');
    expect((await update(server, { name: 'Live' }, { key })).body.name).toBe('Live');
    const body = { name: 'x' };
    const other = await server.request('PATCH', '/api/v1/environments/development', { key, body });
    expect(other.status).toBe(403);
    const unknown = await server.request('PATCH', '/api/v1/environments/produktion', { body });
    expect([unknown.status, unknown.body.error.message]).toEqual([
      404,
      expect.stringContaining('did you mean "production"'),
    ]);
  });

  it('stay when a file of flagd is imported', async () => {
    await using server = await startServer();
    await update(server, { name: 'Live', confirm: true });
    const flags = { f: { state: 'ENABLED', variants: { on: true }, defaultVariant: 'on' } };
    const path = '/api/v1/import?environment=production&overwrite=true';
    const imported = await server.request('POST', path, { body: { flags } });
    expect([imported.status, imported.body.environments[0].changes.length]).toEqual([200, 1]);
    expect(await production(server)).toMatchObject({ name: 'Live', confirm: true });
  });
});

describe('keys', () => {
  it('show their secret only when they are created', async () => {
    await using server = await startServer();
    const made = await server.request('POST', '/api/v1/keys', {
      body: { name: 'web', role: 'client', environment: 'production' },
    });
    expect(made.status).toBe(201);
    const { secret, ...shown } = made.body;
    expect(
      (await server.request('POST', '/api/v1/evaluations', { key: secret, body: { context: {} } }))
        .status,
    ).toBe(200);
    const listed = await server.request('GET', '/api/v1/keys');
    expect(listed.body.items).toContainEqual(shown);
    const audit = await server.request('GET', '/api/v1/audit?environment=*');
    expect(listed.text + audit.text + server.logs()).not.toContain(secret);
    expect(listed.text + audit.text).not.toMatch(/hash/);
  });

  it('are rejected if they are missing, unknown, malformed, contradictory, revoked or expired', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const status = async (headers: Record<string, string>) =>
      (await server.request('GET', '/api/v1/flags', { key: null, headers })).status;
    const expiring = await server.keyOf('viewer', 'production', {
      expiresAt: '2026-01-31T13:00:00Z',
    });
    expect(await status({})).toBe(401);
    expect(await status({ authorization: 'Bearer unknown' })).toBe(401);
    expect(await status({ authorization: `Basic ${expiring}` })).toBe(401);
    expect(await status({ authorization: `Bearer ${expiring}`, 'x-api-key': 'other' })).toBe(401);
    expect(await status({ 'x-api-key': expiring })).toBe(200);
    clock.advance(3_600_000);
    expect(await status({ 'x-api-key': expiring })).toBe(401);
    const made = await server.request('POST', '/api/v1/keys', {
      body: { name: 'v', role: 'viewer', environment: 'production' },
    });
    expect(await status({ 'x-api-key': made.body.secret })).toBe(200);
    expect((await server.request('DELETE', `/api/v1/keys/${made.body.id}`)).status).toBe(204);
    expect(await status({ 'x-api-key': made.body.secret })).toBe(401);
  });

  it.each([
    ['a server key for all environments', { role: 'server', environment: '*' }],
    ['a client key for all environments', { role: 'client', environment: '*' }],
    ['an environment that does not exist', { role: 'viewer', environment: 'missing' }],
    ['an unknown role', { role: 'owner', environment: 'production' }],
    [
      'an expiry in the past',
      { role: 'viewer', environment: 'production', expiresAt: '2020-01-01T00:00:00Z' },
    ],
    [
      'an expiry whose offset moves it past the year 9999',
      { role: 'viewer', environment: 'production', expiresAt: '9999-12-31T23:59:59-00:01' },
    ],
    [
      'allowed origins on a server key',
      { role: 'server', environment: 'production', allowedOrigins: ['https://a.example'] },
    ],
  ])('cannot be created: %s', async (_, body) => {
    await using server = await startServer();
    expect(
      (await server.request('POST', '/api/v1/keys', { body: { name: 'k', ...body } })).status,
    ).toBe(400);
  });

  it("are managed by their own environment's admin only", async () => {
    await using server = await startServer();
    const key = await server.keyOf('admin', 'development');
    const create = async (environment: string, role = 'viewer') =>
      (
        await server.request('POST', '/api/v1/keys', {
          key,
          body: { name: 'k', role, environment },
        })
      ).status;
    expect(await create('development')).toBe(201);
    expect(await create('production')).toBe(403);
    expect(await create('*')).toBe(403);
    const { body } = await server.request('GET', '/api/v1/keys', { key });
    expect(
      new Set(body.items.map(({ environment }: { environment: string }) => environment)),
    ).toEqual(new Set(['development']));
    expect((await server.request('DELETE', '/api/v1/keys/admin', { key })).status).toBe(404);
    expect(
      (await server.request('POST', '/api/v1/environments', { key, body: { key: 'x' } })).status,
    ).toBe(403);
  });

  it.each([
    ['5,000 characters', 'x'.repeat(5_000)],
    ['no characters', ''],
    ['a slash', 'a/b?c'],
    ['half a surrogate pair', '\ud800'],
  ])(
    'with an id of %s, of an earlier version, are listed under a short id and revoked by it',
    async (_, id) => {
      let store = openMemoryStore({ random: secureRandom });
      await using server = await startServer({ wrapStore: opened => (store = opened) });
      const secret = 'a-secret-of-an-earlier-version';
      const key: KeyDocument = {
        id,
        name: 'old',
        role: 'viewer',
        environment: 'production',
        createdAt: '2026-01-01T00:00:00.000Z',
        hash: hashSecret(secret),
      };
      const head = await store.head(CONTROL_LEDGER);
      if (head === undefined) throw new Error('the control ledger is missing');
      const writes = { keys: new Map([[id, key]]) };
      await store.commit(CONTROL_LEDGER, { expect: head, writes, audit: [] });
      const status = async () =>
        (await server.request('GET', '/api/v1/flags', { key: secret })).status;
      await expect.poll(status).toBe(200);
      const { body } = await server.request('GET', '/api/v1/keys');
      const listed = body.items.find(({ name }: { name: string }) => name === 'old');
      expect(listed.id).toMatch(/^legacy-[0-9a-f]{24}$/);
      const exported = (await server.request('GET', '/api/v1/export')).body;
      expect(exported.keys).toMatchObject([{ id: listed.id }]);
      const imported = await server.request('POST', '/api/v1/import', { body: exported });
      expect(imported.body.keys).toMatchObject([{ id: listed.id, outcome: 'unchanged' }]);
      expect((await server.request('DELETE', `/api/v1/keys/${listed.id}`)).status).toBe(204);
      expect(await status()).toBe(401);
    },
  );

  it('cannot be revoked if only one admin key for all environments is left', async () => {
    await using server = await startServer();
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(409);
    await server.keyOf('admin', '*');
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(204);
  });

  it('with allowed origins are rejected for pages of other origins', async () => {
    await using server = await startServer();
    const key = await server.keyOf('client', 'production', {
      allowedOrigins: ['https://a.example'],
    });
    const from = async (origin: string) =>
      (
        await server.request('POST', '/api/v1/evaluations', {
          key,
          body: { context: {} },
          headers: { origin },
        })
      ).status;
    expect(await from('https://a.example')).toBe(200);
    expect(await from('https://b.example')).toBe(403);
  });

  it.each(['environments', 'keys'])('list pages of %s', async list => {
    await using server = await startServer();
    for (const name of ['a', 'b', 'c']) {
      await server.request('POST', '/api/v1/environments', { body: { key: name } });
      await server.keyOf('viewer', name);
    }
    const all = await server.request('GET', `/api/v1/${list}?limit=200`);
    const first = await server.request('GET', `/api/v1/${list}?limit=2`);
    const rest = await server.request(
      'GET',
      `/api/v1/${list}?limit=200&cursor=${first.body.nextCursor}`,
    );
    expect([...first.body.items, ...rest.body.items]).toEqual(all.body.items);
    expect([first.body.items.length, rest.body.nextCursor, all.body.nextCursor]).toEqual([
      2,
      null,
      null,
    ]);
    for (const query of ['limit=0', 'limit=201', 'cursor=made-up']) {
      expect((await server.request('GET', `/api/v1/${list}?${query}`)).status).toBe(400);
    }
  });
});
