import { createParser } from 'eventsource-parser';
import { describe, expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import type { Store } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const FLAGS = '/ofrep/v1/evaluate/flags';
const EVENTS = '/ofrep/v1/events';

/** What a stream carries, in order. */
type Part =
  | { readonly event: string | undefined; readonly id: string | undefined; readonly data: unknown }
  | { readonly retry: number }
  | { readonly comment: string };

type Stream = {
  readonly response: Response;
  /** The next part; undefined once the stream has ended. */
  next(): Promise<Part | undefined>;
  close(): void;
};

const open = async (
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Stream> => {
  const closing = new AbortController();
  const response = await fetch(url, { headers, signal: closing.signal });
  const parts: Part[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }) => parts.push({ event, id, data: JSON.parse(data) }),
    onRetry: retry => parts.push({ retry }),
    onComment: comment => parts.push({ comment: comment.trim() }),
  });
  let reader: ReadableStreamDefaultReader<string> | undefined;
  const next = async (): Promise<Part | undefined> => {
    reader ??= response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const part = parts.shift();
      if (part !== undefined) return part;
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return undefined;
      parser.feed(chunk.value);
    }
  };
  return { response, next, close: () => closing.abort() };
};

/** Opens a stream and reads its first part, the time after which a client connects again. */
const follow = async (
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Stream & { readonly retryMs: number }> => {
  const stream = await open(url, headers);
  expect(stream.response.status).toBe(200);
  const first = await stream.next();
  if (first === undefined || !('retry' in first)) throw new Error('the stream has no retry');
  return { ...stream, retryMs: first.retry };
};

const idOf = async (stream: Stream): Promise<string> => {
  const part = await stream.next();
  if (part === undefined || !('id' in part)) throw new Error('there is no event');
  expect(part).toEqual({
    event: undefined,
    id: part.id,
    data: { type: 'refetchEvaluation', etag: part.id },
  });
  return part.id ?? '';
};

const evaluateAll = (
  server: TestServer,
  key: string,
  headers: Readonly<Record<string, string>> = {},
) => server.request('POST', FLAGS, { key, body: { context: {} }, headers });

/** The path of the event stream in a response to a request for all flags. */
const requestUriOf = async (server: TestServer, key: string): Promise<string> => {
  const { body } = await evaluateAll(server, key);
  expect(body.eventStreams).toEqual([
    { type: 'sse', endpoint: { requestUri: expect.stringMatching(/^\/[^ ]+\?ticket=[\w.~-]+$/) } },
  ]);
  return body.eventStreams[0].endpoint.requestUri;
};

const flag = (key: string, more: object = {}) => ({
  key,
  type: 'boolean',
  enabled: true,
  clientVisible: true,
  ...more,
});

const create = async (server: TestServer, body: object): Promise<void> => {
  expect((await server.api('POST', '/flags', { body })).status).toBe(201);
};

describe('the response with all flags', () => {
  it('has the URL of an event stream for keys that may follow values, and for no others', async () => {
    await using server = await startServer();
    for (const role of ['server', 'client'] as const)
      expect(await requestUriOf(server, await server.keyOf(role))).toMatch(
        /^\/ofrep\/v1\/events\?/,
      );
    for (const role of ['viewer', 'editor'] as const) {
      const { body } = await evaluateAll(server, await server.keyOf(role));
      expect(body).toEqual({ flags: [] });
    }
    await create(server, flag('f'));
    const key = await server.keyOf('server');
    const one = await server.request('POST', `${FLAGS}/f`, { key, body: { context: {} } });
    expect(one.body).not.toHaveProperty('eventStreams');
  });

  it('is the same for some minutes, and then has another ticket and another tag', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const key = await server.keyOf('client');
    const first = await evaluateAll(server, key);
    const headers = { 'if-none-match': String(first.headers['etag']) };
    expect((await evaluateAll(server, key, headers)).status).toBe(304);
    clock.advance(300_000);
    const later = await evaluateAll(server, key, headers);
    expect(later.status).toBe(200);
    expect(later.body.eventStreams).not.toEqual(first.body.eventStreams);
  });

  it('leaves the stream out while another one would be refused', async () => {
    await using server = await startServer({ limits: { streams: 8 } });
    const url = await server.listen();
    const client = await server.keyOf('client');
    const path = await requestUriOf(server, client);
    const streams = [await follow(url + path), await follow(url + path)];
    expect((await evaluateAll(server, client)).body).toEqual({ flags: [] });
    expect((await open(url + path)).response.status).toBe(503);
    await requestUriOf(server, await server.keyOf('server'));
    for (const stream of streams) stream.close();
    await expect.poll(() => requestUriOf(server, client)).toBe(path);
  });

  it('leaves the stream out while the server stops', async () => {
    const clock = createFakeClock();
    const server = await startServer({ clock });
    const key = await server.keyOf('client');
    await requestUriOf(server, key);
    const closing = server.close(200);
    expect((await evaluateAll(server, key)).body).toEqual({ flags: [] });
    clock.advance(200);
    await closing;
  });

  it('has the base path of the server', async () => {
    await using server = await startServer({ basePath: '/flags' });
    const url = await server.listen();
    const body = { name: 'k', role: 'client', environment: 'production' };
    const created = await server.request('POST', '/flags/api/v1/keys', { body });
    const key: string = created.body.secret;
    const sent = { key, body: { context: {} } };
    const response = await server.request('POST', `/flags${FLAGS}`, sent);
    const path: string = response.body.eventStreams[0].endpoint.requestUri;
    expect(path).toMatch(/^\/flags\/ofrep\/v1\/events\?/);
    (await follow(url + path)).close();
  });
});

describe('an event stream', () => {
  it('makes a new client evaluate its flags at once', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const path = await requestUriOf(server, await server.keyOf('client'));
    const stream = await follow(url + path, { origin: 'https://app.example' });
    expect(Object.fromEntries(stream.response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'access-control-allow-origin': '*',
      'pennon-source-age-ms': '0',
    });
    expect(await idOf(stream)).not.toBe('');
    stream.close();
  });

  it('sends the event to a client that is behind, and not to one that is current', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await create(server, flag('f'));
    for (const role of ['client', 'server'] as const) {
      const path = await requestUriOf(server, await server.keyOf(role));
      const first = await follow(url + path);
      const id = await idOf(first);
      first.close();
      const current = await follow(url + path, { 'last-event-id': id });
      await server.api('PATCH', '/flags/f', {
        body: { variants: { on: false, off: false, [role]: true } },
      });
      const changed = await idOf(current);
      expect(changed).not.toBe(id);
      current.close();
      for (const old of [id, 'foreign', 'a.1.b']) {
        const behind = await follow(url + path, { 'last-event-id': old });
        expect(await idOf(behind)).toBe(changed);
        behind.close();
      }
    }
  });

  it('has an event for every change of what the key sees, and for no other', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];
    await server.api('POST', '/segments', { body: { key: 'pro', conditions } });
    await create(
      server,
      flag('seen', { rules: [{ conditions: [{ segment: 'pro' }], variant: 'on' }] }),
    );
    await create(server, flag('hidden', { clientVisible: false }));
    const client = await follow(url + (await requestUriOf(server, await server.keyOf('client'))));
    const other = await follow(url + (await requestUriOf(server, await server.keyOf('server'))));
    const ids = [await idOf(client)];
    await idOf(other);
    await server.api('PATCH', '/flags/hidden', { body: { enabled: false } });
    await idOf(other);
    const edits: readonly (readonly ['PATCH' | 'DELETE', string, object?])[] = [
      ['PATCH', '/flags/seen', { enabled: false }],
      ['PATCH', '/flags/seen', { enabled: true }],
      ['PATCH', '/segments/pro', { conditions: [{ ...conditions[0], value: 'max' }] }],
      ['PATCH', '/flags/hidden', { clientVisible: true }],
      ['DELETE', '/flags/hidden'],
    ];
    for (const [method, path, body] of edits) {
      expect((await server.api(method, path, { body })).status).toBeLessThan(300);
      ids.push(await idOf(client));
      await idOf(other);
    }
    const sameAgain = await follow(
      url + (await requestUriOf(server, await server.keyOf('client'))),
    );
    expect(await idOf(sameAgain)).toBe(ids.at(-1));
    for (const stream of [client, other, sameAgain]) stream.close();
  });

  it('has comments as heartbeats, so that proxies keep it open', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const stream = await follow(url + (await requestUriOf(server, await server.keyOf('client'))));
    await idOf(stream);
    for (let beat = 0; beat < 3; beat += 1) {
      clock.advance(15_000);
      expect(await stream.next()).toEqual({ comment: 'heartbeat' });
    }
    stream.close();
  });

  it('has clients connect again after different times', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const path = await requestUriOf(server, await server.keyOf('server'));
    const times: number[] = [];
    for (let stream = 0; stream < 8; stream += 1) {
      const opened = await follow(url + path);
      times.push(opened.retryMs);
      opened.close();
    }
    expect(new Set(times).size).toBeGreaterThan(4);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...times)).toBeLessThan(5_000);
  });

  it('ends with its key', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const body = { name: 'k', role: 'client', environment: 'production' };
    const { id, secret } = (await server.request('POST', '/api/v1/keys', { body })).body;
    const path = await requestUriOf(server, secret);
    const stream = await follow(url + path);
    await idOf(stream);
    await server.request('DELETE', `/api/v1/keys/${id}`);
    expect(await stream.next()).toBeUndefined();
    expect((await open(url + path)).response.status).toBe(401);
  });

  it('ends with its environment', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const path = await requestUriOf(server, await server.keyOf('client', 'staging'));
    const stream = await follow(url + path);
    await idOf(stream);
    await server.request('DELETE', '/api/v1/environments/staging?confirm=staging');
    expect(await stream.next()).toBeUndefined();
  });
});

describe('a ticket', () => {
  it('lasts five to ten minutes, and not longer than its key', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const path = await requestUriOf(server, await server.keyOf('client'));
    const expiresAt = new Date(clock.now() + 60_000).toISOString();
    const brief = await requestUriOf(
      server,
      await server.keyOf('client', 'production', { expiresAt }),
    );
    clock.advance(299_000);
    (await follow(url + path)).close();
    expect((await open(url + brief)).response.status).toBe(401);
    clock.advance(301_001);
    const expired = await open(url + path);
    expect(expired.response.status).toBe(401);
    expect(await expired.response.json()).toMatchObject({ errorCode: 'GENERAL' });
  });

  it('is refused if any part of it is changed', async () => {
    await using server = await startServer();
    const url = await server.listen();
    await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    const path = await requestUriOf(server, await server.keyOf('server'));
    const other = await requestUriOf(server, await server.keyOf('server'));
    const [id = '', environment = '', expires = '', signature = ''] =
      path.split('=')[1]?.split('~') ?? [];
    const [otherId = ''] = other.split('=')[1]?.split('~') ?? [];
    const later = (Number.parseInt(expires, 36) + 1).toString(36);
    for (const parts of [
      [otherId, environment, expires, signature],
      [id, 'staging', expires, signature],
      [id, environment, later, signature],
      [id, environment, expires, signature.replace(/./, first => (first === 'A' ? 'B' : 'A'))],
      [id, environment, expires],
      ['admin', environment, expires, signature],
      [''],
    ]) {
      const { response } = await open(`${url}${EVENTS}?ticket=${parts.join('~')}`);
      expect([parts.length, response.status]).toEqual([parts.length, 401]);
    }
    expect((await open(url + EVENTS)).response.status).toBe(401);
    expect((await open(`${url}${path}&ticket=x`)).response.status).toBe(401);
  });

  it('is good for nothing else', async () => {
    await using server = await startServer();
    const path = await requestUriOf(server, await server.keyOf('server'));
    const [, ticket = ''] = path.split('ticket=');
    const body = { context: {} };
    for (const headers of [
      { authorization: `Bearer ${ticket}` },
      { 'x-api-key': ticket },
    ] as const) {
      const sent = { key: null, headers, body };
      expect((await server.request('POST', FLAGS, sent)).status).toBe(401);
      const flagSet = await server.request('GET', '/api/v1/flag-set', { key: null, headers });
      expect(flagSet.status).toBe(401);
      expect((await server.request('GET', EVENTS, { key: null, headers })).status).toBe(401);
    }
    for (const route of [
      '/api/v1/flag-set',
      '/api/v1/flag-set/stream',
      '/metrics',
      '/api/v1/flags',
    ])
      expect((await server.request('GET', `${route}?ticket=${ticket}`, { key: null })).status).toBe(
        401,
      );
  });

  it('is needed: a key does not open the stream', async () => {
    await using server = await startServer();
    for (const role of ['admin', 'editor', 'viewer', 'server', 'client'] as const) {
      const key = await server.keyOf(role);
      expect((await server.request('GET', EVENTS, { key })).status).toBe(401);
    }
  });

  it('is for the pages that may use its key', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const allowedOrigins = ['https://app.example'];
    const path = await requestUriOf(
      server,
      await server.keyOf('client', 'production', { allowedOrigins }),
    );
    (await follow(url + path, { origin: 'https://app.example' })).close();
    const refused = await open(url + path, { origin: 'https://other.example' });
    expect(refused.response.status).toBe(403);
  });

  it('is never logged', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const url = await server.listen();
    const path = await requestUriOf(server, await server.keyOf('client'));
    const [, ticket = ''] = path.split('ticket=');
    const signature = ticket.split('~').at(-1) ?? '';
    const stream = await follow(url + path);
    await idOf(stream);
    stream.close();
    const { response } = await open(`${url}${path}x`);
    const unknown = await fetch(`${url}/ofrep/v1/event?ticket=${ticket}`);
    const wrongMethod = await fetch(url + path, { method: 'POST' });
    clock.advance(900_000);
    const expired = await fetch(url + path);
    expect([response, unknown, wrongMethod, expired].map(({ status }) => status)).toEqual([
      401, 404, 405, 401,
    ]);
    for (const refused of [response, unknown, wrongMethod, expired])
      expect(await refused.text()).not.toContain(signature);
    await expect.poll(() => server.logs()).toContain('"route":"/ofrep/v1/events"');
    expect(signature).toHaveLength(43);
    expect(server.logs()).not.toContain(signature);
  });
});

describe('two servers of one store', () => {
  /** The second server does not receive changes by itself. */
  const start = async () => {
    const store = openMemoryStore({ random: secureRandom });
    const shared = (changes: Partial<Store>) => () => ({
      ...store,
      close: async () => {},
      ...changes,
    });
    const silent = async function* (): AsyncGenerator<never, void> {
      yield* await new Promise<never[]>(() => undefined);
    };
    const first = await startServer({ wrapStore: shared({}), isStoreShared: true });
    const key = await first.keyOf('client');
    await create(first, flag('f'));
    const second = await startServer({
      wrapStore: shared({ follow: silent }),
      isStoreShared: true,
    });
    return { first, second, key };
  };

  it('accept the tickets of each other', async () => {
    const { first, second, key } = await start();
    const [url, path] = [await second.listen(), await requestUriOf(first, key)];
    const stream = await follow(url + path);
    expect(await idOf(stream)).not.toBe('');
    stream.close();
    await first.close();
    await second.close();
  });

  it('evaluate at least the version that the other one has announced', async () => {
    const { first, second, key } = await start();
    const url = await first.listen();
    const stream = await follow(url + (await requestUriOf(first, key)));
    await idOf(stream);
    await create(first, flag('g'));
    const id = await idOf(stream);
    const keysIn = async (query: string) => {
      const sent = { key, body: { context: {} } };
      const { body } = await second.request('POST', `${FLAGS}${query}`, sent);
      return body.flags.map((each: { key: string }) => each.key);
    };
    expect(await keysIn('')).toEqual(['f']);
    expect(await keysIn(`?flagConfigEtag=${encodeURIComponent(id)}`)).toEqual(['f', 'g']);
    stream.close();
    await first.close();
    await second.close();
  });

  it('know what a client has that comes from the other one', async () => {
    const { first, second, key } = await start();
    const [url, otherUrl] = [await first.listen(), await second.listen()];
    const path = await requestUriOf(first, key);
    const stream = await follow(url + path);
    await idOf(stream);
    await create(first, flag('g'));
    const id = await idOf(stream);
    stream.close();
    const moved = await follow(otherUrl + path, { 'last-event-id': id });
    await create(second, flag('h'));
    const next = await idOf(moved);
    expect(next).not.toBe(id);
    const later = await follow(otherUrl + path);
    expect(await idOf(later)).toBe(next);
    for (const each of [moved, later]) each.close();
    await first.close();
    await second.close();
  });
});
