import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { freePort } from '../support/free-ports.ts';
import { startAndFail } from '../support/process.ts';
import { openSse } from '../support/sse.ts';
import { eventually } from './processes.ts';
import {
  ADMIN_KEY,
  newDirectory,
  production,
  request,
  startServerOn,
  type RedisServer,
} from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

const flag = (key: string, more = {}) => ({ key, enabled: true, ...more });

describe('a first start on an empty Redis', () => {
  beforeEach(() => void redis().cli('flushall'));

  it('requires PENNON_ADMIN_KEY, with a clear message', async () => {
    const { code, output } = await startAndFail({
      env: { REDIS_URL: redis().url, PENNON_DATA: newDirectory() },
    });
    expect(code).toBe(1);
    expect(output).toContain('the store is empty');
    expect(output).toContain('set PENNON_ADMIN_KEY');
    expect(redis().cli('dbsize')).toBe('0');
  });

  it('creates the data once if many servers start together', async () => {
    const servers = await Promise.all(Array.from({ length: 5 }, () => startServerOn(redis().url)));
    const responses = await Promise.all(
      servers.map(server => server.request('GET', '/api/v1/environments')),
    );
    const [first, ...others] = responses.map(({ body }) => body);
    expect(first.items).toHaveLength(2);
    for (const each of others) expect(each).toEqual(first);
    const audit = await servers[0]?.request('GET', '/api/v1/audit?environment=*');
    expect(audit?.body.items).toHaveLength(3);
    // The data of servers that were not first is removed: control and two environments remain.
    expect(redis().cli('keys', '*:head').split('\n')).toHaveLength(3);
    await Promise.all(servers.map(server => server.stop()));
  });

  it('waits, not ready, for servers that have earlier data, and begins without any', async () => {
    const port = await freePort();
    const since = performance.now();
    const starting = startServerOn(redis().url, { PORT: String(port), PENNON_INIT: '' });
    const readiness = () =>
      request(`http://127.0.0.1:${port}`, 'GET', '/readyz').catch(() => undefined);
    await eventually(async () => (await readiness())?.body.status === 'waiting');
    const server = await starting;
    expect(performance.now() - since).toBeGreaterThan(10_000);
    expect((await server.request('GET', '/readyz')).body).toEqual({ status: 'ready' });
    await server.stop();
  });

  it('is over once the data exists: a server without the key starts on it', async () => {
    const first = await startServerOn(redis().url);
    const second = await startServerOn(redis().url, { PENNON_ADMIN_KEY: '' });
    expect((await second.request('GET', '/api/v1/environments')).status).toBe(200);
    await Promise.all([first, second].map(server => server.stop()));
  });
});

describe('three servers on one Redis', () => {
  let servers: [RedisServer, RedisServer, RedisServer];
  beforeEach(async () => {
    redis().cli('flushall');
    servers = await Promise.all([
      startServerOn(redis().url),
      startServerOn(redis().url),
      startServerOn(redis().url),
    ]);
  });
  afterEach(async () => {
    await Promise.all(servers.map(server => server.stop()));
  });

  it('a flag written on one is evaluated on the others', async () => {
    const [one, two, three] = servers;
    expect((await one.request('POST', production('/flags'), { body: flag('f') })).status).toBe(201);
    for (const server of [two, three])
      await eventually(async () => {
        const response = await server.request('POST', production('/evaluate'), {
          body: { flagKey: 'f', context: {} },
        });
        return response.body.variant === 'on';
      });
  });

  it('a stream on one delivers a flag written on another', async () => {
    const [one, two] = servers;
    const stream = await openSse(`${two.url}${production('/flag-set/stream')}`, { key: ADMIN_KEY });
    expect(await stream.next()).toMatchObject({ event: 'set', data: { flags: {} } });
    await one.request('POST', production('/flags'), { body: flag('f') });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { flags: { f: { key: 'f' } } },
    });
    stream.close();
  });

  it('a revoked key is rejected, and its streams end, on every server', async () => {
    const [one, two, three] = servers;
    const body = { name: 'sdk', role: 'server', environment: 'production' };
    const made = (await one.request('POST', '/api/v1/keys', { body })).body;
    const path = '/api/v1/flag-set';
    const others = [two, three];
    for (const server of others)
      await eventually(
        async () => (await server.request('GET', path, { key: made.secret })).status === 200,
      );
    const streams = await Promise.all(
      others.map(server => openSse(`${server.url}${path}/stream`, { key: made.secret })),
    );
    for (const stream of streams) await stream.next();
    await one.request('DELETE', `/api/v1/keys/${made.id}`);
    for (const stream of streams) expect(await stream.next()).toBeUndefined();
    for (const server of others)
      expect((await server.request('GET', path, { key: made.secret })).status).toBe(401);
  });

  it('an environment created on one exists on the others, and is deleted on all of them', async () => {
    const [one, two] = servers;
    await one.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const evaluate = async () =>
      (
        await two.request('POST', '/api/v1/evaluations?environment=staging', {
          body: { context: {} },
        })
      ).status;
    await eventually(async () => (await evaluate()) === 200);
    await one.request('DELETE', '/api/v1/environments/staging?confirm=staging');
    await eventually(async () => (await evaluate()) === 404);
    expect(redis().cli('keys', '*:head').split('\n')).toHaveLength(4);
    expect((await one.request('GET', '/api/v1/environments')).body.items).toHaveLength(2);
  });

  it('of two edits on two servers with the same If-Match one succeeds, a thousand times', async () => {
    const [one, two] = servers;
    const made = await one.request('POST', production('/flags'), { body: flag('contested') });
    let etag = made.headers.get('etag') ?? '';
    for (let round = 0; round < 1_000; round += 1) {
      const edits = [one, two].map((server, i) =>
        server.request('PATCH', production('/flags/contested'), {
          body: { description: `${round} ${i}` },
          headers: { 'if-match': etag },
        }),
      );
      const responses = await Promise.all(edits);
      expect(responses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
      etag = responses.find(({ status }) => status === 200)?.headers.get('etag') ?? '';
    }
    const last = await two.request('GET', production('/flags/contested'));
    expect([last.headers.get('etag'), last.body.version]).toEqual([etag, 1_001]);
    const log = await one.request('GET', production('/audit?flag=contested&limit=200'));
    expect(log.body.items).toHaveLength(200);
  });

  it('a flag that several servers create, change and delete has one content for each version', async () => {
    const written = new Map<number, string>();
    const note = (response: { status: number; body: { version: number; description: string } }) => {
      if (response.status >= 300) return;
      expect(written.has(response.body.version)).toBe(false);
      written.set(response.body.version, response.body.description);
    };
    const path = production('/flags/numbered');
    for (let round = 0; round < 60; round += 1)
      await Promise.all(
        servers.map(async (server, i) => {
          const description = `${round} ${i}`;
          const body = { ...flag('numbered'), description };
          note(await server.request('POST', production('/flags'), { body }));
          note(await server.request('PATCH', path, { body: { description: `${description}!` } }));
          if (i === 0) await server.request('DELETE', path);
        }),
      );
    const found = new Map<number, string>();
    for (const version of written.keys()) {
      const url = production(`/flags/numbered/versions/${version}`);
      const { body } = await servers[0].request('GET', url);
      found.set(version, body.document.description);
    }
    expect(found).toEqual(written);
    expect(Math.max(...written.keys())).toBe(written.size);
    const reverted = await servers[1].request('POST', production('/flags/numbered/revert'), {
      body: { version: 1 },
    });
    expect(reverted.body).toMatchObject({
      version: written.size + 1,
      description: written.get(1),
    });
  });

  it('data of a newer version is rejected at start, with a clear message', async () => {
    const env = {
      REDIS_URL: redis().url,
      PENNON_ADMIN_KEY: ADMIN_KEY,
      PENNON_DATA: newDirectory(),
    };
    const heads = redis().cli('keys', '*:head').split('\n');
    expect(heads).toHaveLength(3);
    for (const head of heads) {
      redis().cli('hset', head, 'format', '99');
      const { code, output } = await startAndFail({ env });
      expect([head, code]).toEqual([head, 1]);
      expect(output).toContain('written by a newer Pennon');
      redis().cli('hset', head, 'format', '1');
    }
  });
});
