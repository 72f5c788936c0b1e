import { compile, evaluate, evaluateAll } from '@pennon/engine';
import { UsageReport } from '@pennon/schema';
import type { Runtime } from '@pennon/sync';

import {
  createFakeRuntime,
  frame,
  settle,
} from '../../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../../packages/sync/test/support/fake-runtime.ts';

type Flags = Readonly<Record<string, object>>;
type Changes = Readonly<Record<string, object | null>>;

/** How a route responds: normally, never, with a broken connection, or with a status. */
type Behavior =
  | 'normal'
  | 'silent'
  | 'broken'
  | { readonly status: number; readonly retryAfter?: string; readonly location?: string };
type Route = 'stream' | 'poll' | 'evaluate' | 'usage' | 'events';

/** A flag server in a runtime without network, with the routes that a provider uses. */
/** With another code, a 401 or 403 comes from a gateway. */
const CODES: ReadonlyMap<number, string> = new Map([
  [401, 'UNAUTHORIZED'],
  [403, 'FORBIDDEN'],
]);

type Measured = { readonly experiments?: object; readonly tracked?: readonly string[] | null };

export type Batch = {
  readonly instance: string;
  readonly sequence: number;
  readonly sentAtMs: number;
  readonly sdk: string;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  readonly dropped?: object;
};

export type FakeServer = {
  /** The runtime whose `fetch` reaches the server at `SERVER_URL`. */
  readonly runtime: Runtime;
  readonly advance: (ms: number) => Promise<void>;
  readonly timers: () => number;
  readonly openStreams: () => number;
  /** The number of requests that a route has received. */
  readonly count: (route: Route) => number;
  /** The headers of the last request. */
  readonly headers: () => Headers;
  /** The evaluation contexts that were received. */
  readonly contexts: readonly unknown[];
  /** The reports of usage that were accepted. */
  readonly reports: readonly UsageReport[];
  /** The batches of events that were received, also those that were not accepted. */
  readonly batches: readonly Batch[];
  /** Sets what is measured, and sends it to all streams. */
  measure(measured: Measured): Promise<void>;
  /** The events with these indexes of each batch are rejected. */
  reject(...indexes: readonly number[]): void;
  /** Changes the behavior of one route, or of all but `usage` and `events`. */
  behave(behavior: Behavior, route?: Route): void;
  /** Reports how old the data of the server are with each response; undefined reports nothing. */
  setSourceAge(ms: number | undefined): void;
  /** Breaks every stream. */
  cut(): Promise<void>;
  /** Changes flags and segments, and sends the change to all streams. Null removes. */
  change(flags: Changes, segments?: Changes): Promise<void>;
  /** Sends any event to all streams. */
  send(event: string, data: object, id?: string): Promise<void>;
  /** Replaces all flags without an event. */
  replace(flags: Flags, segments?: Flags): void;
};

export const SERVER_URL = 'http://flags.test';

const applyChanges = (record: Flags, changes: Changes): Flags =>
  Object.fromEntries(
    Object.entries({ ...record, ...changes }).filter(
      (entry): entry is [string, object] => entry[1] !== null,
    ),
  );

const routeOf = (url: string): Route => {
  if (url.includes('/flag-set/stream')) return 'stream';
  if (url.includes('/usage')) return 'usage';
  if (url.endsWith('/events')) return 'events';
  return url.includes('/flag-set') ? 'poll' : 'evaluate';
};

const versionOf = (flag: object | undefined): object =>
  flag !== undefined && 'version' in flag ? { version: flag.version } : {};

const STATUS = {
  FLAG_NOT_FOUND: 404,
  TARGETING_KEY_MISSING: 400,
  PARSE_ERROR: 500,
  INVALID_CONTEXT: 400,
};

const errorResponse = (status: number, code: string, message: string, headers = {}): Response =>
  Response.json({ error: { code, message } }, { status, headers });

export const startFakeServer = (
  first: Flags = {},
  fake: FakeRuntime = createFakeRuntime(),
): FakeServer => {
  let flags = first;
  let segments: Flags = {};
  let revision = 1;
  let behaviors: Partial<Record<Route, Behavior>> = {};
  const counts: Record<Route, number> = { stream: 0, poll: 0, evaluate: 0, usage: 0, events: 0 };
  const reports: UsageReport[] = [];
  const batches: Batch[] = [];
  let measured: Measured = {};
  let rejected: readonly object[] = [];
  const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  const contexts: unknown[] = [];
  let lastHeaders = new Headers();
  let sourceAgeMs: number | undefined;
  const encoder = new TextEncoder();

  const id = () => `epoch.${revision}.nonce`;
  const flagSet = () => ({
    formatVersion: 1,
    environment: 'production',
    id: id(),
    revision,
    flags,
    segments,
    ...measured,
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

  const evaluateOne = (flagKey: string, context: object): Response => {
    contexts.push(context);
    const result = evaluate(compile(flagSet()), flagKey, context);
    return result.reason === 'ERROR'
      ? errorResponse(STATUS[result.errorCode], result.errorCode, result.errorMessage)
      : Response.json({ ...result, ...versionOf(flags[flagKey]), environment: 'production' });
  };

  const serveEvaluation = (url: string, body: string): Response => {
    const { context, flagKey, flagKeys } = JSON.parse(body);
    return url.endsWith('/evaluate')
      ? evaluateOne(flagKey, context)
      : Response.json({
          revision,
          evaluations: evaluateAll(compile(flagSet()), context, flagKeys),
        });
  };

  const serve = (url: string, init: RequestInit, signal: AbortSignal): Response => {
    const route = routeOf(url);
    const headers = new Headers(init.headers);
    if (route === 'stream') return openStream(headers.get('last-event-id'), signal);
    const body = typeof init.body === 'string' ? init.body : '{}';
    if (route === 'evaluate') return serveEvaluation(url, body);
    if (route === 'usage') {
      reports.push(UsageReport.parse(JSON.parse(body)));
      return Response.json({ accepted: 1, rejected: [] }, { status: 202 });
    }
    if (route === 'events') return Response.json({ accepted: 1, rejected }, { status: 202 });
    const etag = `"${id()}"`;
    if (headers.get('if-none-match') === etag) return new Response(null, { status: 304 });
    return Response.json(flagSet(), { headers: { etag } });
  };

  const serveWithAge: typeof serve = (url, init, signal) => {
    const response = serve(url, init, signal);
    if (sourceAgeMs !== undefined) response.headers.set('pennon-source-age-ms', `${sourceAgeMs}`);
    return response;
  };

  const fetch: Runtime['fetch'] = async (input, init = {}) => {
    const url = input instanceof Request ? input.url : input.toString();
    const route = routeOf(url);
    counts[route] += 1;
    lastHeaders = new Headers(init.headers);
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    if (route === 'events' && typeof init.body === 'string') batches.push(JSON.parse(init.body));
    const behavior = behaviors[route] ?? 'normal';
    if (behavior === 'normal') return serveWithAge(url, init, signal);
    if (behavior === 'broken')
      throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
    if (behavior !== 'silent') {
      const { status, retryAfter, location } = behavior;
      const headers = {
        ...(retryAfter && { 'retry-after': retryAfter }),
        ...(location && { location }),
      };
      return errorResponse(status, CODES.get(status) ?? 'X', `rejected with ${status}`, headers);
    }
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };

  return {
    runtime: { ...fake, fetch, random: () => fake.random() },
    advance: ms => fake.advance(ms),
    timers: fake.timerCount,
    openStreams: () => streams.size,
    count: route => counts[route],
    headers: () => lastHeaders,
    contexts,
    reports,
    batches,
    async measure(next) {
      const previous = id();
      revision += 1;
      measured = next;
      const data = { previous, revision, flags: {}, segments: {}, ...next };
      for (const controller of streams)
        controller.enqueue(encoder.encode(frame('change', data, id())));
      await settle();
    },
    reject(...indexes) {
      rejected = indexes.map(index => ({ index, code: 'UNKNOWN', message: 'it is not known' }));
    },
    behave(behavior, route) {
      behaviors =
        route === undefined
          ? { ...behaviors, stream: behavior, poll: behavior, evaluate: behavior }
          : { ...behaviors, [route]: behavior };
    },
    setSourceAge: ms => void (sourceAgeMs = ms),
    async cut() {
      for (const controller of streams) controller.error(new TypeError('terminated'));
      streams.clear();
      await settle();
    },
    async change(flagChanges, segmentChanges = {}) {
      const previous = id();
      revision += 1;
      flags = applyChanges(flags, flagChanges);
      segments = applyChanges(segments, segmentChanges);
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
