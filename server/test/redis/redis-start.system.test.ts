import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

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

const redis = useRedis({ appendonly: 'yes', appendfsync: 'always' });

const flag = (key: string, more = {}) => ({ key, enabled: true, ...more });
const evaluate = (server: RedisServer, flagKey: string) =>
  server.request('POST', production('/evaluate'), { body: { flagKey, context: {} } });
const ready = async (server: RedisServer): Promise<string> =>
  (await server.request('GET', '/readyz')).body.status;

/** Returns the directory of a server's snapshot files. */
const snapshotDirectory = (directory: string): string => {
  const name = readdirSync(directory).find(each => each.startsWith('snapshots-'));
  if (name === undefined) throw new Error(`${directory} has no snapshot files`);
  return join(directory, name);
};

describe('while Redis is unavailable', () => {
  let server: RedisServer;
  let directory: string;
  beforeEach(async () => {
    redis().cli('flushall');
    directory = newDirectory();
    server = await startServerOn(redis().url, { PENNON_DATA: directory });
    await server.request('POST', production('/flags'), { body: flag('f') });
  });
  afterEach(async () => {
    await server.stop();
    redis().resume();
    await redis().start();
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
    expect((await server.request('GET', production('/flag-set'))).status).toBe(200);
    expect((await server.request('GET', '/readyz')).body.degradedSeconds).toBeGreaterThanOrEqual(0);
    expect((await server.request('GET', '/metrics')).body).toMatch(
      /pennon_degraded_seconds [0-9.]*[1-9]/,
    );
    const writes = Array.from({ length: 10 }, (_, i) =>
      server.request('POST', production('/flags'), { body: flag(`new${i}`) }),
    );
    for (const response of await Promise.all(writes))
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    return stream;
  };

  it.each([
    ['killed', () => redis().kill(), () => redis().start()],
    ['paused', async () => redis().pause(), async () => redis().resume()],
  ])(
    '(%s) a server serves from memory, rejects writes while Redis is still away, reports it, and recovers',
    async (_, stop, restart) => {
      await stop();
      const stream = await expectServingFromMemory();
      await restart();
      await eventually(async () => (await ready(server)) === 'ready');
      expect((await server.request('POST', production('/flags'), { body: flag('g') })).status).toBe(
        201,
      );
      for (let event = await stream.next(); ; event = await stream.next())
        if (event?.event === 'change' && 'g' in event.data.flags) break;
      stream.close();
    },
  );

  it('a starting server serves its last-known-good snapshot, reports it, and recovers by itself', async () => {
    const body = { name: 'sdk', role: 'server', environment: 'production' };
    const { secret } = (await server.request('POST', '/api/v1/keys', { body })).body;
    expect(await server.stop()).toBe(0);
    await redis().kill();
    server = await startServerOn(redis().url, { PENNON_DATA: directory });
    expect(server.output()).toMatch(/The store is unavailable: serving a snapshot saved at 20\S+Z/);
    const readiness = await server.request('GET', '/readyz');
    expect([readiness.status, readiness.body]).toEqual([
      200,
      {
        status: 'degraded',
        degradedSeconds: expect.any(Number),
        copyOf: expect.stringMatching(/Z$/),
      },
    ]);
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
    expect((await server.request('GET', '/api/v1/flag-set', { key: secret })).status).toBe(200);
    expect((await server.request('POST', production('/flags'), { body: flag('g') })).status).toBe(
      503,
    );
    await redis().start();
    await eventually(async () => (await ready(server)) === 'ready');
    expect((await server.request('POST', production('/flags'), { body: flag('g') })).status).toBe(
      201,
    );
  });

  it('a server that restarts while it is cut off for too long is not ready, until Redis is back', async () => {
    await server.stop();
    const options = { PENNON_DATA: directory, PENNON_READY_MAX_SOURCE_AGE: '20' };
    const status = async () => (await server.request('GET', '/readyz')).status;
    server = await startServerOn(redis().url, options);
    await redis().kill();
    await eventually(async () => (await status()) === 503);
    await server.stop();
    server = await startServerOn(redis().url, options);
    expect(await status()).toBe(503);
    await redis().start();
    await eventually(async () => (await status()) === 200);
    await server.stop();
    await redis().kill();
    server = await startServerOn(redis().url, options);
    expect(await status()).toBe(200);
  });

  it('a new server that restarts counts the outage from its start, however early that was', async () => {
    await server.stop();
    await redis().start();
    const options = { PENNON_DATA: join(directory, 'new') };
    server = await startServerOn(redis().url, options);
    await redis().kill();
    const degradedSeconds = async () =>
      (await server.request('GET', '/readyz')).body.degradedSeconds;
    await eventually(async () => (await degradedSeconds()) >= 3);
    await server.stop();
    server = await startServerOn(redis().url, options);
    expect(await degradedSeconds()).toBeGreaterThanOrEqual(3);
  });

  it('snapshot files are readable by their owner only, and contain no secret', async () => {
    await server.stop();
    const snapshots = snapshotDirectory(directory);
    expect(statSync(snapshots).mode & 0o777).toBe(0o700);
    const names = readdirSync(snapshots);
    expect(names.toSorted()).toEqual(
      ['control-control.json', ...names.filter(name => name.startsWith('flagSet-'))].toSorted(),
    );
    expect(names).toHaveLength(3);
    for (const name of names) {
      expect(statSync(join(snapshots, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(snapshots, name), 'utf8')).not.toContain(ADMIN_KEY);
    }
  });

  it('a new PENNON_ADMIN_KEY is valid as soon as Redis is available', async () => {
    await server.stop();
    await redis().kill();
    const key = `${ADMIN_KEY}-new`;
    server = await startServerOn(redis().url, { PENNON_DATA: directory, PENNON_ADMIN_KEY: key });
    await redis().start();
    await eventually(
      async () => (await server.request('GET', '/api/v1/environments', { key })).status === 200,
    );
    expect((await server.request('GET', '/api/v1/environments')).status).toBe(401);
  });

  it('a server without a snapshot waits, not ready, and becomes ready by itself', async () => {
    await server.stop();
    await redis().kill();
    const port = await freePort();
    const waiting = `http://127.0.0.1:${port}`;
    const starting = startServerOn(redis().url, { PORT: String(port) });
    const status = (path: string) => request(waiting, 'GET', path).catch(() => undefined);
    await eventually(async () => (await status('/readyz'))?.status === 503);
    expect((await status('/readyz'))?.body).toEqual({ status: 'waiting' });
    expect((await status('/healthz'))?.status).toBe(200);
    const rejected = await status('/api/v1/flags');
    expect([
      rejected?.status,
      rejected?.headers.get('retry-after'),
      rejected?.body.error.code,
    ]).toEqual([503, '1', 'SERVICE_UNAVAILABLE']);
    await redis().start();
    server = await starting;
    expect(await ready(server)).toBe('ready');
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
  });

  it('a damaged snapshot is ignored', async () => {
    await server.stop();
    await redis().kill();
    for (const name of readdirSync(snapshotDirectory(directory)))
      writeFileSync(join(snapshotDirectory(directory), name), '{"format":1,');
    const port = await freePort();
    const starting = startServerOn(redis().url, { PORT: String(port), PENNON_DATA: directory });
    const status = () =>
      request(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
    await eventually(async () => (await status())?.body.status === 'waiting');
    await redis().start();
    server = await starting;
    expect(server.output()).toContain('cannot be read');
    expect((await evaluate(server, 'f')).body).toMatchObject({ variant: 'on' });
  });
});

describe('a Redis that has lost its data', () => {
  it('is never initialized again by a server with a snapshot, which serves it and rejects changes', async () => {
    redis().cli('flushall');
    const directory = newDirectory();
    const first = await startServerOn(redis().url, { PENNON_DATA: directory });
    await first.request('POST', production('/flags'), { body: flag('f') });
    redis().cli('flushall');
    await eventually(async () => (await ready(first)) === 'degraded');
    expect((await evaluate(first, 'f')).body).toMatchObject({ variant: 'on' });
    await first.stop();

    const env = { PENNON_DATA: directory, PENNON_INIT: '' };
    const second = await startServerOn(redis().url, env);
    expect(second.output()).toContain('the store is empty, but');
    expect((await evaluate(second, 'f')).body).toMatchObject({ variant: 'on' });
    expect((await second.request('POST', production('/flags'), { body: flag('g') })).status).toBe(
      503,
    );
    expect(redis().cli('keys', '*:head')).toBe('');

    for (const path of ['/flags', '/flags/f', '/audit'])
      expect([path, (await second.request('GET', production(path))).status]).toEqual([path, 503]);
    expect((await second.request('GET', '/api/v1/status')).body.store).toBe('away');
    const exported = await second.request('GET', '/api/v1/export');
    expect(exported.body.environments[1].flags).toMatchObject([{ key: 'f' }]);
    const imported = { body: exported.body };
    expect((await second.request('POST', '/api/v1/import', imported)).status).toBe(503);
    expect((await second.request('POST', '/api/v1/import?dryRun=true', imported)).status).toBe(503);

    const fresh = await startServerOn(redis().url);
    expect((await evaluate(fresh, 'f')).status).toBe(404);
    await second.stop();
    const third = await startServerOn(redis().url, env);
    expect((await evaluate(third, 'f')).body).toMatchObject({ variant: 'on' });
    await third.stop();
    const chosen = await startServerOn(redis().url, { PENNON_DATA: directory });
    expect(await ready(chosen)).toBe('ready');
    expect((await evaluate(chosen, 'f')).status).toBe(404);
    await Promise.all([chosen, fresh].map(server => server.stop()));
  });
});

describe('a Redis that has lost its data, and a server with a damaged snapshot', () => {
  it('is never initialized again by that server, which waits with a clear message', async () => {
    redis().cli('flushall');
    const directory = newDirectory();
    const first = await startServerOn(redis().url, { PENNON_DATA: directory });
    await eventually(() => readdirSync(directory).length > 0);
    await first.stop();
    for (const name of readdirSync(snapshotDirectory(directory)))
      writeFileSync(join(snapshotDirectory(directory), name), '{"format":1,');
    redis().cli('flushall');
    const port = await freePort();
    const env = { PORT: String(port), PENNON_DATA: directory, PENNON_INIT: '' };
    const starting = startServerOn(redis().url, env);
    const status = () =>
      request(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
    await eventually(async () => (await status())?.body.status === 'waiting');
    expect(redis().cli('keys', '*:head')).toBe('');
    rmSync(snapshotDirectory(directory), { recursive: true });
    const second = await starting;
    expect(second.output()).toContain('has a snapshot of earlier data, which cannot be read');
    await second.stop();
  });
});

describe('an invalid setting', () => {
  it.each([
    ['REDIS_URL', 'redis://u:s3cret@a,b'],
    ['REDIS_URL', 'mysql://u:s3cret@a'],
    ['PENNON_REDIS_PREFIX', 's3cret{x}'],
    ['PENNON_AUDIT_MAX_ENTRIES', 's3cret'],
  ])('is reported as %s, without its value', async (name, value) => {
    const { code, output } = await startAndFail({
      env: { [name]: value, PENNON_DATA: newDirectory() },
    });
    expect(code).toBe(1);
    expect(output).toContain(`${name}: `);
    expect(output).not.toContain('s3cret');
  });
});

describe('an environment whose data is missing', () => {
  it('is reported, and does not affect others, neither at start nor later', async () => {
    redis().cli('flushall');
    const first = await startServerOn(redis().url);
    await first.request('POST', '/api/v1/flags?environment=development', { body: flag('f') });
    const [broken = ''] = redis().cli('keys', '*flagSet*:flags').split('\n');
    for (const name of ['head', 'changes', 'flags', 'flags:keys', 'audit'])
      redis().cli('del', broken.replace(/flags$/, name));
    const second = await startServerOn(redis().url);
    expect((await second.request('GET', production('/flags'))).status).toBe(200);
    const rejected = await second.request('GET', '/api/v1/flags?environment=development');
    expect([rejected.status, rejected.headers.get('retry-after')]).toEqual([503, '1']);
    expect(second.output()).toContain('an environment could not be opened');
    expect(await ready(second)).toBe('degraded');
    expect((await second.request('GET', '/api/v1/export')).status).toBe(503);
    expect((await second.request('GET', '/api/v1/export?environment=production')).status).toBe(200);
    expect(
      (await second.request('DELETE', '/api/v1/environments/development?confirm=development'))
        .status,
    ).toBe(204);
    await eventually(async () => (await ready(second)) === 'ready');
    expect((await second.request('GET', '/api/v1/flags?environment=development')).status).toBe(404);
    await Promise.all([first, second].map(server => server.stop()));
  });
});
