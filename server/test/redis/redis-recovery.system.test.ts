import { spawnSync } from 'node:child_process';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { initializeStore } from '../../src/bootstrap/first-start.ts';
import { systemClock } from '../../src/clock.ts';
import { secureRandom } from '../../src/random.ts';
import type { Store } from '../../src/store/store.ts';
import { freePort } from '../support/free-ports.ts';
import { eventually, FAILOVER_AFTER_MS, startCluster, startSentinels } from './processes.ts';
import { newDirectory, production, request, startServerOn, type RedisServer } from './servers.ts';
import { useProcesses, useRedis } from './setup.ts';
import { openStore } from './store.ts';

const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;

const servers: RedisServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map(server => server.stop()));
});

/** Starts a server that waits, or serves its copies, if the store has lost its data. */
const start = async (url: string, env: Readonly<Record<string, string>> = {}) => {
  const server = await startServerOn(url, { PENNON_INIT: '', ...env });
  servers.push(server);
  return server;
};

/** Starts three servers on new data, with a flag and a client key. */
const startThree = async (url: string) => {
  const first = await start(url, { PENNON_INIT: 'empty' });
  const all = [first, await start(url), await start(url)];
  await put(first, 'f');
  const body = { name: 'site', role: 'client', environment: 'production' };
  const { secret } = (await first.request('POST', '/api/v1/keys', { body })).body;
  await eventually(async () => (await statuses(all, secret)).every(status => status === 200));
  return { all, first, secret };
};

const put = async (server: RedisServer, key: string) => {
  const body = { enabled: true, clientVisible: true };
  const { status } = await server.request('PUT', production(`/flags/${key}`), { body });
  expect(status).toBeLessThan(300);
};

/** Returns the status with which each server evaluates the flag for a key. */
const statuses = (all: readonly RedisServer[], key: string) =>
  Promise.all(
    all.map(async server => {
      const body = { flagKey: 'f', context: {} };
      return (await server.request('POST', '/api/v1/evaluate', { key, body })).status;
    }),
  );

const readiness = async (server: RedisServer) => (await server.request('GET', '/readyz')).body;
const areAll = async (all: readonly RedisServer[], status: string) =>
  (await Promise.all(all.map(readiness))).every(each => each.status === status);
/** Waits until each server knows what it has lost. Before that it may have noticed only a lost connection. */
const waitForProblem = (all: readonly RedisServer[]) =>
  eventually(async () => {
    const problems = (await Promise.all(all.map(readiness))).map(({ problem }) => problem);
    return problems.every(problem => problem?.includes('POST /api/v1/restore'));
  });
const restore = (server: RedisServer, query = '') =>
  server.request('POST', `/api/v1/restore${query}`);
const flagsOf = async (server: RedisServer): Promise<string[]> =>
  (await server.request('GET', production('/flags'))).body.items.map(
    ({ key }: { key: string }) => key,
  );

const runRestore = (url: string, directory: string) => {
  const env = { PATH: process.env['PATH'] ?? '', REDIS_URL: url, PENNON_DATA: directory };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'restore'], {
    env,
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
};

describe('a Redis that has lost everything', () => {
  const redis = useRedis();
  const lostKey = 'pennon:{control:control}:lost';
  beforeEach(() => void redis().cli('flushall'));

  it.each([
    ['FLUSHALL', async () => void redis().cli('flushall')],
    [
      'a restart without persistence',
      async () => {
        await redis().kill();
        await redis().start();
      },
    ],
  ])('(%s) is marked, and restored by one call', async (_, lose) => {
    const { all, first, secret } = await startThree(redis().url);
    await lose();
    await eventually(() => redis().cli('exists', lostKey) === '1');

    const port = await freePort();
    const fourth = start(redis().url, { PORT: String(port) });
    const waiting = () =>
      request(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
    await eventually(async () => (await waiting())?.body.problem !== undefined);
    expect((await waiting())?.body).toEqual({
      status: 'waiting',
      problem: expect.stringContaining('POST /api/v1/restore'),
    });

    await waitForProblem(all);
    expect(await areAll(all, 'degraded')).toBe(true);
    expect((await first.request('GET', '/api/v1/status')).body).toMatchObject({
      store: 'away',
      problem: expect.stringContaining('pennon restore'),
    });
    expect(await statuses(all, secret)).toEqual([200, 200, 200]);
    expect(redis().cli('keys', '*:head')).toBe('');

    const restored = await restore(first);
    expect([restored.status, restored.body]).toEqual([
      200,
      {
        environments: [
          { key: 'development', outcome: 'restored', flags: 0, segments: 0 },
          { key: 'production', outcome: 'restored', flags: 1, segments: 0 },
        ],
        keys: 2,
        lost: [
          expect.stringContaining('audit log'),
          'the named contexts of the environment "development", if it had any',
          'the named contexts of the environment "production", if it had any',
        ],
      },
    ]);
    servers.push(await fourth);
    const everyone = [...all, await fourth];
    await eventually(() => areAll(everyone, 'ready'));
    expect(await statuses(everyone, secret)).toEqual([200, 200, 200, 200]);
    expect(redis().cli('exists', lostKey)).toBe('0');
    await put(await fourth, 'g');
    for (const server of all) await eventually(async () => (await flagsOf(server)).includes('g'));
    const versions = await first.request('GET', production('/flags/f/versions'));
    expect(versions.body.items).toMatchObject([{ version: 1, action: 'environment.recover' }]);
    expect((await restore(first)).status).toBe(409);
  });

  it('keeps no named contexts, of which there are no copies', async () => {
    const server = await start(redis().url, { PENNON_INIT: 'empty' });
    const contexts = production('/contexts');
    const save = (key: string) =>
      server.request('PUT', production(`/contexts/${key}`), { body: { context: { key } } });
    const lostOf = ({ body }: { body: { lost: string[] } }) =>
      body.lost.filter(part => part.startsWith('the named contexts'));
    const lost = (key: string) => `the named contexts of the environment "${key}", if it had any`;
    expect((await save('ada')).status).toBe(200);
    expect((await save('bob')).status).toBe(200);
    redis().cli('flushall');
    expect([(await save('eve')).status, redis().cli('keys', '*workflow*')]).toEqual([503, '']);
    expect((await server.request('DELETE', production('/contexts/ada'))).status).toBe(503);
    expect((await server.request('GET', contexts)).status).toBe(503);
    expect(lostOf(await restore(server))).toEqual([lost('development'), lost('production')]);
    await eventually(async () => (await readiness(server)).status === 'ready');
    expect((await server.request('GET', contexts)).body.items).toEqual([]);

    expect((await save('ada')).status).toBe(200);
    redis().cli('hdel', redis().cli('keys', '*workflow*:contexts'), 'ada');
    expect((await server.request('GET', contexts)).status).toBe(503);
    expect((await save('bob')).status).toBe(503);
    expect(lostOf(await restore(server))).toEqual([lost('production')]);
    expect((await server.request('GET', contexts)).body.items).toEqual([]);
    expect((await save('bob')).status).toBe(200);
    expect((await restore(server)).status).toBe(409);
  });

  it('is restored from the newest copy, regardless of the server that is called', async () => {
    const directory = newDirectory();
    const old = await start(redis().url, { PENNON_INIT: 'empty', PENNON_DATA: directory });
    await put(old, 'f');
    const other = await start(redis().url);
    await old.stop();
    await put(other, 'newer');
    redis().cli('flushall');
    const called = await start(redis().url, { PENNON_DATA: directory });
    expect((await restore(called)).status).toBe(200);
    for (const server of [called, other])
      await eventually(async () => (await readiness(server)).status === 'ready');
    expect(await flagsOf(called)).toEqual(['f', 'newer']);
    expect((await called.request('GET', production('/flag-set'))).body.flags).toHaveProperty(
      'newer',
    );
  });

  it('is restored by the command, from running servers or from a data directory', async () => {
    const directory = newDirectory();
    const server = await start(redis().url, { PENNON_INIT: 'empty', PENNON_DATA: directory });
    await put(server, 'f');
    redis().cli('flushall');
    // The command has no copy, so it needs the mark.
    await eventually(() => redis().cli('exists', lostKey) === '1');
    const fromServer = runRestore(redis().url, newDirectory());
    expect([fromServer.status, fromServer.output]).toEqual([
      0,
      expect.stringContaining('production: restored (1 flags, 0 segments)'),
    ]);
    await eventually(async () => (await readiness(server)).status === 'ready');
    await server.stop();
    redis().cli('flushall');
    const withoutCopy = runRestore(redis().url, newDirectory());
    expect([withoutCopy.status, withoutCopy.output]).toEqual([
      1,
      expect.stringContaining('nothing to restore from'),
    ]);
    expect(runRestore(redis().url, directory).status).toBe(0);
    expect(await flagsOf(await start(redis().url))).toEqual(['f']);
    const intact = runRestore(redis().url, directory);
    expect([intact.status, intact.output]).toEqual([
      1,
      expect.stringContaining('the store has all of its data'),
    ]);
  });

  it('and has another installation now is not followed, and restored with overwrite', async () => {
    const directory = newDirectory();
    const { all, first, secret } = await startThree(redis().url);
    const fifth = await start(redis().url, { PENNON_DATA: directory });
    await fifth.stop();
    redis().cli('flushall');
    const fresh = await start(redis().url, { PENNON_INIT: 'empty' });
    await put(fresh, 'unrelated');
    const restarted = await start(redis().url, { PENNON_DATA: directory });
    const old = [...all, restarted];
    await eventually(() => areAll(old, 'degraded'));
    for (const server of old)
      await eventually(async () =>
        (await readiness(server)).problem?.includes('another installation'),
      );
    expect(await statuses(old, secret)).toEqual([200, 200, 200, 200]);
    expect(
      (await first.request('PUT', production('/flags/f'), { body: { enabled: false } })).status,
    ).toBe(503);

    const refused = await restore(first);
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringContaining('?overwrite=true'),
    ]);
    expect((await restore(first, '?overwrite=true')).status).toBe(200);
    await eventually(() => areAll(old, 'ready'));
    expect(await statuses(old, secret)).toEqual([200, 200, 200, 200]);
    expect(await flagsOf(first)).toEqual(['f']);
    expect(redis().cli('keys', '*:head').split('\n')).toHaveLength(3);

    // An operator has removed the installation of this server, so it follows the restored one.
    await eventually(async () => (await statuses([fresh], secret))[0] === 200);
    await eventually(() => areAll([fresh], 'ready'));
    expect(await flagsOf(fresh)).toEqual(['f']);
    await put(fresh, 'g');
    await eventually(async () => (await flagsOf(first)).includes('g'));
  });

  it('and is marked while a server begins with empty data has nothing of that attempt', async () => {
    const store = await openStore(redis().url);
    const marked: Store = {
      ...store,
      commit(ledger, commit) {
        if (ledger.kind === 'control') redis().cli('hset', lostKey, 'installation', 'earlier');
        return store.commit(ledger, commit);
      },
    };
    const options = { store: marked, clock: systemClock, random: secureRandom };
    await expect(initializeStore(options, 'a-key')).rejects.toMatchObject({ code: 'missing' });
    expect(redis().cli('keys', '*')).toBe(lostKey);
    await store.close();
  });

  it('a key for one environment cannot restore', async () => {
    const server = await start(redis().url, { PENNON_INIT: 'empty' });
    const body = { name: 'a', role: 'admin', environment: 'production' };
    const { secret } = (await server.request('POST', '/api/v1/keys', { body })).body;
    expect((await server.request('POST', '/api/v1/restore', { key: secret })).status).toBe(403);
  });
});

describe('a Redis that has lost a part of its data', () => {
  const redis = useRedis();
  beforeEach(() => void redis().cli('flushall'));

  const keyOf = (name: string) =>
    redis()
      .cli('keys', '*')
      .split('\n')
      .find(key => key.includes('{flagSet:') && key.endsWith(name)) ?? '';

  it.each<[string, () => void]>([
    ['the flags of an environment', () => redis().cli('del', keyOf(':flags'))],
    [
      'the flags and the list of their keys',
      () => redis().cli('del', keyOf(':flags'), `${keyOf(':flags')}:keys`),
    ],
    [
      'one flag',
      () => {
        redis().cli('zrem', `${keyOf(':flags')}:keys`, 'f');
        redis().cli('hdel', keyOf(':flags'), 'f');
      },
    ],
    [
      'the flags, which are something else now',
      () => {
        const key = keyOf(':flags');
        redis().cli('del', key);
        redis().cli('set', key, 'x');
      },
    ],
    [
      'the list of flags, which is something else now',
      () => {
        const key = `${keyOf(':flags')}:keys`;
        redis().cli('del', key);
        redis().cli('set', key, 'x');
      },
    ],
    [
      'the last change of an environment, which is something else now',
      () => {
        const key = keyOf(':head');
        redis().cli('del', key);
        redis().cli('set', key, 'x');
      },
    ],
    [
      'the last change of the control ledger, which is something else now',
      () => {
        redis().cli('del', 'pennon:{control:control}:head');
        redis().cli('set', 'pennon:{control:control}:head', 'x');
      },
    ],
    ['the API keys', () => redis().cli('del', 'pennon:{control:control}:keys')],
    [
      'the environments',
      () =>
        redis().cli(
          'del',
          'pennon:{control:control}:environments',
          'pennon:{control:control}:environments:keys',
        ),
    ],
  ])('(%s) is noticed, and restored by one call', async (_, lose) => {
    const { all, first, secret } = await startThree(redis().url);
    await put(first, 'g');
    for (const server of all) await eventually(async () => (await flagsOf(server)).length === 2);
    lose();
    await waitForProblem(all);
    expect(await areAll(all, 'degraded')).toBe(true);
    expect(await statuses(all, secret)).toEqual([200, 200, 200]);

    expect((await restore(first)).status).toBe(200);
    await eventually(() => areAll(all, 'ready'));
    expect(await statuses(all, secret)).toEqual([200, 200, 200]);
    expect(await flagsOf(first)).toEqual(['f', 'g']);
    await put(first, 'h');
    for (const server of all) await eventually(async () => (await flagsOf(server)).includes('h'));
    expect((await restore(first)).status).toBe(409);
  });

  it('loses what another program has put in place of the keys of a restore', async () => {
    const { all, first } = await startThree(redis().url);
    const keys = ['lost', 'restore', 'removed'].map(name => `pennon:{control:control}:${name}`);
    for (const key of keys) redis().cli('set', key, 'x');
    await eventually(() => redis().cli('exists', ...keys) === '0');
    redis().cli('del', 'pennon:{control:control}:head');
    await waitForProblem(all);
    expect((await restore(first)).status).toBe(200);
    await eventually(() => areAll(all, 'ready'));
  });

  it('keeps a server that has no copy from being ready', async () => {
    const { first, secret } = await startThree(redis().url);
    redis().cli('del', keyOf(':flags'));
    const fresh = await start(redis().url);
    const unready = await fresh.request('GET', '/readyz');
    expect([unready.status, unready.body.problem]).toEqual([
      503,
      expect.stringContaining('POST /api/v1/restore'),
    ]);
    expect(await statuses([fresh], secret)).toEqual([503]);
    expect((await restore(first)).status).toBe(200);
    await eventually(async () => (await fresh.request('GET', '/readyz')).status === 200);
    expect(await statuses([fresh], secret)).toEqual([200]);
  });
});

describe('a Cluster that has lost the data of one of its masters', () => {
  const cluster = useProcesses(() => startCluster());

  it('is restored without what it still has', async () => {
    const { all, first, secret } = await startThree(cluster().url);
    const holder = cluster().nodes.find(node => node.cli('keys', '*:flags').includes('flagSet'));
    holder?.cli('flushall');
    await waitForProblem(all);
    expect(await statuses(all, secret)).toEqual([200, 200, 200]);
    expect((await restore(first)).status).toBe(200);
    await eventually(() => areAll(all, 'ready'));
    expect(await flagsOf(first)).toEqual(['f']);
    await put(first, 'g');
  });
});

describe('behind Sentinels, a replica that is promoted empty', () => {
  const sentinels = useProcesses(() => startSentinels({ downAfterMs: FAILOVER_AFTER_MS }));

  it('is marked, and restored by one call', async () => {
    const { all, first, secret } = await startThree(sentinels().url);
    const { servers: nodes } = sentinels();
    const master = nodes.find(({ port }) => port === sentinels().master());
    const replica = nodes.find(node => node !== master);
    replica?.cli('replicaof', 'no', 'one');
    replica?.cli('flushall');
    await master?.kill();
    await eventually(() => sentinels().master() === replica?.port);
    await waitForProblem(all);
    expect(await statuses(all, secret)).toEqual([200, 200, 200]);
    expect((await restore(first)).status).toBe(200);
    await eventually(() => areAll(all, 'ready'));
    expect(await flagsOf(first)).toEqual(['f']);
  });
});
