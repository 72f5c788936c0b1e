import { afterEach, beforeEach, expect, it } from 'vitest';

import { openSse } from '../support/sse.ts';
import { eventually } from './processes.ts';
import { ADMIN_KEY, production, startServerOn, type RedisServer } from './servers.ts';
import { useRedis } from './setup.ts';

const LIMIT = 90;
/** Requests of a burst: many more than a server can grant in the time that it takes to send them. */
const BURST = 10 * LIMIT;
/** A server closes some connections if many more of them have not sent a key in time. */
const CONNECTIONS = 100;
/** After this time a server grants its whole share again, also one that has become larger. */
const REFILL_MS = 1_000;

const redis = useRedis();

let servers: RedisServer[];
beforeEach(async () => {
  redis().cli('flushall');
  const start = () => startServerOn(redis().url, { PENNON_RATE_LIMIT: String(LIMIT) });
  servers = await Promise.all([start(), start(), start()]);
  await eventually(async () =>
    (await Promise.all(servers.map(fleetSize))).every(count => count === 3),
  );
});
afterEach(() => Promise.all(servers.map(server => server.stop())));

const statusOf = async (server: RedisServer) =>
  (await server.request('GET', '/api/v1/status')).body;
const fleetSize = async (server: RedisServer): Promise<number> =>
  (await statusOf(server)).servers.length;
const first = (): RedisServer => {
  const [server] = servers;
  if (server === undefined) throw new Error('no server');
  return server;
};

type ReportedStatus = {
  readonly self: boolean;
  readonly streams: number;
  readonly environments: readonly { readonly behind: number | null }[];
};

it('the status has the revisions, lag and streams of every running server', async () => {
  await first().request('POST', production('/flags'), { body: { key: 'f', enabled: true } });
  const stream = await openSse(`${first().url}${production('/flag-set/stream')}`, {
    key: ADMIN_KEY,
  });
  await stream.next();
  const other = servers[1] ?? first();
  // A server reports again up to two seconds after the write and the stream.
  await eventually(async () => {
    const all: ReportedStatus[] = (await statusOf(other)).servers;
    const hasStream = all.some(({ streams, self }) => streams === 1 && !self);
    return hasStream && all.every(each => each.environments.every(({ behind }) => behind === 0));
  });
  const { store, environments, servers: all } = await statusOf(other);
  expect(store).toBe('available');
  expect(environments).toContainEqual({ key: 'production', revision: 2 });
  expect(new Set(all.map(({ id }: { id: string }) => id)).size).toBe(3);
  for (const each of all) {
    expect(each).toMatchObject({
      version: expect.any(String),
      heardSecondsAgo: expect.any(Number),
      degradedSeconds: 0,
    });
    expect(each.environments).toContainEqual({ key: 'production', revision: 2, behind: 0 });
  }
  stream.close();
});

it('a stopped server leaves at once, a killed one within seconds', async () => {
  await servers[2]?.stop();
  await eventually(async () => (await fleetSize(first())) === 2);
  servers[1]?.child.kill('SIGKILL');
  await eventually(async () => (await fleetSize(first())) === 1);
  expect((await statusOf(first())).servers).toMatchObject([{ self: true }]);
});

it('each server grants its share of the rate limit without requests to Redis', async () => {
  const secret = await viewerKey();
  const commands = () =>
    Number(/total_commands_processed:([0-9]+)/.exec(redis().cli('info', 'stats'))?.[1]);
  const commandsOfBurst = async (server: RedisServer): Promise<number> => {
    const before = commands();
    await burst(server, secret);
    return commands() - before;
  };
  for (const server of servers) {
    expectShare(await burst(server, secret), LIMIT / 3);
    // During a burst the servers send reports and read feeds, but nothing for each request. A burst that takes
    // long on a busy machine is repeated, because reports and feeds alone could exceed the number then.
    await expect.poll(() => commandsOfBurst(server)).toBeLessThan(BURST);
  }
});

it('the remaining servers share the limit of one that has stopped', async () => {
  const secret = await viewerKey();
  await servers.at(-1)?.stop();
  const left = servers.slice(0, -1);
  for (const server of left) await eventually(async () => (await fleetSize(server)) === 2);
  await new Promise(resolve => setTimeout(resolve, REFILL_MS));
  for (const server of left) {
    expectShare(await burst(server, secret), LIMIT / 2);
  }
});

const evaluate = (server: RedisServer, key: string) => {
  const send = () => server.request('POST', '/api/v1/evaluations', { key, body: { context: {} } });
  // The server may close a connection that was idle just when this process uses it again.
  return send().catch(send);
};

/** Creates a key and waits until every server accepts it. That uses one of its requests. */
const viewerKey = async (): Promise<string> => {
  const body = { name: 'v', role: 'viewer', environment: 'production' };
  const { secret } = (await first().request('POST', '/api/v1/keys', { body })).body;
  for (const server of servers)
    await eventually(async () => (await evaluate(server, secret)).status === 200);
  return secret;
};

/** Sends a burst, on each connection without a pause, and counts the responses by status. */
const burst = async (server: RedisServer, key: string) => {
  const statuses: number[] = [];
  const send = async () => {
    for (let sent = 0; sent < BURST / CONNECTIONS; sent += 1)
      statuses.push((await evaluate(server, key)).status);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, send));
  const count = (wanted: number) => statuses.filter(status => status === wanted).length;
  return { granted: count(200), rejected: count(429) };
};

/** The whole share is granted, less the request that may have just used a part of it, but not every request. */
const expectShare = (
  { granted, rejected }: { readonly granted: number; readonly rejected: number },
  share: number,
): void => {
  expect(granted).toBeGreaterThanOrEqual(share - 1);
  expect(rejected).toBeGreaterThan(0);
  expect(granted + rejected).toBe(BURST);
};
