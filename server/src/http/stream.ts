import type { FastifyInstance, FastifyReply } from 'fastify';

import { environmentOf, type Caller } from '../auth/caller.ts';
import type { ValuesEvent } from '../evaluation/follow-values.ts';
import { followValues } from '../evaluation/follow-values.ts';
import { textOfValues } from '../evaluation/values-text.ts';
import { errorBody, toPennonError } from '../errors.ts';
import { parseOrThrow } from '../resources/parse.ts';
import { ValuesStreamRequest } from '../router/evaluation.ts';
import type { SharedText } from '../flag-set/text.ts';
import type { Services } from '../services.ts';
import { forEachEvent } from '../streaming/each-event.ts';
import type { Resumed } from '../streaming/follow-flag-set.ts';
import { followFlagSet } from '../streaming/follow-flag-set.ts';
import type { StreamEvent } from '../streaming/subscription.ts';
import { callerOf } from './access.ts';
import { logFailure } from './errors.ts';
import { partsOf, writeInParts } from './parts.ts';
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
      await sendEvents(reply, events, flagSetFrame, sourceAgeFor(services, caller, input));
    },
  );

  app.post(
    `${API}/evaluations/stream`,
    { config: { access: { permission: 'values.stream' }, cors: true } },
    async (request, reply) => {
      const input = parseOrThrow(
        ValuesStreamRequest,
        flatInput(request.body, onlyEnvironment(request)),
      );
      const caller = callerOf(request);
      const events = followValues(services, caller, input, closeSignal(reply));
      await sendEvents(reply, events, valuesFrame, sourceAgeFor(services, caller, input));
    },
  );
};

const sourceAgeFor = (
  { registry }: Services,
  caller: Caller,
  { environment }: { readonly environment?: string | undefined },
): Record<string, string> =>
  Object.fromEntries([sourceAge(registry.find(environmentOf(caller, environment)))]);

/** Aborts when the client disconnects, or at once if it already has: `close` is emitted only once. */
export const closeSignal = ({ raw }: FastifyReply): AbortSignal => {
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

/**
 * Sends events until they end. While the client does not read, they wait in its subscription. An error ends the
 * stream with an event, because its status was sent before.
 */
export const sendEvents = async <Event>(
  reply: FastifyReply,
  events: AsyncIterable<Event, void>,
  frameOf: (event: Event) => Frame | Promise<Frame>,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> => {
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(200, { ...corsHeaders(reply), ...HEADERS, ...headers }).flushHeaders();
  try {
    await forEachEvent(events, async event => {
      if (!raw.destroyed) await writeInParts(raw, await frameOf(event));
      return !raw.destroyed;
    });
  } catch (thrown) {
    const error = toPennonError(thrown);
    logFailure(reply.log, error);
    raw.write(`event: error\ndata: ${JSON.stringify(errorBody(error))}\n\n`);
  }
  raw.end();
};

/** The headers set by the CORS hook: Fastify does not send them for a hijacked reply. */
const corsHeaders = (reply: FastifyReply): Record<string, string> =>
  Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
      name.startsWith('access-control-') ? [[name, String(value)]] : [],
    ),
  );

/** The bytes of an event, in several pieces if some of them are shared or made when they are sent. */
type Frame = Iterable<Uint8Array>;

const flagSetFrame = (event: StreamEvent | Resumed): Frame | Promise<Frame> => {
  if (event.type !== 'resumed') return sharedFrame(event);
  const { view, missed } = event;
  // Followers accept only `set` or `current` as the first event, so missed changes are sent as a whole set.
  return missed.length === 0
    ? frame('current', { revision: view.flagSet.revision }, view.flagSet.id)
    : sharedFrame({ type: 'set', view });
};

const valuesFrame = (event: ValuesEvent): Frame => {
  const { type, id, revision } = event;
  if (type === 'heartbeat') return heartbeatFrame(revision, event.sourceAgeMs);
  return textOfValues(event, { before: `${headOf(type, id)}{`, after: END });
};

const frames = new WeakMap<StreamEvent, Frame | Promise<Frame>>();

/** Returns the frame of an event, made once for all streams that send it. */
const sharedFrame = (event: StreamEvent): Frame | Promise<Frame> => {
  const known = frames.get(event);
  if (known !== undefined) return known;
  const created = createFrame(event);
  frames.set(event, created);
  return created;
};

const createFrame = (event: StreamEvent): Frame | Promise<Frame> => {
  const { flagSet, text } = event.view;
  switch (event.type) {
    case 'change':
      // Joined here, once for all streams.
      return [...partsOf(textFrame('change', event.text, flagSet.id))];
    case 'set':
      return text().then(whole => textFrame('set', whole, flagSet.id));
    case 'heartbeat':
      return heartbeatFrame(flagSet.revision, event.sourceAgeMs);
  }
};

const heartbeatFrame = (revision: number, sourceAgeMs: number): Frame =>
  frame('heartbeat', { revision, sourceAgeMs: Math.round(sourceAgeMs) });

const frame = (event: string, data: unknown, id?: string): Frame => [
  Buffer.from(`${headOf(event, id)}${JSON.stringify(data)}${END}`),
];

/** JSON text contains no line break, so it fits into one `data` line. */
const textFrame = (event: string, text: SharedText, id: string): Frame => [
  Buffer.from(headOf(event, id)),
  ...text,
  Buffer.from(END),
];

const headOf = (event: string, id: string | undefined): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: `;

const END = '\n\n';
