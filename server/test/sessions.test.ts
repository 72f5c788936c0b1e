import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { ADMIN_KEY, startServer, type RequestOptions, type TestServer } from './support/server.ts';
import { cookieOf, OWN_PAGE, signIn } from './support/sign-in.ts';

let clock: FakeClock;
let server: TestServer;
beforeEach(async () => {
  clock = createFakeClock();
  server = await startServer({ clock });
});
afterEach(() => server.close());

/** Sends a request with a session and without a key. */
const withCookie = (cookie: string, options: RequestOptions = {}): RequestOptions => ({
  key: null,
  ...options,
  headers: { ...OWN_PAGE, cookie, ...options.headers },
});

const me = (cookie: string) => server.request('GET', '/auth/me', withCookie(cookie));

describe('signing in with a key', () => {
  it('sets a cookie that only this host receives, over HTTPS, and that scripts cannot read', async () => {
    const response = await server.request('POST', '/auth/session', {
      key: null,
      headers: OWN_PAGE,
      body: { key: ADMIN_KEY },
    });
    expect(response.status).toBe(204);
    expect(String(response.headers['set-cookie'])).toMatch(
      /^__Host-pennon=[a-z0-9]{12}-[a-z0-9]{50}; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
  });

  it('is the key itself: its name, roles and changes', async () => {
    const cookie = await signIn(server, { key: await server.keyOf('editor') });
    expect((await me(cookie)).body).toEqual({
      kind: 'key',
      id: expect.any(String),
      name: 'editor of production',
      grants: [{ environment: 'production', role: 'editor' }],
      expiresAt: '2026-02-01T00:00:00.000Z',
    });
    const create = withCookie(cookie, { body: { key: 'a', enabled: true } });
    expect((await server.request('POST', '/trpc/flags.create', create)).status).toBe(200);
    const { body } = await server.api('GET', '/audit?action=flag.create');
    expect(body.items[0].actor).toMatchObject({ kind: 'key', name: 'editor of production' });
  });

  it.each(['server', 'client'] as const)('refuses a %s key', async role => {
    const response = await server.request('POST', '/auth/session', {
      key: null,
      headers: OWN_PAGE,
      body: { key: await server.keyOf(role) },
    });
    expect([response.status, response.body.error.message]).toEqual([
      403,
      `a key with role "${role}" cannot sign in: use a key with role "admin", "editor" or "viewer"`,
    ]);
  });

  it.each([
    [{ key: 'unknown-key-0123456789' }, 401],
    [{ key: '' }, 400],
    [{}, 400],
    [{ key: 'k', extra: 1 }, 400],
    [{ key: 'k'.repeat(5_000) }, 413],
  ])('refuses the body %j', async (body, status) => {
    const options = { key: null, headers: OWN_PAGE, body };
    expect((await server.request('POST', '/auth/session', options)).status).toBe(status);
  });

  it.each([
    [{ key: 'k', email: 'ada@example.com' }, 'cannot be combined with "email" or "password"'],
    [{ key: 'k', password: 'p' }, 'cannot be combined with "email" or "password"'],
    [{}, 'is missing: send it, or "email" and "password"'],
  ])('explains what to send in place of the body %j', async (body, message) => {
    const options = { key: null, headers: OWN_PAGE, body };
    const response = await server.request('POST', '/auth/session', options);
    expect(response.body.error.details).toEqual([{ path: 'key', message }]);
  });

  it('is in the audit log, and shows no secret', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    await server.request('DELETE', '/auth/session', withCookie(cookie));
    const { body, text } = await server.request('GET', '/api/v1/audit?environment=*&limit=2');
    expect(body.items).toMatchObject([
      { action: 'session.delete', kind: 'session', actor: { kind: 'key', id: 'admin' } },
      { action: 'session.create', after: { key: 'admin', via: 'key' } },
    ]);
    expect(text).not.toContain(cookie.split('-').at(-1));
    expect(text).not.toContain('hash');
  });

  it('ends the oldest of more than 50 sessions of a key', async () => {
    const first = await signIn(server, { key: ADMIN_KEY });
    for (let i = 0; i < 50; i += 1) {
      clock.advance(1_000);
      await signIn(server, { key: ADMIN_KEY });
    }
    expect((await me(first)).status).toBe(401);
  });
});

describe('a session', () => {
  it('ends after its hours', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    clock.jump(12 * 3_600_000 - 1);
    expect((await me(cookie)).status).toBe(200);
    clock.advance(1);
    expect((await me(cookie)).status).toBe(401);
  });

  it('ends when its key expires', async () => {
    const expiresAt = new Date(clock.now() + 60_000).toISOString();
    const key = await server.keyOf('viewer', 'production', { expiresAt });
    const cookie = await signIn(server, { key });
    expect((await me(cookie)).body.expiresAt).toBe(expiresAt);
    clock.advance(60_000);
    expect((await me(cookie)).status).toBe(401);
  });

  it('ends with its key', async () => {
    const cookie = await signIn(server, { key: await server.keyOf('viewer') });
    const { id } = (await me(cookie)).body;
    await server.request('DELETE', `/api/v1/keys/${id}`);
    expect((await me(cookie)).status).toBe(401);
  });

  it('ends when one signs out, and the browser removes the cookie', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const response = await server.request('DELETE', '/auth/session', withCookie(cookie));
    expect([response.status, response.headers['set-cookie']]).toEqual([
      204,
      '__Host-pennon=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    ]);
    expect((await me(cookie)).status).toBe(401);
    const again = await server.request('DELETE', '/auth/session', withCookie(cookie));
    expect(again.status).toBe(204);
  });

  it('is not opened by the id of another session', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const forged = `${cookie.slice(0, -50)}${'a'.repeat(50)}`;
    expect((await me(forged)).status).toBe(401);
    expect((await me('__Host-pennon=')).status).toBe(401);
    expect((await me('__Host-pennon=x')).status).toBe(401);
    expect((await me('other=1')).status).toBe(401);
  });

  it('opens tRPC and nothing else', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const status = async (path: string) =>
      (await server.request('GET', path, withCookie(cookie))).status;
    const input = encodeURIComponent('{"environment":"production"}');
    expect(await status(`/trpc/flags.list?input=${input}`)).toBe(200);
    for (const { method, url, access } of server.routes) {
      if (typeof access !== 'object' || method === 'HEAD') continue;
      const path = `${url.replaceAll(/:\w+/g, 'some')}?environment=production`;
      const response = await server.request(
        method as 'GET',
        path,
        withCookie(cookie, method === 'GET' || method === 'DELETE' ? {} : { body: {} }),
      );
      expect([method, url, response.status]).toEqual([method, url, 401]);
    }
  });

  it('gives way to a key in the headers', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const key = await server.keyOf('viewer');
    const options = { key, headers: { cookie }, body: { key: 'a', enabled: true } };
    expect((await server.request('POST', '/trpc/flags.create', options)).status).toBe(403);
  });
});

describe('a write with a cookie', () => {
  const write = async (cookie: string, headers: Record<string, string>) =>
    server.request('POST', '/trpc/flags.create', {
      key: null,
      headers: { cookie, host: 'flags.example.com', ...headers },
      body: { environment: 'production', key: 'a', enabled: true },
    });
  const own = { 'x-pennon-console': '1' };

  it.each([
    ['a page of another site', { ...own, 'sec-fetch-site': 'cross-site' }],
    ['a page at another port', { ...own, 'sec-fetch-site': 'same-site' }],
    ['a link', { ...own, 'sec-fetch-site': 'none' }],
    ['a form of the own origin', { 'sec-fetch-site': 'same-origin' }],
    ['a program without origin', own],
    ['another origin', { ...own, origin: 'http://evil.example.com' }],
    ['another port', { ...own, origin: 'http://flags.example.com:81' }],
    ['an opaque origin', { ...own, origin: 'null' }],
    [
      'a foreign page that claims an origin',
      { ...own, 'sec-fetch-site': 'cross-site', origin: 'http://flags.example.com' },
    ],
  ])('of %s is refused, as are signing in and out', async (_, headers: Record<string, string>) => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    expect((await write(cookie, headers)).status).toBe(403);
    const options = { key: null, headers: { cookie, ...headers }, body: { key: ADMIN_KEY } };
    expect((await server.request('POST', '/auth/session', options)).status).toBe(403);
    expect((await server.request('DELETE', '/auth/session', options)).status).toBe(403);
    expect((await me(cookie)).status).toBe(200);
  });

  it.each([
    { ...own, 'sec-fetch-site': 'same-origin' },
    { ...own, origin: 'http://flags.example.com' },
    { ...own, origin: 'https://flags.example.com' },
  ])('of a page of this server is accepted: %j', async headers => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    expect((await write(cookie, headers)).status).toBe(200);
  });

  it('is not possible with GET', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const path = '/trpc/flags.create?input=%7B%7D';
    expect((await server.request('GET', path, withCookie(cookie))).status).toBe(405);
    expect((await server.request('GET', '/auth/session', withCookie(cookie))).status).toBe(405);
  });
});

describe('over plain HTTP', () => {
  const post = (origin: string, target = server) =>
    target.request('POST', '/auth/session', {
      key: null,
      headers: { 'x-pennon-console': '1', origin, host: new URL(origin).host },
      body: { key: ADMIN_KEY },
    });

  it('signing in from another machine explains why it cannot work', async () => {
    const response = await post('http://flags.internal:4400');
    expect([response.status, response.body.error.message]).toEqual([
      403,
      expect.stringContaining('PENNON_INSECURE_COOKIES=1'),
    ]);
  });

  it.each(['http://127.0.0.1:4400', 'http://localhost:4400', 'http://[::1]:4400', 'https://a.b'])(
    'signing in at %s works',
    async origin => {
      expect((await post(origin)).status).toBe(204);
    },
  );

  it('works from other machines if the operator accepts insecure cookies', async () => {
    await using open = await startServer({ signIn: { allowsInsecureCookies: true } });
    const response = await post('http://flags.internal:4400', open);
    expect(response.headers['set-cookie']).toMatch(
      /^pennon=[a-z0-9-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    const cookie = cookieOf(response);
    const options = { key: null, headers: { cookie } };
    expect((await open.request('GET', '/auth/me', options)).status).toBe(200);
  });
});

describe('a subscription with a cookie', () => {
  /** Follows the flags with a cookie, as the console does. Resolves to how to wait for the end of the stream. */
  const follow = async (cookie: string): Promise<() => Promise<void>> => {
    const url = `${await server.listen()}/trpc/flags.watch?input=%7B%22environment%22%3A%22production%22%7D`;
    const { body } = await fetch(url, { headers: { cookie, accept: 'text/event-stream' } });
    const reader = body?.getReader();
    const decoder = new TextDecoder();
    const seen = [];
    while (!seen.join('').includes('"event":"set"'))
      seen.push(decoder.decode((await reader?.read())?.value));
    return async () => {
      while ((await reader?.read())?.done === false);
    };
  };

  it('ends when one signs out', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const ended = await follow(cookie);
    await server.request('DELETE', '/auth/session', withCookie(cookie));
    await expect(ended()).resolves.toBeUndefined();
  });

  it('ends with its key', async () => {
    const cookie = await signIn(server, { key: await server.keyOf('viewer') });
    const { id } = (await me(cookie)).body;
    const ended = await follow(cookie);
    await server.request('DELETE', `/api/v1/keys/${id}`);
    await expect(ended()).resolves.toBeUndefined();
  });

  it('ends when its session expires', async () => {
    const cookie = await signIn(server, { key: ADMIN_KEY });
    const ended = await follow(cookie);
    clock.jump(12 * 3_600_000);
    await expect(ended()).resolves.toBeUndefined();
  });
});
