import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startInVain } from '../support/process.ts';
import { openSse } from '../support/sse.ts';
import { eventually, startRedis } from './processes.ts';
import {
  ADMIN_KEY,
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

const flag = (key: string, more = {}) => ({ key, enabled: true, ...more });

describe('a first start on an empty Redis', () => {
  beforeEach(() => void redis.cli('flushall'));

  it('takes PENNON_ADMIN_KEY, and says so where it is missing', async () => {
    const { code, output } = await startInVain({
      env: { REDIS_URL: url, PENNON_DATA: newDirectory() },
    });
    expect(code).toBe(1);
    expect(output).toContain('Redis is empty');
    expect(output).toContain('set PENNON_ADMIN_KEY');
    expect(redis.cli('dbsize')).toBe('0');
  });

  it('is made once by many servers that start together', async () => {
    const servers = await Promise.all(Array.from({ length: 5 }, () => startServerOn(url)));
    const asked = servers.map(server => server.ask('GET', '/api/v1/environments'));
    const [first, ...others] = (await Promise.all(asked)).map(({ body }) => body);
    expect(first.items).toHaveLength(2);
    for (const each of others) expect(each).toEqual(first);
    const audit = await servers[0]?.ask('GET', '/api/v1/audit?environment=*');
    expect(audit?.body.items).toHaveLength(3);
    // What those made who were not first is gone: control and two environments remain.
    expect(redis.cli('keys', '*:head').split('\n')).toHaveLength(3);
    await Promise.all(servers.map(server => server.stop()));
  });

  it('is no longer one when the data is there: a server without the key starts on it', async () => {
    const first = await startServerOn(url);
    const second = await startServerOn(url, { PENNON_ADMIN_KEY: '' });
    expect((await second.ask('GET', '/api/v1/environments')).status).toBe(200);
    await Promise.all([first, second].map(server => server.stop()));
  });
});

describe('three servers on one Redis', () => {
  let servers: [RedisServer, RedisServer, RedisServer];
  beforeEach(async () => {
    redis.cli('flushall');
    servers = await Promise.all([startServerOn(url), startServerOn(url), startServerOn(url)]);
  });
  afterEach(async () => {
    await Promise.all(servers.map(server => server.stop()));
  });

  it('what is written on one is evaluated on the others', async () => {
    const [one, two, three] = servers;
    expect((await one.ask('POST', production('/flags'), { body: flag('f') })).status).toBe(201);
    for (const server of [two, three])
      await eventually(async () => {
        const answer = await server.ask('POST', production('/evaluate'), {
          body: { flagKey: 'f', context: {} },
        });
        return answer.body.variant === 'on';
      });
  });

  it('a stream on one tells what is written on another', async () => {
    const [one, two] = servers;
    const stream = await openSse(`${two.url}${production('/flag-set/stream')}`, { key: ADMIN_KEY });
    expect(await stream.next()).toMatchObject({ event: 'set', data: { flags: {} } });
    await one.ask('POST', production('/flags'), { body: flag('f') });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { flags: { f: { key: 'f' } } },
    });
    stream.close();
  });

  it('a revoked key is refused, and its streams end, on every server within a second', async () => {
    const [one, two, three] = servers;
    const body = { name: 'sdk', role: 'server', environment: 'production' };
    const made = (await one.ask('POST', '/api/v1/keys', { body })).body;
    const path = '/api/v1/flag-set';
    const others = [two, three];
    for (const server of others)
      await eventually(
        async () => (await server.ask('GET', path, { key: made.secret })).status === 200,
      );
    const streams = await Promise.all(
      others.map(server => openSse(`${server.url}${path}/stream`, { key: made.secret })),
    );
    for (const stream of streams) await stream.next();
    const start = performance.now();
    await one.ask('DELETE', `/api/v1/keys/${made.id}`);
    for (const stream of streams) expect(await stream.next()).toBeUndefined();
    for (const server of others)
      expect((await server.ask('GET', path, { key: made.secret })).status).toBe(401);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it('an environment that is made on one is there on the others, and goes with its flags', async () => {
    const [one, two] = servers;
    await one.ask('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const evaluate = async () =>
      (await two.ask('POST', '/api/v1/evaluations?environment=staging', { body: { context: {} } }))
        .status;
    await eventually(async () => (await evaluate()) === 200);
    await one.ask('DELETE', '/api/v1/environments/staging');
    await eventually(async () => (await evaluate()) === 404);
    await eventually(() => redis.cli('keys', '*:head').split('\n').length === 3);
    expect((await one.ask('GET', '/api/v1/environments')).body.items).toHaveLength(2);
  });

  it('of two editors on two servers with the same If-Match one wins, a thousand times', async () => {
    const [one, two] = servers;
    const made = await one.ask('POST', production('/flags'), { body: flag('contested') });
    let etag = made.headers.get('etag') ?? '';
    for (let round = 0; round < 1_000; round += 1) {
      const edits = [one, two].map((server, i) =>
        server.ask('PATCH', production('/flags/contested'), {
          body: { description: `${round} ${i}` },
          headers: { 'if-match': etag },
        }),
      );
      const answers = await Promise.all(edits);
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
      etag = answers.find(({ status }) => status === 200)?.headers.get('etag') ?? '';
    }
    const last = await two.ask('GET', production('/flags/contested'));
    expect([last.headers.get('etag'), last.body.version]).toEqual([etag, 1_001]);
    const log = await one.ask('GET', production('/audit?flag=contested&limit=200'));
    expect(log.body.items).toHaveLength(200);
  });

  it('data of a newer version is refused at start, with a clear message', async () => {
    const env = { REDIS_URL: url, PENNON_ADMIN_KEY: ADMIN_KEY, PENNON_DATA: newDirectory() };
    const heads = redis.cli('keys', '*:head').split('\n');
    expect(heads).toHaveLength(3);
    for (const head of heads) {
      redis.cli('hset', head, 'format', '99');
      const { code, output } = await startInVain({ env });
      expect([head, code]).toEqual([head, 1]);
      expect(output).toContain('written by a newer Pennon');
      redis.cli('hset', head, 'format', '1');
    }
  });
});
