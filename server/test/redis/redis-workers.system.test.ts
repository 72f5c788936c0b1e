import { existsSync, readFileSync } from 'node:fs';

import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';

import { freePort } from '../support/free-ports.ts';
import { startAndFail } from '../support/process.ts';
import { openSse } from '../support/sse.ts';
import { eventually } from './processes.ts';
import {
  ADMIN_KEY,
  request,
  newDirectory,
  production,
  startServerOn,
  type RedisServer,
} from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

let server: RedisServer;
beforeEach(async () => {
  redis().cli('flushall');
  // No other process is given the port while no worker listens.
  const port = String(await freePort());
  server = await startServerOn(redis().url, { PENNON_WORKERS: '3', PORT: port });
  await eventually(async () => (await servers()).length === 3);
});
afterEach(async () => {
  await server.stop();
});

type Worker = {
  readonly id: string;
  readonly environments: readonly { readonly key: string; readonly revision: number }[];
};
const servers = async (): Promise<readonly Worker[]> =>
  (await server.request('GET', '/api/v1/status')).body.servers;

/** Returns the process ids of the workers. */
const workers = (): number[] => {
  const pid = server.child.pid ?? 0;
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
};

/** Kills a worker. Returns its process id. */
const killWorker = (index: number): number => {
  const pid = workers()[index];
  if (pid === undefined) throw new Error(`there is no worker ${index}`);
  process.kill(pid, 'SIGKILL');
  return pid;
};

/**
 * Returns the status of /healthz for a client that retries if its connection is closed, as clients do. The
 * connections of a killed worker must close at once and never stay open without a server.
 */
const healthWithRetries = async (): Promise<number> => {
  for (let attempt = 1; ; attempt += 1) {
    const signal = AbortSignal.timeout(60_000);
    const response = await server.request('GET', '/healthz', { signal }).catch((error: unknown) => {
      if (attempt === 5 || signal.aborted) throw error;
    });
    if (response !== undefined) return response.status;
  }
};

/** The longest grace period, which is also the longest time of a test. */
const GRACE_MS = 300_000;

const evaluate = () =>
  server.request('POST', production('/evaluate'), { body: { flagKey: 'f', context: {} } });

it('several workers serve one port, and one of them prints it', async () => {
  expect(server.output().match(/listens on/g)).toHaveLength(1);
  expect(workers()).toHaveLength(3);
  const made = await server.request('POST', production('/flags'), {
    body: { key: 'f', enabled: true },
  });
  expect(made.status).toBe(201);
  const patched = Array.from({ length: 20 }, (_, i) =>
    server.request('PATCH', production('/flags/f'), { body: { description: String(i) } }),
  );
  expect((await Promise.all(patched)).map(({ status }) => status)).toEqual(Array(20).fill(200));
});

it('every worker returns the metrics of all workers', async () => {
  await server.request('POST', production('/flags'), { body: { key: 'f', enabled: true } });
  const revisions = ({ environments }: Worker) =>
    environments.flatMap(({ key, revision }) => (key === 'production' ? revision : []));
  await eventually(async () => (await servers()).every(each => revisions(each)[0] === 2));
  const countEvaluations = async () => {
    const { body } = await server.request('GET', '/metrics');
    const line = /pennon_evaluations_total\{[^}]*flag="f"[^}]*reason="STATIC"[^}]*\} ([0-9]+)/.exec(
      body,
    );
    expect(body).toMatch(/pennon_revision\{environment="production"\} 2/);
    return Number(line?.[1] ?? 0);
  };
  const before = await countEvaluations();
  await Promise.all(Array.from({ length: 30 }, evaluate));
  for (let i = 0; i < 6; i += 1) expect(await countEvaluations()).toBe(before + 30);
});

it('a killed worker is restarted while the others serve', async () => {
  const victim = killWorker(0);
  for (let i = 0; i < 200; i += 1) expect(await healthWithRetries()).toBe(200);
  await eventually(() => workers().length === 3 && !workers().includes(victim));
  await eventually(async () => (await servers()).length === 3);
  expect(server.output()).toMatch(/worker [123] exited \(SIGKILL\); restarting in 100 ms/);
  expect(server.output().match(/listens on/g)).toHaveLength(1);
});

it('killing workers one after another leaves no request without a response', async () => {
  const stopping = new AbortController();
  const statuses: number[] = [];
  const clients = Array.from({ length: 8 }, async () => {
    while (!stopping.signal.aborted) statuses.push(await healthWithRetries());
  });
  const seen = new Set((await servers()).map(({ id }) => id));
  for (let i = 1; i <= 6; i += 1) {
    killWorker(i % 3);
    await eventually(async () => {
      for (const { id } of await servers().catch(() => [])) seen.add(id);
      return seen.size === 3 + i;
    });
  }
  stopping.abort();
  await Promise.all(clients);
  expect(statuses.length).toBeGreaterThan(100);
  expect([...new Set(statuses)]).toEqual([200]);
});

it('a worker that cannot start is restarted after growing pauses while the others serve', async () => {
  const pauses = () =>
    [...server.output().matchAll(/worker 1 exited .*; restarting in ([0-9]+) ms/g)].map(([, ms]) =>
      Number(ms),
    );
  redis().cli('hset', 'pennon:{control:control}:head', 'format', '99');
  killWorker(0);
  await eventually(async () => {
    expect(await healthWithRetries()).toBe(200);
    return pauses().length >= 5;
  });
  expect(pauses().slice(0, 5)).toEqual([100, 200, 400, 800, 1_600]);
  redis().cli('hset', 'pennon:{control:control}:head', 'format', '1');
  await eventually(async () => (await servers()).length === 3);
});

it('workers that wait for Redis become ready by themselves, on the same port', async () => {
  await redis().kill();
  const port = await freePort();
  const starting = startServerOn(redis().url, { PENNON_WORKERS: '3', PORT: String(port) });
  const readiness = () =>
    request(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
  await eventually(async () => (await readiness())?.body.status === 'waiting');
  await redis().start();
  const late = await starting;
  onTestFinished(async () => void (await late.stop()));
  const fleetSize = async () => (await late.request('GET', '/api/v1/status')).body.servers?.length;
  await eventually(async () => (await fleetSize()) === 6);
  expect(late.url).toContain(`:${port}`);
  expect(await late.stop()).toBe(0);
});

it('SIGTERM drains all workers and exits with 0', async () => {
  const all = workers();
  expect(await server.stop()).toBe(0);
  await eventually(() => all.every(pid => !existsSync(`/proc/${pid}`)));
  expect(redis().cli('zcard', 'pennon:{servers}:heard')).toBe('0');
});

it('a paused worker does not block the shutdown, and ends with the others', async () => {
  const all = workers();
  process.kill(all[1] ?? 0, 'SIGSTOP');
  expect(await server.stop()).toBe(0);
  // The worker may be killed just before the primary process ends.
  await eventually(() => all.every(pid => !existsSync(`/proc/${pid}`)));
});

it('each worker can be killed, also the one that announced the server, and is replaced', async () => {
  const seen = new Set((await servers()).map(({ id }) => id));
  for (const [i, victim] of workers().entries()) {
    process.kill(victim, 'SIGKILL');
    for (let sent = 0; sent < 50; sent += 1) expect(await healthWithRetries()).toBe(200);
    await eventually(async () => {
      for (const { id } of await servers().catch(() => [])) seen.add(id);
      return seen.size === 4 + i;
    });
  }
  expect(workers()).toHaveLength(3);
  expect(server.output().match(/listens on/g)).toHaveLength(1);
});

it('if all workers are killed at once, all are replaced', async () => {
  const all = workers();
  for (const pid of all) process.kill(pid, 'SIGKILL');
  await eventually(() => workers().filter(pid => !all.includes(pid)).length === 3);
  await eventually(async () => (await servers().catch(() => [])).length >= 3);
  expect(await server.stop()).toBe(0);
});

it('if the primary process is killed, its workers end as after SIGTERM and free the port', async () => {
  const all = workers();
  const streams = await Promise.all(
    Array.from({ length: 6 }, () =>
      openSse(`${server.url}${production('/flag-set/stream')}`, { key: ADMIN_KEY }),
    ),
  );
  for (const stream of streams) expect(await stream.next()).toMatchObject({ event: 'set' });
  await server.stop('SIGKILL');
  // A stream that is cut off rejects instead.
  for (const stream of streams) expect(await stream.next()).toBeUndefined();
  await eventually(() => all.every(pid => !existsSync(`/proc/${pid}`)));
  expect(all).toHaveLength(3);
  expect(redis().cli('zcard', 'pennon:{servers}:heard')).toBe('0');
  const next = await startServerOn(redis().url, { PORT: new URL(server.url).port });
  expect(await next.stop()).toBe(0);
});

it('an error that prevents every worker from starting ends all processes, with a message', async () => {
  redis().cli('hset', 'pennon:{control:control}:head', 'format', '99');
  const env = {
    REDIS_URL: redis().url,
    PENNON_ADMIN_KEY: ADMIN_KEY,
    PENNON_DATA: newDirectory(),
    PENNON_WORKERS: '2',
  };
  const { code, output } = await startAndFail({ env });
  expect(code).toBe(1);
  expect(output).toContain('written by a newer Pennon');
});

it('the embedded store rejects several workers', async () => {
  const env = { PENNON_DATA: newDirectory(), PENNON_WORKERS: '2' };
  const { code, output } = await startAndFail({ env });
  expect(code).toBe(1);
  expect(output).toMatch(/PENNON_WORKERS: .*set REDIS_URL/);
});

it(
  'if the package manager that started them has ended, all workers end without a grace period',
  async () => {
    const launched = await startServerOn(
      redis().url,
      {
        PENNON_WORKERS: '3',
        PENNON_SHUTDOWN_GRACE: String(GRACE_MS / 1_000),
        PORT: String(await freePort()),
        npm_config_user_agent: 'npm',
      },
      ['sh', '-c', '"$@"; true', 'sh'],
    );
    const stream = await openSse(`${launched.url}${production('/flag-set/stream')}`, {
      key: ADMIN_KEY,
    });
    expect(await stream.next()).toMatchObject({ event: 'set' });
    // Resolves once no process has its output open.
    await launched.stop('SIGKILL');
    // A stream that is cut off rejects instead.
    expect(await stream.next()).toBeUndefined();
    await expect(fetch(`${launched.url}/healthz`)).rejects.toThrow('fetch failed');
  },
  GRACE_MS,
);
