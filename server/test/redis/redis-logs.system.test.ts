import { readFileSync } from 'node:fs';

import { beforeEach, expect, it } from 'vitest';

import { freePort } from '../support/free-ports.ts';
import { parseLog } from '../support/process.ts';
import { eventually } from './processes.ts';
import { newDirectory, production, request, startServerOn } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis({ appendonly: 'yes', appendfsync: 'always' });

beforeEach(async () => {
  redis().resume();
  await redis().start();
  redis().cli('flushall');
});

/** Starts a server with two workers. One that starts later than the other would find another state. */
const startWorkers = async (env: Readonly<Record<string, string>> = {}) => {
  const server = await startServerOn(redis().url, {
    PENNON_WORKERS: '2',
    PORT: String(await freePort()),
    LOG_LEVEL: 'info',
    ...env,
  });
  const fleet = async () => (await server.request('GET', '/api/v1/status')).body.servers;
  await eventually(async () => (await fleet()).length === 2);
  return server;
};

const LOST = 'store unavailable; serving from memory';
const RETURNED = 'store available again';

it.each([
  ['killed', () => redis().kill(), () => redis().start()],
  ['paused', async () => redis().pause(), async () => redis().resume()],
])(
  '(%s Redis) each worker logs the loss and the return once, and callers read no address or path',
  async (_, stop, restart) => {
    const directory = newDirectory();
    const server = await startWorkers({ PENNON_DATA: directory });
    for (const key of ['staging', 'test'])
      await server.request('POST', '/api/v1/environments', { body: { key } });
    await stop();

    const bodies: string[] = [];
    const refuse = async (method: string, path: string, body?: object) => {
      const response = await server.request(method, path, body === undefined ? {} : { body });
      const retryAfter = response.headers.get('retry-after');
      expect([path, response.status, retryAfter]).toEqual([path, 503, '1']);
      bodies.push(response.text);
    };
    const flag = { key: 'f', enabled: true };
    for (let i = 0; i < 3; i += 1) {
      await refuse('GET', production('/flags'));
      await refuse('POST', production('/flags'), flag);
      await refuse('POST', '/trpc/flags.create', { environment: 'production', ...flag });
      await refuse('GET', production('/audit'));
      await refuse('GET', production('/flags/f'));
      await refuse('GET', production('/flags/f/versions'));
      await refuse('GET', '/trpc/flags.list?input={"environment":"production"}');
      await refuse('DELETE', production('/flags/f'));
      await refuse('POST', '/api/v1/environments', { key: 'more' });
    }
    await eventually(() => server.log().split(LOST).length === 3);
    const health = [];
    for (const path of [
      '/readyz',
      '/metrics',
      '/api/v1/status',
      '/api/v1/export',
      production('/flag-set'),
    ])
      health.push((await server.request('GET', path)).text);
    for (const body of [...bodies, ...health]) {
      for (const part of ['127.0.0.1', String(redis().port), 'redis:', 'ECONN', directory])
        expect(body).not.toContain(part);
    }
    for (const body of bodies) expect(body).toMatch(/[Tt]ry again/);
    expect(server.log()).toContain(`"reason":"${redis().url} cannot be reached`);

    await restart();
    await eventually(() => server.log().split(RETURNED).length === 3);
    expect(await server.stop()).toBe(0);
    const lines = parseLog(server.log());
    for (const message of [LOST, RETURNED]) {
      const pids = lines.filter(({ msg }) => msg === message).map(({ pid }) => pid);
      expect([message, pids.length, new Set(pids).size]).toEqual([message, 2, 2]);
    }
  },
);

it('the primary process and its workers log JSON lines only, to the last line', async () => {
  const server = await startWorkers();
  const pid = server.child.pid ?? 0;
  const [victim] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  process.kill(Number(victim), 'SIGKILL');
  await eventually(() => server.log().includes('restarting'));
  redis().cli('hset', 'pennon:{control:control}:head', 'format', '99');
  await eventually(() => server.log().includes('written by a newer Pennon'));
  expect(await server.stop()).toBe(0);
  const lines = parseLog(server.log());
  expect(lines).toContainEqual(
    expect.objectContaining({ pid, level: 40, msg: expect.stringMatching(/^worker \d exited/) }),
  );
});

it('a server that waits for Redis logs that it waits, and that Redis is available', async () => {
  await redis().kill();
  const port = await freePort();
  const starting = startServerOn(redis().url, { LOG_LEVEL: 'info', PORT: String(port) });
  const get = (path: string) =>
    request(`http://127.0.0.1:${port}`, 'GET', path).catch(() => undefined);
  await eventually(async () => (await get('/readyz'))?.status === 503);
  for (const path of [production('/flags'), '/trpc/flags.list', production('/flag-set/stream')]) {
    const refused = await get(path);
    expect([refused?.status, refused?.headers.get('retry-after')]).toEqual([503, '1']);
    expect(refused?.text).not.toMatch(/redis|127\.0\.0\.1|ECONN/i);
  }
  await redis().start();
  const server = await starting;
  expect(await server.stop()).toBe(0);
  const lines = parseLog(server.log());
  const waiting = 'store unavailable; waiting for it';
  expect(lines[0]).toMatchObject({
    level: 40,
    msg: waiting,
    reason: expect.stringMatching('redis:'),
  });
  // Other reasons may follow while Redis starts.
  expect(lines.find(({ msg }) => msg !== waiting)).toMatchObject({
    level: 30,
    msg: 'store available',
  });
});
