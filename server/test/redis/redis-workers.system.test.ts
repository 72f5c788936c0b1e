import { existsSync, readFileSync } from 'node:fs';

import { afterAll, afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';

import { startInVain } from '../support/process.ts';
import { eventually, freePorts, startRedis } from './processes.ts';
import {
  ADMIN_KEY,
  ask,
  newDirectory,
  production,
  removeDirectories,
  startServerOn,
  type RedisServer,
} from './servers.ts';

const redis = await startRedis();
const url = `redis://127.0.0.1:${redis.port}`;
afterAll(async () => {
  await redis.remove();
  removeDirectories();
});

let server: RedisServer;
beforeEach(async () => {
  redis.cli('flushall');
  server = await startServerOn(url, { PENNON_WORKERS: '3' });
  await eventually(async () => (await servers()).length === 3);
});
afterEach(async () => {
  await server.stop();
});

const servers = async (): Promise<{ id: string }[]> =>
  (await server.ask('GET', '/api/v1/status')).body.servers;

/** The processes of the workers. */
const workers = (): number[] => {
  const pid = server.child.pid ?? 0;
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
};

/**
 * What a client gets that tries again, as all do, where its connection ends. One that was with a worker
 * that died ends at once; none may stay open with nobody behind it.
 */
const healthSoon = async (): Promise<number> => {
  for (let attempt = 1; ; attempt += 1) {
    const signal = AbortSignal.timeout(5_000);
    const answer = await server.ask('GET', '/healthz', { signal }).catch((error: unknown) => {
      if (attempt === 5 || signal.aborted) throw error;
    });
    if (answer !== undefined) return answer.status;
  }
};

const evaluate = () =>
  server.ask('POST', production('/evaluate'), { body: { flagKey: 'f', context: {} } });

it('several workers serve one port, and one of them says so', async () => {
  expect(server.output().match(/listens on/g)).toHaveLength(1);
  expect(workers()).toHaveLength(3);
  const made = await server.ask('POST', production('/flags'), {
    body: { key: 'f', enabled: true },
  });
  expect(made.status).toBe(201);
  const patched = Array.from({ length: 20 }, (_, i) =>
    server.ask('PATCH', production('/flags/f'), { body: { description: String(i) } }),
  );
  expect((await Promise.all(patched)).map(({ status }) => status)).toEqual(Array(20).fill(200));
});

it('whichever worker is asked, the metrics are those of all', async () => {
  await server.ask('POST', production('/flags'), { body: { key: 'f', enabled: true } });
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, evaluate));
    return answers.every(({ status }) => status === 200);
  });
  const counted = async () => {
    const { body } = await server.ask('GET', '/metrics');
    const line = /pennon_evaluations_total\{[^}]*flag="f"[^}]*reason="STATIC"[^}]*\} ([0-9]+)/.exec(
      body,
    );
    expect(body).toMatch(/pennon_revision\{environment="production"\} 2/);
    return Number(line?.[1]);
  };
  const before = await counted();
  await Promise.all(Array.from({ length: 30 }, evaluate));
  for (let i = 0; i < 6; i += 1) expect(await counted()).toBe(before + 30);
});

it('a worker that is killed is started again, and meanwhile the others serve', async () => {
  const [victim] = workers();
  process.kill(victim ?? 0, 'SIGKILL');
  for (let i = 0; i < 200; i += 1) expect(await healthSoon()).toBe(200);
  await eventually(() => workers().length === 3 && !workers().includes(victim ?? 0));
  await eventually(async () => (await servers()).length === 3);
  expect(server.output()).toMatch(/worker [123] ended \(SIGKILL\) and is started again/);
  expect(server.output().match(/listens on/g)).toHaveLength(1);
});

it('workers that are killed one after the other leave nobody without an answer', async () => {
  const stopping = new AbortController();
  const answers: number[] = [];
  const asking = Array.from({ length: 8 }, async () => {
    while (!stopping.signal.aborted) answers.push(await healthSoon());
  });
  const seen = new Set((await servers()).map(({ id }) => id));
  for (let i = 1; i <= 6; i += 1) {
    process.kill(workers()[i % 3] ?? 0, 'SIGKILL');
    await eventually(async () => {
      for (const { id } of await servers().catch(() => [])) seen.add(id);
      return seen.size === 3 + i;
    });
  }
  stopping.abort();
  await Promise.all(asking);
  expect(answers.length).toBeGreaterThan(100);
  expect([...new Set(answers)]).toEqual([200]);
});

it('a worker that cannot start again is tried ever less often, while the others serve', async () => {
  const restarts = () => server.output().match(/and is started again/g)?.length ?? 0;
  redis.cli('hset', 'pennon:{control:control}:head', 'format', '99');
  const [victim] = workers();
  process.kill(victim ?? 0, 'SIGKILL');
  const times: number[] = [];
  await eventually(async () => {
    expect(await healthSoon()).toBe(200);
    if (restarts() > times.length) times.push(performance.now());
    return times.length === 5;
  });
  const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  for (const [i, pause] of pauses.entries()) expect(pause).toBeGreaterThan(100 * 2 ** i - 60);
  redis.cli('hset', 'pennon:{control:control}:head', 'format', '1');
  await eventually(async () => (await servers()).length === 3);
});

it('workers that wait for Redis get ready by themselves, on the port where they waited', async () => {
  await redis.kill();
  const [port = 0] = await freePorts(1);
  const starting = startServerOn(url, { PENNON_WORKERS: '3', PORT: String(port) });
  const readiness = () => ask(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
  await eventually(async () => (await readiness())?.body.status === 'waiting');
  await redis.start();
  const late = await starting;
  onTestFinished(async () => void (await late.stop()));
  const alive = async () => (await late.ask('GET', '/api/v1/status')).body.servers?.length;
  await eventually(async () => (await alive()) === 6);
  expect(late.url).toContain(`:${port}`);
  expect(await late.stop()).toBe(0);
});

it('SIGTERM drains all workers and exits 0, and none is left behind', async () => {
  const all = workers();
  expect(await server.stop()).toBe(0);
  expect(all.filter(pid => existsSync(`/proc/${pid}`))).toEqual([]);
  expect(redis.cli('zcard', 'pennon:{servers}:heard')).toBe('0');
});

it('a worker that hangs does not keep the others from ending, and ends with them', async () => {
  const all = workers();
  process.kill(all[1] ?? 0, 'SIGSTOP');
  const start = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(all.filter(pid => existsSync(`/proc/${pid}`))).toEqual([]);
});

it('where the first process is killed no worker goes on alone', async () => {
  const all = workers();
  await server.stop('SIGKILL');
  await eventually(() => all.every(pid => !existsSync(`/proc/${pid}`)));
  expect(all).toHaveLength(3);
});

it('what no worker can start with ends them all, and is said', async () => {
  redis.cli('hset', 'pennon:{control:control}:head', 'format', '99');
  const env = {
    REDIS_URL: url,
    PENNON_ADMIN_KEY: ADMIN_KEY,
    PENNON_DATA: newDirectory(),
    PENNON_WORKERS: '2',
  };
  const { code, output } = await startInVain({ env });
  expect(code).toBe(1);
  expect(output).toContain('written by a newer Pennon');
});

it('the embedded store takes no workers', async () => {
  const env = { PENNON_DATA: newDirectory(), PENNON_WORKERS: '2' };
  const { code, output } = await startInVain({ env });
  expect(code).toBe(1);
  expect(output).toMatch(/PENNON_WORKERS: .*set REDIS_URL/);
});
