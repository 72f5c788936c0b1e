import { afterEach, beforeEach, expect, it } from 'vitest';

import { OWN_PAGE } from '../support/sign-in.ts';
import { eventually } from './processes.ts';
import { startServerOn, type RedisServer } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

let servers: [RedisServer, RedisServer];
beforeEach(async () => {
  redis().cli('flushall');
  servers = await Promise.all([startServerOn(redis().url), startServerOn(redis().url)]);
});
afterEach(async () => {
  await Promise.all(servers.map(server => server.stop()));
});

const PASSWORD = 'correct horse battery';
const ADA = { email: 'ada@example.com', password: PASSWORD };

type PageRequest = { readonly body?: object; readonly cookie?: string };

/** Sends a request of a page, without a key. */
const asPage = (
  { url }: RedisServer,
  method: string,
  path: string,
  { body, cookie = '' }: PageRequest = {},
) =>
  fetch(`${url}${path}`, {
    method,
    headers: { ...OWN_PAGE, cookie, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

const cookieOf = ({ headers }: Response): string =>
  headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';

/** Invites a person at one server, who joins at the other. Returns their cookie. */
const joinElsewhere = async (inviting: RedisServer, joining: RedisServer): Promise<string> => {
  const grants = [{ environment: '*', role: 'editor' }];
  const { body } = await inviting.request('POST', '/api/v1/invitations', {
    body: { email: ADA.email, grants },
  });
  const fields = { token: body.path.split('#')[1], name: 'Ada', password: PASSWORD };
  let joined: Response | undefined;
  await eventually(async () => {
    joined = await asPage(joining, 'POST', '/auth/join', { body: fields });
    return joined.status === 204;
  });
  return joined === undefined ? '' : cookieOf(joined);
};

/** Opens a subscription, as an open page does. Returns a function that waits for its end. */
const subscribe = async (server: RedisServer, cookie: string): Promise<() => Promise<void>> => {
  const path = `/trpc/flags.watch?input=${encodeURIComponent('{"environment":"production"}')}`;
  const { status, body } = await asPage(server, 'GET', path, { cookie });
  expect(status).toBe(200);
  const reader = body?.getReader();
  await reader?.read();
  return async () => {
    while ((await reader?.read())?.done === false);
  };
};

/** Signs in at one server. Returns the cookie, once another one accepts it. */
const signInAt = async (
  server: RedisServer,
  other: RedisServer,
  credentials: object,
): Promise<string> => {
  const cookie = cookieOf(await asPage(server, 'POST', '/auth/session', { body: credentials }));
  await eventually(async () => (await asPage(other, 'GET', '/auth/me', { cookie })).status === 200);
  return cookie;
};

it('a person who joined at one server is signed in at all, and disabled at all', async () => {
  const [a, b] = servers;
  const cookie = await joinElsewhere(a, b);
  const status = async () => (await asPage(a, 'GET', '/auth/me', { cookie })).status;
  await eventually(async () => (await status()) === 200);
  const end = await subscribe(a, cookie);
  const [{ id }] = (await b.request('GET', '/api/v1/people')).body.items;
  await b.request('PATCH', `/api/v1/people/${id}`, { body: { state: 'disabled' } });
  await end();
  expect(await status()).toBe(401);
  expect((await asPage(a, 'POST', '/auth/session', { body: ADA })).status).toBe(401);
});

it('people and sessions come back with a restore', async () => {
  const [a, b] = servers;
  const cookie = await joinElsewhere(a, b);
  const people = async () => (await a.request('GET', '/api/v1/people')).body.items;
  await eventually(async () => (await people()).length === 1);
  const before = await people();
  redis().cli('flushall');
  await eventually(async () => (await a.request('POST', '/api/v1/restore')).status === 200);
  await eventually(
    async () => (await asPage(b, 'POST', '/auth/session', { body: ADA })).status === 204,
  );
  expect(await people()).toEqual(before);
  expect((await asPage(a, 'GET', '/auth/me', { cookie })).status).toBe(200);
});

it('a changed password ends the other sessions at all servers, with their subscriptions', async () => {
  const [a, b] = servers;
  const other = await joinElsewhere(a, b);
  const own = await signInAt(b, a, ADA);
  const end = await subscribe(a, other);
  const change = { current: PASSWORD, password: 'another long one' };
  const changed = await asPage(b, 'POST', '/trpc/account.changePassword', {
    body: change,
    cookie: own,
  });
  expect(changed.status).toBe(200);
  await end();
  expect((await asPage(a, 'GET', '/auth/me', { cookie: other })).status).toBe(401);
  expect((await asPage(a, 'GET', '/auth/me', { cookie: own })).status).toBe(200);
});

it('a deleted key ends its sessions at all servers, with their subscriptions', async () => {
  const [a, b] = servers;
  const { body } = await a.request('POST', '/api/v1/keys', {
    body: { name: 'ops', role: 'editor', environment: 'production' },
  });
  const cookie = await signInAt(a, b, { key: body.secret });
  const end = await subscribe(a, cookie);
  expect((await b.request('DELETE', `/api/v1/keys/${body.id}`)).status).toBe(204);
  await end();
  expect((await asPage(a, 'GET', '/auth/me', { cookie })).status).toBe(401);
});

/** Commits a change as a later version does that has one more collection. ARGV: nonce, writes. */
const COMMIT_OF_LATER_VERSION = `
  local head = redis.call('HMGET', KEYS[1], 'id', 'documents')
  local epoch, revision = string.match(head[1], '^(%w+)%.(%d+)%.')
  revision = string.format('%.0f', revision + 1)
  local id = epoch .. '.' .. revision .. '.' .. ARGV[1]
  redis.call('XADD', KEYS[2], revision .. '-0', 'id', id, 'previous', head[1], 'replaceAll', '0', 'writes', ARGV[2])
  local counts = string.match(head[2], '^%S+ (.*)$')
  return redis.call('HSET', KEYS[1], 'id', id, 'documents', id .. ' ' .. counts .. ' 1')
`;

it('a server follows people of a later version that stores more beside them, and starts on them', async () => {
  const [a, b] = servers;
  const cookie = await joinElsewhere(a, b);
  const [head, changes] = ['head', 'changes'].map(name => `pennon:{control:control}:${name}`);
  const writes = JSON.stringify([{ collection: 'teams', key: 'a', text: '{"id":"a"}' }]);
  const nonce = 'later';
  redis().cli('eval', COMMIT_OF_LATER_VERSION, '2', String(head), String(changes), nonce, writes);
  const group = { key: 'team', name: 'Team' };
  expect((await a.request('POST', '/api/v1/groups', { body: group })).status).toBe(201);
  await eventually(async () => (await b.request('GET', '/api/v1/groups')).body.items.length === 1);
  expect((await asPage(b, 'GET', '/auth/me', { cookie })).status).toBe(200);
  const started = await startServerOn(redis().url);
  expect((await asPage(started, 'GET', '/auth/me', { cookie })).status).toBe(200);
  await started.stop();
});
