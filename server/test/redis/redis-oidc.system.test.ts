import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';

import {
  CLIENT_ID,
  CLIENT_SECRET,
  startProvider,
  type TestProvider,
} from '../support/oidc-provider.ts';
import { eventually } from './processes.ts';
import { startServerOn, type RedisServer } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();
/** What a proxy in front of the servers would have. Requests of the test are sent to them directly. */
const PENNON_URL = 'http://127.0.0.1:4400';

let provider: TestProvider;
beforeAll(async () => {
  provider = await startProvider({ url: PENNON_URL });
});
afterAll(() => provider.close());

let servers: [RedisServer, RedisServer];
beforeEach(async () => {
  redis().cli('flushall');
  const env = {
    PENNON_URL,
    PENNON_OIDC_ISSUER: provider.issuer,
    PENNON_OIDC_CLIENT_ID: CLIENT_ID,
    PENNON_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    PENNON_OIDC_SCOPES: 'openid profile email groups',
  };
  servers = await Promise.all([startServerOn(redis().url, env), startServerOn(redis().url, env)]);
});
afterEach(async () => {
  await Promise.all(servers.map(server => server.stop()));
});

const get = ({ url }: RedisServer, path: string, cookie = '') =>
  fetch(url + path, { redirect: 'manual', headers: { cookie } });

const cookieOf = ({ headers }: Response): string =>
  headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';

/** Begins at one server and ends at the other. Returns the response of the second. */
const signInAcross = async (first: RedisServer, second: RedisServer): Promise<Response> => {
  const started = await get(first, '/auth/oidc/start?to=/flags');
  const { pathname, search } = await provider.visit(started.headers.get('location') ?? '');
  return get(second, pathname + search, cookieOf(started));
};

it('a sign-in that begins at one server ends at another, and after a restore', async () => {
  const [a, b] = servers;
  const body = {
    key: 'team',
    name: 'Team',
    claims: ['developers'],
    grants: [{ environment: '*', role: 'editor' }],
  };
  expect((await a.request('POST', '/api/v1/groups', { body })).status).toBe(201);
  await eventually(async () => (await b.request('GET', '/api/v1/groups')).body.items.length === 1);
  provider.setUser({ sub: 'ada-1', name: 'Ada', groups: ['developers'] });
  let signedIn = await signInAcross(a, b);
  // Until the other server has received the group.
  await eventually(async () => {
    if (signedIn.headers.get('location') === `${PENNON_URL}/flags`) return true;
    signedIn = await signInAcross(a, b);
    return false;
  });
  const me = async () => (await get(a, '/auth/me', cookieOf(signedIn))).status;
  await eventually(async () => (await me()) === 200);
  expect((await signInAcross(b, a)).headers.get('location')).toBe(`${PENNON_URL}/flags`);
  redis().cli('flushall');
  await eventually(async () => (await a.request('POST', '/api/v1/restore')).status === 200);
  await eventually(
    async () => (await signInAcross(a, b)).headers.get('location') === `${PENNON_URL}/flags`,
  );
});
