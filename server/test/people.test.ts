import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Grant } from '@pennon/schema';

import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startServer, type RequestOptions, type TestServer } from './support/server.ts';
import { joinAs, joinWith, OWN_PAGE, PASSWORD, signIn } from './support/sign-in.ts';

let clock: FakeClock;
let server: TestServer;
beforeEach(async () => {
  clock = createFakeClock();
  server = await startServer({ clock });
});
afterEach(() => server.close());

const EMAIL = 'ada@example.com';
const EDITOR: Grant = { environment: 'production', role: 'editor' };
const VIEWER: Grant = { environment: 'production', role: 'viewer' };
const ADMIN: Grant = { environment: '*', role: 'admin' };

type Sent = RequestOptions & { readonly cookie: string };

const withCookie = ({ cookie, ...options }: Sent): RequestOptions => ({
  key: null,
  ...options,
  headers: { ...OWN_PAGE, cookie },
});

const me = (cookie: string) => server.request('GET', '/auth/me', withCookie({ cookie }));
const idOf = async (cookie: string): Promise<string> => (await me(cookie)).body.id;
const invite = (body: object) => server.request('POST', '/api/v1/invitations', { body });
const patch = (id: string, body: object) =>
  server.request('PATCH', `/api/v1/people/${id}`, { body });
const post = (path: string, body: object) =>
  server.request('POST', path, { key: null, headers: OWN_PAGE, body });
const call = (cookie: string, procedure: string, body: object) =>
  server.request('POST', `/trpc/${procedure}`, withCookie({ cookie, body }));
const signInAda = (password = PASSWORD) => post('/auth/session', { email: EMAIL, password });

describe('an invitation', () => {
  it('makes a person with its roles, who is signed in and can sign in again', async () => {
    const { body } = await invite({ email: ' Ada@Example.com ', grants: [EDITOR] });
    expect(body).toMatchObject({ email: EMAIL, grants: [EDITOR], by: 'admin' });
    expect(body.path).toMatch(/^\/join#[a-z0-9]{12}-[a-z0-9]{50}$/);
    const cookie = await joinWith(server, body.path, { name: 'Ada', password: PASSWORD });
    expect((await me(cookie)).body).toMatchObject({
      kind: 'person',
      name: 'Ada',
      grants: [EDITOR],
    });
    expect((await me(await signIn(server, { email: EMAIL, password: PASSWORD }))).status).toBe(200);
    const people = (await server.request('GET', '/api/v1/people')).body.items;
    expect(people).toEqual([
      {
        id: expect.any(String),
        email: EMAIL,
        name: 'Ada',
        state: 'active',
        grants: [EDITOR],
        hasPassword: true,
        createdAt: expect.any(String),
      },
    ]);
  });

  it('can be used once, for seven days, unless it is withdrawn', async () => {
    const { body: used } = await invite({ email: EMAIL, grants: [EDITOR] });
    await joinWith(server, used.path, { name: 'Ada', password: PASSWORD });
    const { body: withdrawn } = await invite({ email: 'bo@example.com', grants: [EDITOR] });
    await server.request('DELETE', `/api/v1/invitations/${withdrawn.id}`);
    const { body: old } = await invite({ email: 'cy@example.com', grants: [EDITOR] });
    clock.jump(7 * 86_400_000);
    for (const { path } of [used, withdrawn, old]) {
      const fields = { token: path.split('#')[1], name: 'X', password: PASSWORD };
      expect((await post('/auth/join', fields)).status).toBe(404);
    }
    expect((await server.request('GET', '/api/v1/invitations')).body.items).toEqual([]);
  });

  it.each([
    [{ email: 'no', grants: [EDITOR] }, 'email'],
    [{ email: EMAIL }, 'grants'],
    [{ email: EMAIL, grants: [] }, 'grants'],
    [{ email: EMAIL, grants: [{ environment: 'absent', role: 'viewer' }] }, 'grants.0.environment'],
    [{ email: EMAIL, grants: [{ environment: '*', role: 'server' }] }, 'grants.0.role'],
    [{ email: EMAIL, grants: [EDITOR, VIEWER] }, 'grants'],
    [{ grants: [EDITOR] }, 'email'],
  ])('is refused with %j', async (body, path) => {
    const { status, body: error } = await invite(body);
    expect([status, error.error.details[0].path]).toEqual([400, path]);
  });

  it('is refused for a person who is known', async () => {
    await joinAs(server, [EDITOR], EMAIL);
    expect((await invite({ email: 'ADA@example.com', grants: [EDITOR] })).status).toBe(409);
  });

  it.each([
    ['short', 'eleven char'],
    ['the e-mail address', 'Ada.Lovelace@Example.com'],
    ['the name', 'Augusta Ada Lovelace'],
    ['one repeated character', 'aaaaaaaaaaaaaaaa'],
    ['too long', 'long'.repeat(51)],
  ])('refuses a password that is %s', async (_, password) => {
    const { body } = await invite({ email: 'ada.lovelace@example.com', grants: [EDITOR] });
    const fields = { token: body.path.split('#')[1], name: 'Augusta Ada Lovelace', password };
    const response = await post('/auth/join', fields);
    expect([response.status, response.body.error.details[0].path]).toEqual([400, 'password']);
    expect(response.text).not.toContain(password);
  });
});

describe('a person', () => {
  it('is named in the audit log', async () => {
    const cookie = await joinAs(server, [EDITOR], EMAIL);
    await call(cookie, 'flags.create', { key: 'a', enabled: true });
    const { body } = await server.api('GET', '/audit?flag=a');
    expect(body.items[0].actor).toEqual({ kind: 'person', id: await idOf(cookie), name: EMAIL });
    const versions = await server.api('GET', '/flags/a/versions');
    expect(versions.body.items[0].actor.kind).toBe('person');
    const all = await server.request('GET', '/api/v1/audit?environment=*');
    expect(all.body.items.map(({ action }: { action: string }) => action)).toEqual(
      expect.arrayContaining(['invitation.create', 'person.create', 'session.create']),
    );
    expect(all.text).not.toMatch(/argon2id|scrypt|"hash"/);
  });

  it('has the highest of their own roles and those of their groups, at once', async () => {
    const cookie = await joinAs(server, [VIEWER]);
    const create = () => call(cookie, 'flags.create', { key: 'a', enabled: true });
    expect((await create()).status).toBe(403);
    const group = { key: 'team', name: 'Team', grants: [EDITOR], members: [await idOf(cookie)] };
    expect((await server.request('POST', '/api/v1/groups', { body: group })).status).toBe(201);
    expect((await create()).status).toBe(200);
    await server.request('PATCH', '/api/v1/groups/team', { body: { members: [] } });
    expect((await call(cookie, 'flags.delete', { key: 'a' })).status).toBe(403);
    await server.request('DELETE', '/api/v1/groups/team');
    expect((await server.request('GET', '/api/v1/groups')).body.items).toEqual([]);
  });

  it('reaches only the environments of their roles', async () => {
    const cookie = await joinAs(server, [{ environment: '*', role: 'viewer' }, EDITOR]);
    const create = (fields: object) => call(cookie, 'flags.create', { key: 'a', ...fields });
    expect((await create({ environment: 'production', enabled: true })).status).toBe(200);
    expect((await create({ environment: 'development', enabled: true })).status).toBe(403);
    const copy = { environment: 'production', key: 'a', to: 'development' };
    expect((await call(cookie, 'flags.copy', copy)).status).toBe(403);
  });

  it.each([
    ['is disabled', (id: string) => patch(id, { state: 'disabled' })],
    ['is deleted', (id: string) => server.request('DELETE', `/api/v1/people/${id}`)],
  ])('who %s is signed out, and cannot sign in', async (_, end) => {
    const cookie = await joinAs(server, [EDITOR], EMAIL);
    const id = await idOf(cookie);
    const token = await call(cookie, 'account.createToken', {
      name: 't',
      role: 'editor',
      environment: '*',
    });
    const key = token.body.result.data.secret;
    expect((await server.api('GET', '/flags', { key })).status).toBe(200);
    expect((await end(id)).status).toBeLessThan(300);
    expect((await me(cookie)).status).toBe(401);
    expect((await signInAda()).status).toBe(401);
    expect((await server.api('GET', '/flags', { key })).status).toBeGreaterThanOrEqual(401);
  });

  it('with no role left cannot sign in', async () => {
    const cookie = await joinAs(server, [EDITOR], EMAIL);
    await patch(await idOf(cookie), { grants: [] });
    const { status, body } = await signInAda();
    expect([status, body.error.message]).toEqual([
      403,
      'you have no role yet: an admin can give you one',
    ]);
  });

  it('may manage people only as admin of all environments', async () => {
    const cookie = await joinAs(server, [{ environment: 'production', role: 'admin' }]);
    const list = server.request('GET', '/trpc/people.list?input=%7B%7D', withCookie({ cookie }));
    expect((await list).status).toBe(403);
    const key = await server.keyOf('admin');
    expect((await server.request('GET', '/api/v1/people', { key })).status).toBe(403);
  });

  it('ends other subscriptions when their roles change', async () => {
    const cookie = await joinAs(server, [VIEWER]);
    const url = await server.listen();
    const input = encodeURIComponent('{"environment":"production"}');
    const { body } = await fetch(`${url}/trpc/flags.watch?input=${input}`, { headers: { cookie } });
    const reader = body?.getReader();
    await reader?.read();
    await patch(await idOf(cookie), { state: 'disabled' });
    const drain = async () => {
      while ((await reader?.read())?.done === false);
    };
    await expect(drain()).resolves.toBeUndefined();
  });
});

describe('the last admin', () => {
  it('of all environments cannot be disabled, removed or lose the role; a key counts', async () => {
    const cookie = await joinAs(server, [ADMIN], EMAIL);
    const id = await idOf(cookie);
    expect((await patch(id, { grants: [] })).status).toBe(200);
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(409);
    await patch(id, { grants: [ADMIN] });
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(204);
    for (const change of [{ grants: [] }, { grants: [EDITOR] }, { state: 'disabled' }])
      expect((await call(cookie, 'people.update', { id, ...change })).status).toBe(409);
    expect((await call(cookie, 'people.delete', { id })).status).toBe(409);
    const { status } = await call(cookie, 'keys.create', {
      name: 'k',
      role: 'admin',
      environment: '*',
    });
    expect(status).toBe(200);
    expect((await call(cookie, 'people.delete', { id })).status).toBe(200);
  });

  it('can be a member of a group, which then keeps the role', async () => {
    const cookie = await joinAs(server, [VIEWER]);
    const group = { key: 'admins', name: 'A', grants: [ADMIN], members: [await idOf(cookie)] };
    await server.request('POST', '/api/v1/groups', { body: group });
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(204);
    expect((await call(cookie, 'groups.delete', { key: 'admins' })).status).toBe(409);
    expect((await call(cookie, 'groups.update', { key: 'admins', members: [] })).status).toBe(409);
  });
});

describe('a password', () => {
  it('that is wrong, and an unknown address, have the same error', async () => {
    await joinAs(server, [EDITOR], EMAIL);
    const wrong = await signInAda('wrong password');
    const unknown = await post('/auth/session', { email: 'x@y.example', password: PASSWORD });
    expect([wrong.status, wrong.text]).toEqual([401, unknown.text]);
  });

  it('that is wrong five times must wait, twice as long each time, up to 15 minutes', async () => {
    await joinAs(server, [EDITOR], EMAIL);
    for (let i = 0; i < 5; i += 1) expect((await signInAda('wrong password')).status).toBe(401);
    for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
      const { status, headers } = await signInAda();
      expect([status, headers['retry-after']]).toEqual([429, String(seconds)]);
      clock.jump(seconds * 1_000);
      expect((await signInAda('wrong password')).status).toBe(401);
    }
    clock.jump(900_000);
    expect((await signInAda()).status).toBe(204);
    expect((await signInAda('wrong password')).status).toBe(401);
  });

  it('is checked with at most one other at a time', async () => {
    await joinAs(server, [EDITOR], EMAIL);
    const all = await Promise.all([1, 2, 3].map(() => signInAda()));
    expect(all.map(({ status }) => String(status)).toSorted()).toEqual(['204', '204', '429']);
  });

  it('that is changed ends the other sessions', async () => {
    const cookie = await joinAs(server, [EDITOR], EMAIL);
    const other = await signIn(server, { email: EMAIL, password: PASSWORD });
    const change = (current: string, password: string) =>
      call(cookie, 'account.changePassword', { current, password });
    expect((await change('wrong password', 'another long one')).status).toBe(400);
    expect((await change(PASSWORD, 'another long one')).status).toBe(200);
    expect((await me(cookie)).status).toBe(200);
    expect((await me(other)).status).toBe(401);
    expect((await signInAda()).status).toBe(401);
    expect((await signInAda('another long one')).status).toBe(204);
  });

  it('that is reset by an admin ends all sessions', async () => {
    const cookie = await joinAs(server, [EDITOR], EMAIL);
    const { body } = await invite({ person: await idOf(cookie) });
    const fresh = await joinWith(server, body.path, { password: 'another long one' });
    expect((await me(fresh)).body.grants).toEqual([EDITOR]);
    expect((await me(cookie)).status).toBe(401);
    expect((await signInAda('another long one')).status).toBe(204);
  });

  it('is of no use if passwords are off', async () => {
    await using off = await startServer({ signIn: { passwords: false } });
    const methods = await off.request('GET', '/auth/methods', { key: null });
    expect(methods.body).toEqual({ passwords: false });
    for (const [path, body] of [
      ['/auth/session', { email: EMAIL, password: PASSWORD }],
      ['/auth/join', { token: 'x', name: 'Ada', password: PASSWORD }],
    ] as const) {
      const response = await off.request('POST', path, { key: null, headers: OWN_PAGE, body });
      expect([path, response.status]).toEqual([path, 403]);
    }
  });
});

describe('sessions', () => {
  const list = async (cookie: string) =>
    (await server.request('GET', '/trpc/sessions.list?input=%7B%7D', withCookie({ cookie }))).body
      .result.data.items;

  it('are listed and ended by their person, and by admins', async () => {
    const ada = await joinAs(server, [EDITOR], EMAIL);
    const bo = await joinAs(server, [EDITOR], 'bo@example.com');
    expect(await list(ada)).toMatchObject([{ name: EMAIL, via: 'invitation', isCurrent: true }]);
    const all = (await server.request('GET', '/api/v1/sessions')).body.items;
    expect(all.map(({ name }: { name: string }) => name).toSorted()).toEqual([
      EMAIL,
      'bo@example.com',
    ]);
    const [{ id }] = await list(bo);
    expect((await call(ada, 'sessions.delete', { id })).status).toBe(404);
    expect((await server.request('DELETE', `/api/v1/sessions/${id}`)).status).toBe(204);
    expect((await me(bo)).status).toBe(401);
  });
});

describe('a personal token', () => {
  const create = async (cookie: string, fields: object) =>
    (await call(cookie, 'account.createToken', { name: 'laptop', environment: '*', ...fields }))
      .body.result.data;

  it('is worth the lower of its role and the one that its person has now', async () => {
    const cookie = await joinAs(server, [{ environment: '*', role: 'viewer' }, EDITOR]);
    const { secret: key } = await create(cookie, { role: 'admin' });
    const { secret: reader } = await create(cookie, { role: 'viewer' });
    const make = async (environment: string, secret: string, flag: string) =>
      (
        await server.request('POST', `/api/v1/flags?environment=${environment}`, {
          key: secret,
          body: { key: flag, enabled: true },
        })
      ).status;
    expect(await make('production', key, 'a')).toBe(201);
    expect(await make('development', key, 'a')).toBe(403);
    expect(await make('production', reader, 'b')).toBe(403);
    await patch(await idOf(cookie), { grants: [VIEWER] });
    expect(await make('production', key, 'b')).toBe(403);
    await patch(await idOf(cookie), { grants: [ADMIN] });
    expect(await make('development', key, 'a')).toBe(201);
    const { body } = await server.api('GET', '/audit?flag=a');
    expect(body.items[0].actor).toMatchObject({ kind: 'key', name: 'laptop' });
  });

  it('is listed and revoked by its person, and by admins among the keys', async () => {
    const cookie = await joinAs(server, [EDITOR]);
    const { id, secret: key } = await create(cookie, { role: 'editor' });
    const other = await joinAs(server, [EDITOR]);
    const own = await server.request(
      'GET',
      '/trpc/account.listTokens?input=%7B%7D',
      withCookie({ cookie }),
    );
    expect(own.body.result.data.items).toMatchObject([{ id, person: await idOf(cookie) }]);
    const keys = (await server.request('GET', '/api/v1/keys')).body.items;
    expect(keys).toContainEqual(expect.objectContaining({ id, person: await idOf(cookie) }));
    expect((await call(other, 'account.deleteToken', { id })).status).toBe(404);
    expect((await server.request('DELETE', `/api/v1/keys/${id}`)).status).toBe(204);
    expect((await server.api('GET', '/flags', { key })).status).toBe(401);
  });

  it('evaluates by OFREP, without an event stream', async () => {
    const cookie = await joinAs(server, [ADMIN]);
    const { secret: key } = await create(cookie, { role: 'admin' });
    const path = '/ofrep/v1/evaluate/flags?environment=production';
    const { status, body } = await server.request('POST', path, { key, body: { context: {} } });
    expect(status).toBe(200);
    expect(body).toEqual({ flags: [] });
  });

  it('cannot sign in, nor make tokens', async () => {
    const cookie = await joinAs(server, [EDITOR]);
    const { secret: key } = await create(cookie, { role: 'editor' });
    expect((await post('/auth/session', { key })).status).toBe(403);
    const body = { name: 't', role: 'viewer', environment: '*' };
    const response = await server.request('POST', '/trpc/account.createToken', { key, body });
    expect(response.status).toBe(403);
  });
});
