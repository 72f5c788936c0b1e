import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startInVain } from '../support/process.ts';
import { openSse } from '../support/sse.ts';
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

const redis = await startRedis({ appendonly: 'yes', appendfsync: 'always' });
const url = `redis://127.0.0.1:${redis.port}`;
afterAll(async () => {
  await redis.remove();
  removeDirectories();
});

const flag = (key: string, more = {}) => ({ key, enabled: true, ...more });
const evaluate = (server: RedisServer, flagKey: string) =>
  server.ask('POST', production('/evaluate'), { body: { flagKey, context: {} } });
const ready = async (server: RedisServer): Promise<string> =>
  (await server.ask('GET', '/readyz')).body.status;

/** Where a server keeps its copies. */
const copiesIn = (directory: string): string => {
  const name = readdirSync(directory).find(each => each.startsWith('copies-'));
  if (name === undefined) throw new Error(`${directory} holds no copies`);
  return join(directory, name);
};

describe('while Redis is away', () => {
  let server: RedisServer;
  let directory: string;
  beforeEach(async () => {
    redis.cli('flushall');
    directory = newDirectory();
    server = await startServerOn(url, { PENNON_DATA: directory });
    await server.ask('POST', production('/flags'), { body: flag('f') });
  });
  afterEach(async () => {
    await server.stop();
    redis.resume();
    await redis.start();
  });

  const expectServingFromMemory = async () => {
    const stream = await openSse(`${server.url}${production('/flag-set/stream')}`, {
      key: ADMIN_KEY,
    });
    expect(await stream.next()).toMatchObject({
      event: 'set',
      data: { flags: { f: { key: 'f' } } },
    });
    await eventually(async () => (await ready(server)) === 'degraded');
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
    expect((await server.ask('GET', production('/flag-set'))).status).toBe(200);
    expect((await server.ask('GET', '/readyz')).body.degradedSeconds).toBeGreaterThanOrEqual(0);
    expect((await server.ask('GET', '/metrics')).body).toMatch(
      /pennon_degraded_seconds [0-9.]*[1-9]/,
    );
    const writes = Array.from({ length: 10 }, (_, i) =>
      server.ask('POST', production('/flags'), { body: flag(`new${i}`) }),
    );
    for (const answer of await Promise.all(writes)) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(answer.ms).toBeLessThan(5_000);
    }
    return stream;
  };

  it.each([
    ['killed', () => redis.kill(), () => redis.start()],
    ['paused', async () => redis.pause(), async () => redis.resume()],
  ])(
    '(%s) a server goes on from memory, refuses writes fast, says so, and recovers',
    async (_, leave, comeBack) => {
      await leave();
      const stream = await expectServingFromMemory();
      await comeBack();
      await eventually(async () => (await ready(server)) === 'ready');
      expect((await server.ask('POST', production('/flags'), { body: flag('g') })).status).toBe(
        201,
      );
      for (let event = await stream.next(); ; event = await stream.next())
        if (event?.event === 'change' && 'g' in event.data.flags) break;
      stream.close();
    },
  );

  it('a server that starts serves its last-known-good copy, says so, and recovers by itself', async () => {
    const body = { name: 'sdk', role: 'server', environment: 'production' };
    const { secret } = (await server.ask('POST', '/api/v1/keys', { body })).body;
    expect(await server.stop()).toBe(0);
    await redis.kill();
    server = await startServerOn(url, { PENNON_DATA: directory });
    expect(server.output()).toMatch(/The store is away: a copy of the data of 20\S+Z is served/);
    const readiness = await server.ask('GET', '/readyz');
    expect([readiness.status, readiness.body]).toEqual([
      200,
      {
        status: 'degraded',
        degradedSeconds: expect.any(Number),
        copyOf: expect.stringMatching(/Z$/),
      },
    ]);
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
    expect((await server.ask('GET', '/api/v1/flag-set', { key: secret })).status).toBe(200);
    expect((await server.ask('POST', production('/flags'), { body: flag('g') })).status).toBe(503);
    await redis.start();
    await eventually(async () => (await ready(server)) === 'ready');
    expect((await server.ask('POST', production('/flags'), { body: flag('g') })).status).toBe(201);
  });

  it('copies are for their owner alone, and hold no secret', async () => {
    await server.stop();
    const copies = copiesIn(directory);
    expect(statSync(copies).mode & 0o777).toBe(0o700);
    const names = readdirSync(copies);
    expect(names.toSorted()).toEqual(
      ['control-control.json', ...names.filter(name => name.startsWith('flagSet-'))].toSorted(),
    );
    expect(names).toHaveLength(3);
    for (const name of names) {
      expect(statSync(join(copies, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(copies, name), 'utf8')).not.toContain(ADMIN_KEY);
    }
  });

  it('a new PENNON_ADMIN_KEY holds as soon as Redis is back', async () => {
    await server.stop();
    await redis.kill();
    const key = `${ADMIN_KEY}-new`;
    server = await startServerOn(url, { PENNON_DATA: directory, PENNON_ADMIN_KEY: key });
    await redis.start();
    await eventually(
      async () => (await server.ask('GET', '/api/v1/environments', { key })).status === 200,
    );
    expect((await server.ask('GET', '/api/v1/environments')).status).toBe(401);
  });

  it('a server without a copy waits, not ready, and gets ready by itself', async () => {
    await server.stop();
    await redis.kill();
    const [port] = await freePorts(1);
    const waiting = `http://127.0.0.1:${port}`;
    const starting = startServerOn(url, { PORT: String(port) });
    const status = (path: string) => ask(waiting, 'GET', path).catch(() => undefined);
    await eventually(async () => (await status('/readyz'))?.status === 503);
    expect((await status('/readyz'))?.body).toEqual({ status: 'waiting' });
    expect((await status('/healthz'))?.status).toBe(200);
    const refused = await status('/api/v1/flags');
    expect([
      refused?.status,
      refused?.headers.get('retry-after'),
      refused?.body.error.code,
    ]).toEqual([503, '1', 'SERVICE_UNAVAILABLE']);
    await redis.start();
    server = await starting;
    expect(await ready(server)).toBe('ready');
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
  });

  it('a damaged copy is as good as none', async () => {
    await server.stop();
    await redis.kill();
    for (const name of readdirSync(copiesIn(directory)))
      writeFileSync(join(copiesIn(directory), name), '{"format":1,');
    const [port] = await freePorts(1);
    const starting = startServerOn(url, { PORT: String(port), PENNON_DATA: directory });
    const status = () => ask(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
    await eventually(async () => (await status())?.body.status === 'waiting');
    await redis.start();
    server = await starting;
    expect(server.output()).toContain('cannot be read');
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
  });
});

describe('a Redis that has lost its data', () => {
  it('is never begun anew by a server that has a copy: it serves that, changes nothing and says so', async () => {
    redis.cli('flushall');
    const directory = newDirectory();
    const first = await startServerOn(url, { PENNON_DATA: directory });
    await first.ask('POST', production('/flags'), { body: flag('f') });
    redis.cli('flushall');
    await eventually(async () => (await ready(first)) === 'degraded');
    expect((await evaluate(first, 'f')).body).toMatchObject({ variant: 'on' });
    await first.stop();

    const second = await startServerOn(url, { PENNON_DATA: directory });
    expect(second.output()).toContain('the store is empty, but');
    expect((await evaluate(second, 'f')).body).toMatchObject({ variant: 'on' });
    expect((await second.ask('POST', production('/flags'), { body: flag('g') })).status).toBe(503);
    expect(redis.cli('keys', '*:head')).toBe('');

    for (const path of ['/flags', '/flags/f', '/audit'])
      expect([path, (await second.ask('GET', production(path))).status]).toEqual([path, 503]);
    expect((await second.ask('GET', '/api/v1/status')).body.store).toBe('away');
    const exported = await second.ask('GET', '/api/v1/export');
    expect(exported.body.environments[1].flags).toMatchObject([{ key: 'f' }]);
    const imported = { body: exported.body };
    expect((await second.ask('POST', '/api/v1/import', imported)).status).toBe(503);
    expect((await second.ask('POST', '/api/v1/import?dryRun=true', imported)).status).toBe(503);

    const fresh = await startServerOn(url);
    await eventually(async () => (await ready(second)) === 'ready');
    expect((await evaluate(second, 'f')).status).toBe(404);
    await Promise.all([second, fresh].map(server => server.stop()));
  });
});

describe('a Redis that has lost its data, and a server whose copy is damaged', () => {
  it('is never begun anew by that server: it waits, and says what to do', async () => {
    redis.cli('flushall');
    const directory = newDirectory();
    const first = await startServerOn(url, { PENNON_DATA: directory });
    await eventually(() => readdirSync(directory).length > 0);
    await first.stop();
    for (const name of readdirSync(copiesIn(directory)))
      writeFileSync(join(copiesIn(directory), name), '{"format":1,');
    redis.cli('flushall');
    const [port] = await freePorts(1);
    const starting = startServerOn(url, { PORT: String(port), PENNON_DATA: directory });
    const status = () => ask(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
    await eventually(async () => (await status())?.body.status === 'waiting');
    expect(redis.cli('keys', '*:head')).toBe('');
    rmSync(copiesIn(directory), { recursive: true });
    const second = await starting;
    expect(second.output()).toContain('has a snapshot of earlier data, which cannot be read');
    await second.stop();
  });
});

describe('a wrong setting', () => {
  it.each([
    ['REDIS_URL', 'redis://u:s3cret@a,b'],
    ['REDIS_URL', 'mysql://u:s3cret@a'],
    ['PENNON_REDIS_PREFIX', 's3cret{x}'],
    ['PENNON_AUDIT_MAX_ENTRIES', 's3cret'],
  ])('names %s, and never its value', async (name, value) => {
    const { code, output } = await startInVain({
      env: { [name]: value, PENNON_DATA: newDirectory() },
    });
    expect(code).toBe(1);
    expect(output).toContain(`${name}: `);
    expect(output).not.toContain('s3cret');
  });
});

describe('an environment whose data is gone', () => {
  it('is said to be, and holds up no other, neither at a start nor later', async () => {
    redis.cli('flushall');
    const first = await startServerOn(url);
    await first.ask('POST', '/api/v1/flags?environment=development', { body: flag('f') });
    const [broken = ''] = redis.cli('keys', '*flagSet*:flags').split('\n');
    for (const name of ['head', 'changes', 'flags', 'flags:keys', 'audit'])
      redis.cli('del', broken.replace(/flags$/, name));
    const second = await startServerOn(url);
    expect((await second.ask('GET', production('/flags'))).status).toBe(200);
    const refused = await second.ask('GET', '/api/v1/flags?environment=development');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(second.output()).toContain('an environment could not be opened');
    expect(await ready(second)).toBe('degraded');
    expect((await second.ask('GET', '/api/v1/export')).status).toBe(503);
    expect((await second.ask('GET', '/api/v1/export?environment=production')).status).toBe(200);
    expect((await second.ask('DELETE', '/api/v1/environments/development')).status).toBe(204);
    await eventually(async () => (await ready(second)) === 'ready');
    expect((await second.ask('GET', '/api/v1/flags?environment=development')).status).toBe(404);
    await Promise.all([first, second].map(server => server.stop()));
  });
});
