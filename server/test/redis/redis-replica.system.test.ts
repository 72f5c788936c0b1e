import { afterEach, expect, it } from 'vitest';

import { eventually, startRedis } from './processes.ts';
import { production, startServerOn, type RedisServer } from './servers.ts';
import { useProcesses, useRedis } from './setup.ts';

const master = useRedis();
const replica = useProcesses(() => startRedis({ replicaof: `127.0.0.1 ${master().port}` }));

const servers: RedisServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map(server => server.stop())));

const start = async (url: string): Promise<RedisServer> => {
  const server = await startServerOn(url, { PENNON_READY_MAX_SOURCE_AGE: '25' });
  servers.push(server);
  return server;
};

const ready = async (server: RedisServer) => {
  const { status, body } = await server.request('GET', '/readyz');
  return `${status} ${body.status}`;
};

const evaluate = async (server: RedisServer) => {
  const body = { flagKey: 'f', context: {} };
  const response = await server.request('POST', production('/evaluate'), { body });
  const ageMs = Number(response.headers.get('pennon-source-age-ms'));
  return { variant: response.body.variant, ageMs };
};

it('a server on a replica serves its data, but never as current, until that is the master', async () => {
  const first = await start(master().url);
  await first.request('POST', production('/flags'), { body: { key: 'f', enabled: true } });
  await eventually(() => replica().cli('info', 'replication').includes('master_link_status:up'));
  const offset = () => /master_repl_offset:(\d+)/.exec(master().cli('info', 'replication'))?.[1];
  await eventually(() => replica().cli('info', 'replication').includes(`offset:${offset()}`));

  const second = await start(replica().url);
  expect(await ready(second)).toBe('200 degraded');
  const { variant, ageMs } = await evaluate(second);
  expect(variant).toBe('on');
  expect(ageMs).toBeGreaterThan(15_000);
  expect(second.output()).toMatch(/redis:\S+ is a replica, .*: set REDIS_URL to the master/);
  await eventually(async () => (await ready(second)) === '503 degraded');
  expect(await ready(first)).toBe('200 ready');

  replica().cli('replicaof', 'no', 'one');
  await eventually(async () => (await ready(second)) === '200 ready');
  await eventually(async () => (await evaluate(second)).ageMs < 6_000);

  replica().cli('replicaof', '127.0.0.1', '1');
  await eventually(async () => (await ready(second)) === '503 degraded');
  expect((await evaluate(second)).ageMs).toBeGreaterThan(15_000);
});
