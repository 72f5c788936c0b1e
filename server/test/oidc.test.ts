import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Grant } from '@pennon/schema';

import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startProvider, type TestProvider, type TestUser } from './support/oidc-provider.ts';
import { startServer, type TestResponse, type TestServer } from './support/server.ts';
import { cookieOf, joinAs, OWN_PAGE } from './support/sign-in.ts';

const URL_OF_SERVER = 'https://flags.example.com';
const START = '/auth/oidc/start';
const EDITOR: Grant = { environment: 'production', role: 'editor' };
const VIEWER: Grant = { environment: 'production', role: 'viewer' };
const ADMIN: Grant = { environment: '*', role: 'admin' };
const ADA: TestUser = {
  sub: 'ada-1',
  name: 'Ada Lovelace',
  email: 'Ada@Example.com',
  email_verified: true,
};
const EMAIL = 'ada@example.com';

let provider: TestProvider;
beforeAll(async () => {
  provider = await startProvider({ url: URL_OF_SERVER });
});
afterAll(() => provider.close());

let clock: FakeClock;
let server: TestServer;
beforeEach(async () => {
  clock = createFakeClock();
  server = await startServer({ clock, signIn: { oidc: provider.settings() } });
});
afterEach(() => server.close());

const get = (path: string, cookie = '') =>
  server.request('GET', path, { key: null, headers: { cookie } });
const me = (cookie: string) => get('/auth/me', cookie);
const api = async (path: string) => (await server.request('GET', `/api/v1${path}`)).body.items;
const pathOf = ({ pathname, search }: URL): string => pathname + search;
const locationOf = ({ headers }: TestResponse): string => String(headers['location']);

/** Begins a sign-in. Returns the address of the provider, and the cookie of the browser. */
const begin = async (to?: string) => {
  const query = to === undefined ? '' : `?to=${encodeURIComponent(to)}`;
  const response = await get(START + query);
  expect(response.status).toBe(302);
  return { address: locationOf(response), cookie: cookieOf(response) };
};

/** Begins a sign-in and signs in at the provider. Returns the address that it sends the browser to, and the cookie. */
const visit = async (user: TestUser | undefined, to?: string) => {
  const { address, cookie } = await begin(to);
  provider.setUser(user);
  return { callback: await provider.visit(address), cookie };
};

const signIn = async (user: TestUser | undefined, to?: string): Promise<TestResponse> => {
  const { callback, cookie } = await visit(user, to);
  return get(pathOf(callback), cookie);
};

/** Signs in. Returns the cookie of the session. */
const sessionOf = async (user: TestUser): Promise<string> => {
  const response = await signIn(user);
  expect(locationOf(response)).toBe(`${URL_OF_SERVER}/flags`);
  return cookieOf(response);
};

const problemOf = (response: TestResponse): string | null => {
  expect(response.status).toBe(302);
  expect(String(response.headers['set-cookie'])).not.toContain('__Host-pennon=');
  const { origin, pathname, searchParams } = new URL(locationOf(response));
  expect(origin + pathname).toBe(`${URL_OF_SERVER}/sign-in`);
  return searchParams.get('problem');
};

const invite = async (email = EMAIL, grants = [EDITOR]) => {
  const body = { email, grants };
  expect((await server.request('POST', '/api/v1/invitations', { body })).status).toBe(201);
};

const createGroup = async (fields: object) => {
  const body = { key: 'team', name: 'Team', grants: [EDITOR], ...fields };
  expect((await server.request('POST', '/api/v1/groups', { body })).status).toBe(201);
};

describe('a person who signs in with a provider', () => {
  it('uses their invitation, by the e-mail address that the provider has verified', async () => {
    await invite();
    const cookie = await sessionOf(ADA);
    expect((await me(cookie)).body).toMatchObject({
      kind: 'person',
      name: 'Ada Lovelace',
      grants: [EDITOR],
    });
    expect(await api('/people')).toEqual([
      {
        id: expect.any(String),
        email: EMAIL,
        name: 'Ada Lovelace',
        state: 'active',
        grants: [EDITOR],
        hasPassword: false,
        issuer: `${provider.issuer}/`,
        claims: [],
        createdAt: expect.any(String),
      },
    ]);
    expect(await api('/invitations')).toEqual([]);
    expect(await api('/sessions')).toMatchObject([{ via: 'oidc', name: 'Ada Lovelace' }]);
  });

  it('is the same one afterwards, even with another e-mail address', async () => {
    await invite();
    const { id } = (await me(await sessionOf(ADA))).body;
    const moved = { ...ADA, email: 'ada@new.example', email_verified: false };
    expect((await me(await sessionOf(moved))).body.id).toBe(id);
    expect(await api('/people')).toMatchObject([{ email: EMAIL }]);
  });

  it('can be one who has a password, and keeps it', async () => {
    const { id } = (await me(await joinAs(server, [EDITOR], EMAIL))).body;
    expect((await me(await sessionOf(ADA))).body.id).toBe(id);
    expect(await api('/people')).toMatchObject([{ hasPassword: true, name: EMAIL }]);
  });

  it('is named in the audit log, which has no secret of theirs', async () => {
    await invite();
    await sessionOf(ADA);
    const { body, text } = await server.request('GET', '/api/v1/audit?environment=*&limit=2');
    expect(body.items).toMatchObject([
      { action: 'session.create', actor: { kind: 'person', name: 'Ada Lovelace' } },
      { action: 'person.create', actor: { kind: 'person', name: 'Ada Lovelace' } },
    ]);
    expect(text).not.toMatch(/"hash"|ada-1/);
  });

  it('needs no password', async () => {
    await using off = await startServer({
      signIn: { passwords: false, oidc: provider.settings() },
    });
    const methods = await off.request('GET', '/auth/methods', { key: null });
    expect(methods.body).toEqual({ passwords: false, oidc: { name: 'Example' } });
  });

  it('can be the last admin of all environments, unless a group of the provider makes them one', async () => {
    await invite(EMAIL, [VIEWER]);
    await createGroup({ grants: [ADMIN], claims: ['ops'] });
    const cookie = await sessionOf({ ...ADA, groups: ['ops'] });
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(409);
    const { id } = (await me(cookie)).body;
    const body = { grants: [ADMIN] };
    expect((await server.request('PATCH', `/api/v1/people/${id}`, { body })).status).toBe(200);
    expect((await server.request('DELETE', '/api/v1/keys/admin')).status).toBe(204);
  });
});

describe('a person is refused', () => {
  it('whose e-mail address is not verified, although it is invited', async () => {
    await invite();
    for (const isVerified of [false, undefined]) {
      const user = { ...ADA, email_verified: isVerified };
      expect(problemOf(await signIn(user))).toBe('noRole');
    }
    expect(await api('/people')).toEqual([]);
    expect(await api('/invitations')).toHaveLength(1);
  });

  it('who has neither an invitation nor a group with a role', async () => {
    await createGroup({ claims: ['developers'] });
    expect(problemOf(await signIn({ ...ADA, groups: ['guests'] }))).toBe('noRole');
    expect(await api('/people')).toEqual([]);
  });

  it('who was disabled', async () => {
    await invite();
    const { id } = (await me(await sessionOf(ADA))).body;
    await server.request('PATCH', `/api/v1/people/${id}`, { body: { state: 'disabled' } });
    expect(problemOf(await signIn(ADA))).toBe('disabled');
  });

  it('who has the e-mail address of a former user of the provider', async () => {
    await invite();
    await sessionOf(ADA);
    expect(problemOf(await signIn({ ...ADA, sub: 'ada-2' }))).toBe('emailTaken');
    expect(await api('/people')).toHaveLength(1);
  });

  it('who cancels at the provider', async () => {
    await invite();
    expect(problemOf(await signIn(undefined))).toBe('refused');
  });
});

describe('the groups of a person at the provider', () => {
  it('make a new person, and have effect until the next sign-in', async () => {
    await createGroup({ claims: ['developers'] });
    const cookie = await sessionOf({ ...ADA, groups: ['developers', 'others'] });
    expect((await me(cookie)).body.grants).toEqual([EDITOR]);
    expect(await api('/people')).toMatchObject([
      { email: EMAIL, grants: [], claims: ['developers'] },
    ]);
    expect(problemOf(await signIn({ ...ADA, groups: ['others'] }))).toBe('noRole');
    expect((await me(cookie)).body.grants).toEqual([]);
    const again = await sessionOf({ ...ADA, groups: 'developers' });
    expect((await me(again)).body.grants).toEqual([EDITOR]);
  });

  it('lose their roles at once if the group here changes', async () => {
    await createGroup({ claims: ['developers'] });
    const cookie = await sessionOf({ ...ADA, groups: ['developers'] });
    await server.request('PATCH', '/api/v1/groups/team', { body: { grants: [VIEWER] } });
    expect((await me(cookie)).body.grants).toEqual([VIEWER]);
    await server.request('PATCH', '/api/v1/groups/team', { body: { claims: [] } });
    expect((await me(cookie)).body.grants).toEqual([]);
  });

  it('leave members that an admin has chosen', async () => {
    await invite(EMAIL, [VIEWER]);
    const { id } = (await me(await sessionOf(ADA))).body;
    await createGroup({ claims: ['developers'], members: [id] });
    expect((await me(await sessionOf({ ...ADA, groups: [] }))).body.grants).toEqual([EDITOR]);
  });

  it('make a person without an e-mail address that is verified, who cannot reset a password', async () => {
    await createGroup({ claims: ['developers'] });
    const user = { ...ADA, email_verified: false, groups: ['developers'] };
    const { id } = (await me(await sessionOf(user))).body;
    expect(await api('/people')).toMatchObject([{ id, email: '' }]);
    const reset = await server.request('POST', '/api/v1/invitations', { body: { person: id } });
    expect([reset.status, reset.body.error.details[0].path]).toEqual([400, 'person']);
    await sessionOf({ ...user, email_verified: true });
    expect(await api('/people')).toMatchObject([{ id, email: EMAIL }]);
  });
});

describe('a sign-in that is forged or repeated', () => {
  beforeEach(() => invite());

  it('with another state is refused', async () => {
    const { callback, cookie } = await visit(ADA);
    const { callback: other } = await visit(ADA);
    callback.searchParams.set('state', other.searchParams.get('state') ?? '');
    expect(problemOf(await get(pathOf(callback), cookie))).toBe('failed');
  });

  it('with another cookie, or none, is refused', async () => {
    const { callback, cookie } = await visit(ADA);
    const { cookie: other } = await begin();
    const changed = cookie.slice(0, -4) + (cookie.endsWith('AAAA') ? 'BBBB' : 'AAAA');
    expect(problemOf(await get(pathOf(callback), other))).toBe('failed');
    for (const value of ['', changed, '__Host-pennon-oidc=', '__Host-pennon-oidc=eyJ0byI6Ii8ifQ'])
      expect(problemOf(await get(pathOf(callback), value))).toBe('expired');
    expect(locationOf(await get(pathOf(callback), cookie))).toBe(`${URL_OF_SERVER}/flags`);
  });

  it('with the issuer of another provider, or none, is refused', async () => {
    for (const issuer of ['https://login.example.org', undefined]) {
      const { callback, cookie } = await visit(ADA);
      expect(callback.searchParams.get('iss')).toBe(provider.issuer);
      callback.searchParams.delete('iss');
      if (issuer !== undefined) callback.searchParams.set('iss', issuer);
      expect(problemOf(await get(pathOf(callback), cookie))).toBe('failed');
    }
  });

  it('with the code of another sign-in is refused', async () => {
    const { callback: stolen } = await visit(ADA);
    const { callback, cookie } = await visit(ADA);
    callback.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    expect(problemOf(await get(pathOf(callback), cookie))).toBe('failed');
  });

  it('is refused the second time, and the browser forgets it', async () => {
    const { callback, cookie } = await visit(ADA);
    const first = await get(pathOf(callback), cookie);
    expect(first.headers['set-cookie']).toEqual([
      expect.stringMatching(
        /^__Host-pennon=.+; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      ),
      '__Host-pennon-oidc=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    ]);
    expect(problemOf(await get(pathOf(callback), cookie))).toBe('failed');
  });

  it('is refused after ten minutes', async () => {
    const { callback, cookie } = await visit(ADA);
    clock.jump(600_000);
    expect(problemOf(await get(pathOf(callback), cookie))).toBe('expired');
  });

  it('cannot be read by the browser, which keeps it for ten minutes', async () => {
    const response = await get(START);
    const [, sealed = ''] =
      /^__Host-pennon-oidc=([\w-]+); Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/.exec(
        String(response.headers['set-cookie']),
      ) ?? [];
    expect(sealed).not.toBe('');
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('state');
    expect(response.headers['cache-control']).toBe('no-store');
    const address = new URL(locationOf(response));
    expect(Object.fromEntries(address.searchParams)).toMatchObject({
      response_type: 'code',
      redirect_uri: `${URL_OF_SERVER}/auth/oidc/callback`,
      code_challenge_method: 'S256',
      nonce: expect.any(String),
    });
  });
});

describe('the page that opens afterwards', () => {
  beforeEach(() => invite());

  it.each(['/flags?q=tag%3Aweb', '/flags/new-checkout?env=production', '/'])(
    'is the requested one, %s',
    async to => {
      expect(locationOf(await signIn(ADA, to))).toBe(URL_OF_SERVER + to);
    },
  );

  it.each([
    '//evil.example',
    String.raw`/\evil.example`,
    '/\t/evil.example',
    'https://evil.example/flags',
    'https://flags.example.com.evil.example/',
    'https://flags.example.com@evil.example/',
    'javascript:alert(1)',
    'flags',
  ])('is never one of another site, %s', async to => {
    const address = new URL(locationOf(await signIn(ADA, to)));
    expect(address.origin).toBe(URL_OF_SERVER);
    expect(address.pathname).not.toMatch(/evil/);
  });

  it('is the first one if the requested path would not fit into a cookie', async () => {
    const to = `/${'a'.repeat(2_000)}`;
    expect(locationOf(await signIn(ADA, to))).toBe(`${URL_OF_SERVER}/flags`);
  });

  it('is not one of another site if its path begins with slashes', async () => {
    const location = locationOf(await signIn(ADA, '/.//evil.example'));
    expect(location).toBe(`${URL_OF_SERVER}//evil.example`);
  });
});

describe('the provider', () => {
  it('that is away stops no start, and works as soon as it is back', async () => {
    const first = await startProvider({ url: URL_OF_SERVER });
    await first.close();
    await using away = await startServer({ signIn: { oidc: first.settings() } });
    const start = () => away.request('GET', START, { key: null });
    expect(problemOf(await start())).toBe('failed');
    expect(away.logs()).toMatch(/ECONNREFUSED.*signing in with the provider failed/);
    const back = await startProvider({ url: URL_OF_SERVER, port: first.port });
    try {
      expect(locationOf(await start())).toMatch(`${back.issuer}/auth?`);
    } finally {
      await back.close();
    }
  });

  it('that does not accept the client secret is in the log, without the code', async () => {
    await using other = await startServer({
      signIn: { oidc: provider.settings({ clientSecret: 'wrong-secret' }) },
    });
    const started = await other.request('GET', START, { key: null });
    provider.setUser(ADA);
    const callback = await provider.visit(locationOf(started));
    const headers = { cookie: cookieOf(started) };
    const response = await other.request('GET', pathOf(callback), { key: null, headers });
    expect(problemOf(response)).toBe('failed');
    expect(other.logs()).toContain('signing in with the provider failed');
    expect(other.logs()).not.toContain(callback.searchParams.get('code'));
  });

  it('sends browsers back below the base path', async () => {
    const url = `${URL_OF_SERVER}/pennon`;
    const other = await startProvider({ url });
    try {
      await using below = await startServer({
        basePath: '/pennon',
        signIn: { oidc: other.settings() },
      });
      const body = { email: EMAIL, grants: [EDITOR] };
      await below.request('POST', '/pennon/api/v1/invitations', { body });
      const started = await below.request('GET', `/pennon${START}?to=/flags`, { key: null });
      other.setUser(ADA);
      const callback = await other.visit(locationOf(started));
      const headers = { cookie: cookieOf(started) };
      const response = await below.request('GET', pathOf(callback), { key: null, headers });
      expect(locationOf(response)).toBe(`${url}/flags`);
    } finally {
      await other.close();
    }
  });

  it('is offered only if there is one', async () => {
    expect((await get('/auth/methods')).body).toEqual({
      passwords: true,
      oidc: { name: 'Example' },
    });
    await using without = await startServer();
    for (const path of [START, '/auth/oidc/callback'])
      expect((await without.request('GET', path, { key: null })).status).toBe(404);
  });
});

describe('an invitation', () => {
  it('shows who it is for to those who have its link, as long as it can be used', async () => {
    const body = { email: EMAIL, grants: [EDITOR] };
    const { path } = (await server.request('POST', '/api/v1/invitations', { body })).body;
    const read = (token: string) =>
      server.request('POST', '/auth/invitation', { key: null, headers: OWN_PAGE, body: { token } });
    const token = path.split('#')[1];
    expect((await read(token)).body).toEqual({ email: EMAIL, name: null });
    await sessionOf(ADA);
    expect((await read(token)).status).toBe(404);
    expect((await read('absent')).status).toBe(404);
    const from = { key: null, headers: { ...OWN_PAGE, 'sec-fetch-site': 'same-site' } };
    const other = await server.request('POST', '/auth/invitation', { ...from, body: { token } });
    expect(other.status).toBe(403);
  });
});
