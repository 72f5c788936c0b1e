import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';

import { sendEvents } from '../src/http/stream.ts';
import { forEachEvent, mapEvents } from '../src/streaming/each-event.ts';
import { createSubscription } from '../src/streaming/subscription.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

const flag = (key: string, more: object = {}) => ({ key, enabled: true, ...more });

describe('the flag set stream', () => {
  it('sends the whole flag set, then each change with the id of the previous one', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const key = await server.keyOf('server');
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    const set = await stream.next();
    expect(set).toMatchObject({
      event: 'set',
      id: set?.data.id,
      data: { revision: 1, flags: {}, environment: 'production' },
    });
    const created = await server.api('POST', '/flags', { body: flag('f') });
    const first = await stream.next();
    expect(first).toMatchObject({
      event: 'change',
      data: {
        previous: set?.id,
        revision: 2,
        flags: { f: { key: 'f', version: 1 } },
        segments: {},
      },
    });
    expect(`"${first?.id}"`).toBe(created.headers.etag);
    await server.api('DELETE', '/flags/f');
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { previous: first?.id, flags: { f: null } },
    });
    stream.close();
  });

  it('resumes if the last event id is current, and otherwise sends the whole flag set', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const key = await server.keyOf('server');
    const open = (lastEventId: string) =>
      openSse(`${url}/api/v1/flag-set/stream`, { key, headers: { 'last-event-id': lastEventId } });
    const first = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    const set = await first.next();
    first.close();
    const current = await open(set?.id ?? '');
    expect(await current.next()).toEqual({ event: 'current', id: set?.id, data: { revision: 1 } });
    await server.api('POST', '/flags', { body: flag('f') });
    expect(await current.next()).toMatchObject({ event: 'change', data: { previous: set?.id } });
    for (const old of [set?.id ?? '', 'foreign', 'a.1.b']) {
      const stream = await open(old);
      expect(await stream.next()).toMatchObject({ event: 'set', data: { revision: 2 } });
      stream.close();
    }
    current.close();
  });

  it('sends a flag with a higher version, but the same otherwise, if only its description changes', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await server.api('POST', '/flags', { body: flag('f', { description: 'old' }) });
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, {
      key: await server.keyOf('server'),
    });
    const set = await stream.next();
    await server.api('PATCH', '/flags/f', { body: { description: 'new' } });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { revision: 3, flags: { f: { ...set?.data.flags.f, version: 2 } } },
    });
    stream.close();
  });

  it('sends a heartbeat without an id every 15 seconds', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, {
      key: await server.keyOf('server'),
    });
    await stream.next();
    for (let i = 0; i < 2; i += 1) {
      clock.advance(15_000);
      expect(await stream.next()).toEqual({
        event: 'heartbeat',
        id: undefined,
        data: { revision: 1, sourceAgeMs: 0 },
      });
    }
    stream.close();
  });

  it('ends at once if its key is revoked or expires, or its environment is deleted', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const created = await server.request('POST', '/api/v1/keys', {
      body: { name: 's', role: 'server', environment: 'production' },
    });
    const expiring = await server.keyOf('server', 'production', {
      expiresAt: '2026-01-31T12:00:05Z',
    });
    const [revoked, expired, orphaned] = await Promise.all(
      [created.body.secret, expiring, await server.keyOf('server', 'development')].map(key =>
        openSse(`${url}/api/v1/flag-set/stream`, { key }),
      ),
    );
    for (const stream of [revoked, expired, orphaned])
      expect(await stream?.next()).toMatchObject({ event: 'set' });
    await server.request('DELETE', `/api/v1/keys/${created.body.id}`);
    expect(await revoked?.next()).toBeUndefined();
    clock.advance(5_000);
    expect(await expired?.next()).toBeUndefined();
    await server.request('DELETE', '/api/v1/environments/development?confirm=development');
    expect(await orphaned?.next()).toBeUndefined();
  });

  it('is rejected with 503 and Retry-After if too many are open', async () => {
    await using server = await startServer({ limits: { streams: 1 } });
    const url = await server.listen();
    const key = await server.keyOf('server');
    const first = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    await first.next();
    const second = await fetch(`${url}/api/v1/flag-set/stream`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await second.json()).toMatchObject({ error: { code: 'SERVICE_UNAVAILABLE' } });
    first.close();
  });

  it('ends if the server drains', async () => {
    const server = await startServer();
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, {
      key: await server.keyOf('server'),
    });
    await stream.next();
    await server.close();
    expect(await stream.next()).toBeUndefined();
  });

  it('ends during the grace period if the server drains, and new ones are refused with 503', async () => {
    const clock = createFakeClock();
    const server = await startServer({ clock });
    const url = await server.listen();
    const key = await server.keyOf('server');
    const path = `${url}/api/v1/flag-set/stream`;
    const [first, second] = [await openSse(path, { key }), await openSse(path, { key })];
    for (const stream of [first, second]) await stream.next();
    const closed = server.close(4_000);
    const refused = await fetch(path, { headers: { authorization: `Bearer ${key}` } });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(refused.headers.get('connection')).toBe('close');
    clock.advance(2_000);
    expect(await first.next()).toBeUndefined();
    await server.api('POST', '/flags', { body: flag('f') });
    expect(await second.next()).toMatchObject({ event: 'change' });
    clock.advance(2_000);
    expect(await second.next()).toBeUndefined();
    await closed;
  });
});

describe('the values stream', () => {
  const context = { targetingKey: 'ada', plan: 'pro' };
  const rules = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];

  it('sends all values of a context, then only those that change for it', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await server.api('POST', '/flags', { body: flag('visible', { clientVisible: true, rules }) });
    await server.api('POST', '/flags', { body: flag('secret') });
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
      key: await server.keyOf('client'),
      body: { context },
    });
    expect(stream.response.headers.get('access-control-allow-origin')).toBe('*');
    const first = await stream.next();
    expect(first).toMatchObject({
      event: 'values',
      data: { revision: 1, evaluations: { visible: { variant: 'on' } } },
    });
    expect(Object.keys(first?.data.evaluations)).toEqual(['visible']);

    await server.api('PATCH', '/flags/secret', { body: { enabled: false } });
    await server.api('PATCH', '/flags/visible', {
      body: { description: 'not part of a value' },
    });
    await server.api('PATCH', '/flags/visible', { body: { enabled: false } });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { revision: 2, evaluations: { visible: { reason: 'DISABLED' } } },
    });
    await server.api('PATCH', '/flags/visible', { body: { clientVisible: false } });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { evaluations: { visible: null } },
    });
    await server.api('PATCH', '/flags/secret', { body: { clientVisible: true } });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { evaluations: { secret: { reason: 'DISABLED' } } },
    });
    stream.close();
  });

  it('sends values that change through segments and other flags', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await server.api('POST', '/segments', { body: { key: 'pros', conditions: rules } });
    await server.api('POST', '/flags', {
      body: flag('base', { rules: [{ conditions: [{ segment: 'pros' }] }] }),
    });
    await server.api('POST', '/flags', {
      body: flag('top', { rules: [{ conditions: [{ flag: 'base', variants: ['on'] }] }] }),
    });
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
      key: await server.keyOf('server'),
      body: { context },
    });
    expect((await stream.next())?.data.evaluations).toMatchObject({
      base: { variant: 'on' },
      top: { variant: 'on' },
    });
    await server.api('PATCH', '/segments/pros', {
      body: { conditions: [{ ...rules[0], value: 'max' }] },
    });
    expect((await stream.next())?.data.evaluations).toMatchObject({
      base: { variant: 'off' },
      top: { variant: 'off' },
    });
    stream.close();
  });

  it('has the environment and the version of each flag, of which a new one alone is not sent', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await server.api('POST', '/flags', { body: flag('edited') });
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
      key: await server.keyOf('server'),
      body: { context },
    });
    expect((await stream.next())?.data).toMatchObject({
      environment: 'production',
      evaluations: { edited: { version: 1 } },
    });
    await server.api('PATCH', '/flags/edited', { body: { description: 'Another one.' } });
    await server.api('PATCH', '/flags/edited', { body: { enabled: false } });
    expect((await stream.next())?.data).toMatchObject({
      environment: 'production',
      evaluations: { edited: { version: 3, reason: 'DISABLED' } },
    });
    stream.close();
  });

  it('sends only the values that differ after the whole flag set is replaced', async () => {
    await using server = await startServer();
    const url = await server.listen();
    for (const key of ['constructor', 'kept', 'turned'])
      await server.api('POST', '/flags', { body: flag(key) });
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
      key: await server.keyOf('server'),
      body: { context },
    });
    await stream.next();
    const exported = (await server.request('GET', '/api/v1/export?environment=production')).body;
    const [{ flags, ...environment }] = exported.environments;
    const [, unchanged, changed] = flags;
    const added = { ...unchanged, key: 'toString' };
    await server.request('POST', '/api/v1/import?overwrite=true', {
      body: {
        ...exported,
        environments: [
          { ...environment, flags: [unchanged, { ...changed, enabled: false }, added] },
        ],
      },
    });
    expect((await stream.next())?.data.evaluations).toEqual({
      constructor: null,
      turned: { flagKey: 'turned', enabled: false, reason: 'DISABLED', version: 2 },
      toString: expect.objectContaining({ variant: 'on' }),
    });
    stream.close();
  });
});

it('a stream that is interrupted many times loses and repeats no change', async () => {
  await using server = await startServer();
  const url = await server.listen();
  const key = await server.keyOf('server');
  const flags = new Map<string, number>();
  let lastId = '';
  const writer = (async () => {
    for (let i = 0; i < 100; i += 1) {
      await server.api(
        i % 5 === 0 ? 'POST' : 'PATCH',
        i % 5 === 0 ? '/flags' : `/flags/f${i - (i % 5)}`,
        {
          body: i % 5 === 0 ? flag(`f${i}`) : { description: `${i}` },
        },
      );
    }
  })();
  while (flags.size < 20 || [...flags.values()].some(version => version < 5)) {
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, {
      key,
      ...(lastId === '' ? {} : { headers: { 'last-event-id': lastId } }),
    });
    for (let i = 0; i < 7; i += 1) {
      const event = await stream.next();
      if (event?.event === 'set') flags.clear();
      else if (event?.event === 'change') expect(event.data.previous).toBe(lastId);
      for (const [name, { version }] of Object.entries<{ version: number }>(
        event?.data.flags ?? {},
      )) {
        if (event?.event === 'change') expect(version).toBe((flags.get(name) ?? 0) + 1);
        flags.set(name, version);
      }
      lastId = event?.id ?? lastId;
      if (flags.size === 20 && [...flags.values()].every(version => version === 5)) break;
    }
    stream.close();
  }
  await writer;
  const { body } = await server.request('GET', '/api/v1/flag-set', { key });
  expect(body.id).toBe(lastId);
});

describe('a reader that does not read', () => {
  const big = (text: string) =>
    flag('big', { type: 'string', variants: { a: text }, defaultVariant: 'a' });

  const openUnread = async (url: URL, key: string) => {
    const slow = connect(Number(url.port), url.hostname);
    slow.write(
      `GET /api/v1/flag-set/stream HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${key}\r\n\r\n`,
    );
    await once(slow, 'readable');
    return slow;
  };

  it('is disconnected after 30 s, and others continue', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = new URL(await server.listen());
    const key = await server.keyOf('server');
    const slow = await openUnread(url, key);
    const reader = await openSse(`${url.origin}/api/v1/flag-set/stream`, { key });
    await reader.next();
    const streams = async () =>
      /pennon_streams (\d+)/.exec((await server.request('GET', '/metrics')).text)?.[1];
    expect(await streams()).toBe('2');
    await server.api('POST', '/flags', { body: big('x'.repeat(60_000)) });
    let changes = 0;
    while ((await streams()) === '2') {
      changes += 1;
      expect(changes).toBeLessThan(500);
      await server.api('PATCH', '/flags/big', { body: { description: `change ${changes}` } });
      while ((await reader.next())?.event !== 'change');
      clock.advance(1_000);
    }
    expect(changes).toBeGreaterThan(25);
    slow.destroy();
    reader.close();
  });

  it('receives everything once it reads: the events, or the whole set in their place', async () => {
    await using server = await startServer();
    const url = new URL(await server.listen());
    const key = await server.keyOf('server');
    const slow = await openUnread(url, key);
    await server.api('POST', '/flags', { body: big('x'.repeat(60_000)) });
    for (let i = 0; i < 300; i += 1)
      await server.api('PATCH', '/flags/big', { body: { description: `change ${i}` } });
    const { revision } = (await server.api('GET', '/flag-set')).body;
    let received = '';
    slow.on('data', chunk => {
      received += String(chunk);
    });
    while (!received.includes(`"revision":${revision},`)) await once(slow, 'data');
    expect(received).toContain('event: set');
    slow.destroy();
  });
});

it('readers that are slow share the memory of a flag set', async () => {
  await using server = await startServer();
  const url = new URL(await server.listen());
  const key = await server.keyOf('server');
  for (let i = 0; i < 20; i += 1)
    await server.api('POST', '/flags', {
      body: flag(`big-${i}`, {
        type: 'object',
        variants: { a: Array.from({ length: 8 }, () => 'x'.repeat(50_000)) },
        defaultVariant: 'a',
      }),
    });
  const sockets: Socket[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (const path of ['/flag-set', '/flag-set/stream'])
    for (let i = 0; i < 20; i += 1) {
      const socket = connect(Number(url.port), url.hostname);
      socket.pause();
      socket.write(
        `GET /api/v1${path} HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${key}\r\n\r\n`,
      );
      sockets.push(socket);
    }
  for (let i = 0; i < 50; i += 1) await fetch(`${url.origin}/healthz`);
  // The set of 8 MB once, and what the test itself has received.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60 * 1_048_576);
  for (const socket of sockets) socket.destroy();
});

it('a stream that waits for the next event does not keep the previous one', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const events = createSubscription(['first', 'left out', 'last'], () => {}).subscription;
  const received: WeakRef<object>[] = [];
  const mapped = mapEvents(events, async event => (event === 'left out' ? undefined : { event }));
  const reading = forEachEvent(mapped, async event => received.push(new WeakRef(event)) > 0);
  // References that were created or read in the current turn are kept until its end.
  await new Promise(resolve => setTimeout(resolve, 0));
  collectGarbage();
  expect(received.map(each => each.deref())).toEqual([undefined, undefined]);
  await mapped.return?.();
  await reading;
});

it('an error after a stream has begun ends it with an event that has the code', async () => {
  const app = fastify();
  const broken = async function* () {
    yield 'first';
    throw new Error('a secret reason');
  };
  app.get('/stream', async (_, reply) => {
    await sendEvents(reply, broken(), data => [
      Buffer.from(`event: set\ndata: ${JSON.stringify(data)}\n\n`),
    ]);
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const stream = await openSse(`${url}/stream`, { key: 'k' });
  expect(await stream.next()).toMatchObject({ event: 'set', data: 'first' });
  const message = 'internal error; see the log of the server';
  expect(await stream.next()).toMatchObject({
    event: 'error',
    data: { error: { code: 'INTERNAL_SERVER_ERROR', message } },
  });
  expect(await stream.next()).toBeUndefined();
  await app.close();
});

it('a reader that disconnects while the server waits for the store is not counted as a stream', async () => {
  const requested = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isHeld = false;
  await using server = await startServer({
    clock: createFakeClock(),
    wrapStore: store => ({
      ...store,
      async head(ledger) {
        if (isHeld) {
          requested.resolve();
          await released.promise;
        }
        return store.head(ledger);
      },
    }),
  });
  const url = new URL(await server.listen());
  const key = await server.keyOf('server');
  isHeld = true;
  // This id is ahead of the server, so it reads the store before it sends anything.
  const ahead = `Authorization: Bearer ${key}\r\nLast-Event-ID: ahead.1000000.nonce\r\n\r\n`;
  const disconnecting = connect(Number(url.port), url.hostname);
  disconnecting.write(`GET /api/v1/flag-set/stream HTTP/1.1\r\nHost: ${url.host}\r\n${ahead}`);
  await requested.promise;
  disconnecting.resetAndDestroy();
  await fetch(new URL('/healthz', url));
  const staying = openSse(`${url.origin}/api/v1/flag-set/stream`, {
    key,
    headers: { 'last-event-id': 'ahead.1000000.nonce' },
  });
  released.resolve();
  await (await staying).next();
  expect((await server.request('GET', '/metrics')).text).toMatch(/^pennon_streams 1$/m);
  (await staying).close();
});
