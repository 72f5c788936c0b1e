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

it('a person who joined at one server is signed in at all, and disabled at all', async () => {
  const [a, b] = servers;
  const cookie = await joinElsewhere(a, b);
  const status = async () => (await asPage(a, 'GET', '/auth/me', { cookie })).status;
  await eventually(async () => (await status()) === 200);
  const path = `/trpc/flags.watch?input=${encodeURIComponent('{"environment":"production"}')}`;
  const { body } = await asPage(a, 'GET', path, { cookie });
  const reader = body?.getReader();
  await reader?.read();
  const [{ id }] = (await b.request('GET', '/api/v1/people')).body.items;
  await b.request('PATCH', `/api/v1/people/${id}`, { body: { state: 'disabled' } });
  while ((await reader?.read())?.done === false);
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
