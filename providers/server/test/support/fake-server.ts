import { compile, evaluateAll } from '@pennon/engine';
import type { Runtime } from '@pennon/sync';

import {
  createFakeRuntime,
  frame,
  settle,
} from '../../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../../packages/sync/test/support/fake-runtime.ts';

type Flags = Readonly<Record<string, object>>;
type Changes = Readonly<Record<string, object | null>>;

/** How a route answers: as it should, not at all, with this status, or with a connection that breaks. */
type Manner =
  'well' | 'silently' | 'broken' | { readonly status: number; readonly retryAfter?: string };
type Route = 'stream' | 'poll' | 'evaluations';

/** A server of flags in a world without network, with the routes that a provider uses. */
export type FakeServer = {
  /** The world in which it is reached at `url`. */
  readonly world: Runtime;
  /** Lets time pass. */
  readonly advance: (ms: number) => Promise<void>;
  readonly timers: () => number;
  readonly openStreams: () => number;
  /** How many requests of a route have come. */
  readonly count: (route: Route) => number;
  /** Contexts that were sent to be evaluated, as they came. */
  readonly contexts: readonly unknown[];
  /** All routes, or one, answer in this manner from now on. */
  behave(manner: Manner, route?: Route): void;
  /** Breaks every stream. */
  cut(): Promise<void>;
  /** Changes flags and segments, and tells whoever listens. Null removes. */
  change(flags: Changes, segments?: Changes): Promise<void>;
  /** Tells whoever listens anything at all. */
  send(event: string, data: object, id?: string): Promise<void>;
  /** Has other flags from now on, and tells nobody. */
  replace(flags: Flags, segments?: Flags): void;
};

export const URL_OF_SERVER = 'http://flags.test';

const lay = (record: Flags, changes: Changes): Flags =>
  Object.fromEntries(
    Object.entries({ ...record, ...changes }).filter(
      (entry): entry is [string, object] => entry[1] !== null,
    ),
  );

const routeOf = (url: string): Route => {
  if (url.includes('/flag-set/stream')) return 'stream';
  return url.includes('/flag-set') ? 'poll' : 'evaluations';
};

const json = (value: unknown, etag: string): Response =>
  new Response(JSON.stringify(value), { headers: { etag } });

export const startFakeServer = (
  first: Flags = {},
  fake: FakeRuntime = createFakeRuntime(),
): FakeServer => {
  let flags = first;
  let segments: Flags = {};
  let revision = 1;
  let manners: Partial<Record<Route, Manner>> = {};
  const counts: Record<Route, number> = { stream: 0, poll: 0, evaluations: 0 };
  const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  const contexts: unknown[] = [];
  const encoder = new TextEncoder();

  const id = () => `epoch.${revision}.nonce`;
  const flagSet = () => ({
    formatVersion: 1,
    environment: 'production',
    id: id(),
    revision,
    flags,
    segments,
  });

  const openStream = (lastEventId: string | null, signal: AbortSignal): Response => {
    const opening =
      lastEventId === id() ? frame('current', { revision }, id()) : frame('set', flagSet(), id());
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        streams.add(controller);
        controller.enqueue(encoder.encode(opening));
        signal.addEventListener('abort', () => {
          if (streams.delete(controller)) controller.error(signal.reason);
        });
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };

  const evaluations = (body: string): Response => {
    const { context, flagKeys } = JSON.parse(body) as { context: object; flagKeys: string[] };
    contexts.push(context);
    return json(
      { revision, evaluations: evaluateAll(compile(flagSet()), context, flagKeys) },
      '"x"',
    );
  };

  const serve = (route: Route, init: RequestInit, signal: AbortSignal): Response => {
    const headers = new Headers(init.headers);
    if (route === 'stream') return openStream(headers.get('last-event-id'), signal);
    if (route === 'evaluations')
      return evaluations(typeof init.body === 'string' ? init.body : '{}');
    const etag = `"${id()}"`;
    if (headers.get('if-none-match') === etag) return new Response(null, { status: 304 });
    return json(flagSet(), etag);
  };

  const fetch: Runtime['fetch'] = async (input, init = {}) => {
    const route = routeOf(input instanceof Request ? input.url : input.toString());
    counts[route] += 1;
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const manner = manners[route] ?? 'well';
    if (manner === 'well') return serve(route, init, signal);
    if (manner === 'broken')
      throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
    if (manner !== 'silently') {
      const { status, retryAfter } = manner;
      const body = JSON.stringify({ error: { code: 'X', message: `refused with ${status}` } });
      return new Response(body, {
        status,
        headers: retryAfter ? { 'retry-after': retryAfter } : {},
      });
    }
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };

  return {
    world: { ...fake, fetch, random: () => fake.randomValue },
    advance: ms => fake.advance(ms),
    timers: fake.timerCount,
    openStreams: () => streams.size,
    count: route => counts[route],
    contexts,
    behave(manner, route) {
      manners =
        route === undefined
          ? { stream: manner, poll: manner, evaluations: manner }
          : { ...manners, [route]: manner };
    },
    async cut() {
      for (const controller of streams) controller.error(new TypeError('terminated'));
      streams.clear();
      await settle();
    },
    async change(flagChanges, segmentChanges = {}) {
      const previous = id();
      revision += 1;
      flags = lay(flags, flagChanges);
      segments = lay(segments, segmentChanges);
      const data = { previous, revision, flags: flagChanges, segments: segmentChanges };
      for (const controller of streams)
        controller.enqueue(encoder.encode(frame('change', data, id())));
      await settle();
    },
    send(event, data, eventId) {
      for (const controller of streams)
        controller.enqueue(encoder.encode(frame(event, data, eventId)));
      return settle();
    },
    replace(otherFlags, otherSegments = {}) {
      revision += 1;
      flags = otherFlags;
      segments = otherSegments;
    },
  };
};
