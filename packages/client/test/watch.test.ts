import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { createApiClient, isApiError } from '../src/index.ts';

/** A server that replies to each request with the next of the given responses. */
const scripted = (...responses: (() => Response | Promise<Response>)[]) => {
  const requests: { url: URL; headers: Headers }[] = [];
  const scriptedFetch: typeof fetch = async (input, init) => {
    requests.push({ url: new URL(new Request(input).url), headers: new Headers(init?.headers) });
    const next = responses.shift();
    if (next === undefined) return new Promise(() => {});
    return next();
  };
  return { fetch: scriptedFetch, requests };
};

const stream = (...frames: string[]): Response =>
  new Response(frames.join(''), { headers: { 'content-type': 'text/event-stream' } });

/** The same, but the stream stays open. */
const openStream = (...frames: string[]): Response => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  void writable.getWriter().write(new TextEncoder().encode(frames.join('')));
  return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
};

const hello = 'event: connected\ndata: {}\n\n';
const goodbye = 'event: return\ndata:\n\n';
const event = (id: string, revision: number) =>
  `id: ${id}\ndata: {"event":"values","revision":${revision},"evaluations":{}}\n\n`;

const errorResponse = (status: number, code: string, headers = {}) =>
  Response.json(
    {
      error: {
        message: 'no',
        code: -32_000,
        data: { httpStatus: status, error: { code, message: 'no' } },
      },
    },
    { status, headers },
  );

const watch = (fetch: typeof globalThis.fetch) => {
  const api = createApiClient({ url: 'http://pennon.test', key: 'a-key', fetch });
  const revisions: number[] = [];
  const states: string[] = [];
  const errors: string[] = [];
  const outcome = Promise.withResolvers<unknown>();
  const subscription = api.evaluation.watch.subscribe(
    { environment: 'production', context: { targetingKey: 'ada' } },
    {
      onData: ({ data }) => revisions.push(data.revision),
      onConnectionStateChange({ state, error }) {
        states.push(state);
        if (error) errors.push(error.message);
      },
      onError: outcome.resolve,
      onComplete: () => outcome.resolve('complete'),
    },
  );
  return {
    revisions,
    states,
    errors,
    outcome: outcome.promise,
    unsubscribe: () => subscription.unsubscribe(),
  };
};

const FOREIGN = 'the server replied with status STATUS, but not as a Pennon server does';

const inputOf = (request: { url: URL } | undefined): { lastEventId?: string } =>
  JSON.parse(request?.url.searchParams.get('input') ?? '{}');

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('a watch', () => {
  it('resumes after the last event if the server ends the stream to restart', async () => {
    const server = scripted(
      () => stream(hello, event('a.1', 1), event('a.2', 2), goodbye),
      () => openStream(hello, event('a.3', 3)),
    );
    const { revisions, unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(revisions).toEqual([1, 2, 3]);
    expect(server.requests.map(request => inputOf(request).lastEventId)).toEqual([
      undefined,
      'a.2',
    ]);
    unsubscribe();
  });

  it('resumes after the last event if the connection breaks', async () => {
    const server = scripted(
      () => stream(hello, event('a.1', 1)),
      () => Promise.reject(new TypeError('fetch failed')),
      () => stream(hello, event('a.2', 2)),
    );
    const { revisions, unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(revisions).toEqual([1, 2]);
    expect(server.requests[1]?.headers.get('last-event-id')).toBe('a.1');
    expect(inputOf(server.requests[2]).lastEventId).toBe('a.1');
    unsubscribe();
  });

  it.each([401, 403, 404, 400])('ends with the error of a permanent status: %i', async status => {
    const { outcome } = watch(scripted(() => errorResponse(status, 'UNAUTHORIZED')).fetch);
    expect(isApiError(await outcome, 'UNAUTHORIZED')).toBe(true);
  });

  const login = { status: 302, headers: { location: 'http://sso.test/login' } };
  it.each<[string, ResponseInit, string]>([
    ['a page', { status: 200 }, FOREIGN.replace('STATUS', '200')],
    ['401', { status: 401 }, FOREIGN.replace('STATUS', '401')],
    ['403', { status: 403 }, FOREIGN.replace('STATUS', '403')],
    ['404', { status: 404 }, FOREIGN.replace('STATUS', '404')],
    ['a login page', login, 'redirects to http://sso.test/login'],
  ])('continues after a gateway has responded with %s', async (_, init, message) => {
    const server = scripted(
      () => stream(hello, event('a.1', 1)),
      () => new Response('<h1>Welcome</h1>', init),
      () => openStream(hello, event('a.2', 2)),
    );
    const { revisions, errors, unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([revisions, errors.at(-1)]).toEqual([[1, 2], expect.stringContaining(message)]);
    expect(inputOf(server.requests[2]).lastEventId).toBe('a.1');
    unsubscribe();
  });

  it.each([408, 429, 500, 502, 503])('retries after a temporary status: %i', async status => {
    const server = scripted(
      () => errorResponse(status, 'SERVICE_UNAVAILABLE'),
      () => stream(hello, event('a.1', 1)),
    );
    const { revisions, states, unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(revisions).toEqual([1]);
    expect(states).toContain('connecting');
    unsubscribe();
  });

  it.each([
    ['seconds', '7'],
    ['a date', new Date(7_000).toUTCString()],
  ])('waits at least for the time in Retry-After, as %s', async (_, retryAfter) => {
    // The clock of this machine may be wrong.
    const date = new Date(0).toUTCString();
    const server = scripted(
      () => errorResponse(503, 'SERVICE_UNAVAILABLE', { 'retry-after': retryAfter, date }),
      () => stream(hello, event('a.1', 1)),
    );
    const { unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(6_900);
    expect(server.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(600);
    expect(server.requests).toHaveLength(2);
    unsubscribe();
  });

  it('waits longer after each failure, up to half a minute, and starts over after an event', async () => {
    const times: number[] = [];
    const start = Date.now();
    const down = () => {
      times.push(Date.now() - start);
      return Promise.reject(new TypeError('fetch failed'));
    };
    const server = scripted(...Array.from({ length: 10 }, () => down));
    const { unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(200_000);
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    unsubscribe();
  });

  it('sends no request once it is unsubscribed', async () => {
    const server = scripted(() => errorResponse(503, 'SERVICE_UNAVAILABLE'));
    const { unsubscribe } = watch(server.fetch);
    await vi.advanceTimersByTimeAsync(0);
    unsubscribe();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.requests).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends with its signal, even while it waits to retry', async () => {
    const server = scripted(() => errorResponse(503, 'SERVICE_UNAVAILABLE'));
    const api = createApiClient({ url: 'http://pennon.test', key: 'a-key', fetch: server.fetch });
    const aborting = new AbortController();
    const complete = Promise.withResolvers<void>();
    api.flags.watch.subscribe(
      { environment: 'production' },
      { signal: aborting.signal, onComplete: complete.resolve },
    );
    await vi.advanceTimersByTimeAsync(0);
    aborting.abort();
    await complete.promise;
    expect(vi.getTimerCount()).toBe(0);
  });
});
