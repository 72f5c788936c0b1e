import type { FastifyInstance, FastifyReply } from 'fastify';

import type { ValuesEvent } from '../evaluation/follow-values.ts';
import { followValues } from '../evaluation/follow-values.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { parseOrThrow } from '../resources/parse.ts';
import { ValuesStreamRequest } from '../router/evaluation.ts';
import type { Services } from '../services.ts';
import type { Resumed } from '../streaming/follow-flag-set.ts';
import { followFlagSet } from '../streaming/follow-flag-set.ts';
import type { StreamEvent } from '../streaming/subscription.ts';
import { callerOf } from './access.ts';
import { API, flatInput, onlyEnvironment } from './request.ts';
import { sourceAge } from './source-age.ts';

/** Serves the streams of server-sent events that providers follow. */
export const serveStreams = (app: FastifyInstance, services: Services): void => {
  app.get(
    `${API}/flag-set/stream`,
    { exposeHeadRoute: false, config: { access: { permission: 'flagSet.read' } } },
    async (request, reply) => {
      const lastEventId = String(request.headers['last-event-id'] ?? '');
      const input = { ...onlyEnvironment(request), lastEventId };
      const closed = closeSignal(reply);
      const caller = callerOf(request);
      const events = await followFlagSet(services, caller, input, closed);
      await sendEvents(reply, events, flagSetFrame, sourceAge(services, caller, input));
    },
  );

  app.post(
    `${API}/evaluations/stream`,
    { config: { access: { permission: 'values.stream' }, cors: true } },
    async (request, reply) => {
      const input = parseOrThrow(ValuesStreamRequest, flatInput(request));
      const caller = callerOf(request);
      const events = followValues(services, caller, input, closeSignal(reply));
      await sendEvents(reply, events, valuesFrame, sourceAge(services, caller, input));
    },
  );
};

/** Aborts when the client disconnects, or at once if it already has: `close` is emitted only once. */
const closeSignal = ({ raw }: FastifyReply): AbortSignal => {
  const closing = new AbortController();
  if (raw.destroyed) closing.abort();
  raw.once('close', () => closing.abort());
  return closing.signal;
};

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  connection: 'close',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
};

/** Sends events until they end, or until the client is too slow to read them. */
const sendEvents = async <Event extends { readonly view: FlagSetView }>(
  reply: FastifyReply,
  events: AsyncIterable<Event>,
  frameOf: (event: Event) => string,
  headers: Readonly<Record<string, string>>,
): Promise<void> => {
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(200, { ...corsHeaders(reply), ...HEADERS, ...headers });
  for await (const event of events) {
    if (raw.destroyed || isTooSlow(raw.writableLength, event.view)) return void raw.destroy();
    raw.write(frameOf(event));
  }
  raw.end();
};

/** Bytes that may be buffered for a slow client, besides two whole flag sets. */
const MAX_BUFFERED = 1_048_576;

/** Serializes the flag set only if the fixed limit is exceeded, because that is slow. */
const isTooSlow = (buffered: number, view: FlagSetView): boolean =>
  buffered > MAX_BUFFERED && buffered > MAX_BUFFERED + 2 * view.json().length;

/** The headers set by the CORS hook: Fastify does not send them for a hijacked reply. */
const corsHeaders = (reply: FastifyReply): Record<string, string> =>
  Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
      name.startsWith('access-control-') ? [[name, String(value)]] : [],
    ),
  );

const flagSetFrame = (event: StreamEvent | Resumed): string => {
  if (event.type !== 'resumed') return sharedFrame(event);
  const { view, missed } = event;
  // Followers accept only `set` or `current` as the first event, so missed changes are sent as a whole set.
  return missed.length === 0
    ? frame('current', { revision: view.flagSet.revision }, view.flagSet.id)
    : sharedFrame({ type: 'set', view });
};

const valuesFrame = (event: ValuesEvent): string => {
  const { type, id, revision } = event;
  if (type === 'heartbeat') return heartbeatFrame(revision, event.sourceAgeMs);
  const { environment } = event.view.flagSet;
  return frame(type, { revision, environment, evaluations: event.evaluations }, id);
};

/** Frames by the event, or by the view if it is a whole set, because each stream begins with one. */
const frames = new WeakMap<StreamEvent | FlagSetView, string>();

/** Returns the frame of an event, serialized once for all streams that send it. */
const sharedFrame = (event: StreamEvent): string => {
  const source = event.type === 'set' ? event.view : event;
  const known = frames.get(source);
  if (known !== undefined) return known;
  const created = createFrame(event);
  frames.set(source, created);
  return created;
};

const createFrame = (event: StreamEvent): string => {
  const { flagSet, json } = event.view;
  switch (event.type) {
    case 'change':
      return frame('change', event.change, flagSet.id);
    case 'set':
      return jsonFrame('set', json(), flagSet.id);
    case 'heartbeat':
      return heartbeatFrame(flagSet.revision, event.sourceAgeMs);
  }
};

const heartbeatFrame = (revision: number, sourceAgeMs: number): string =>
  frame('heartbeat', { revision, sourceAgeMs: Math.round(sourceAgeMs) });

const frame = (event: string, data: unknown, id?: string): string =>
  jsonFrame(event, JSON.stringify(data), id);

/** JSON text contains no line break, so it fits into one `data` line. */
const jsonFrame = (event: string, json: string, id?: string): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`;
