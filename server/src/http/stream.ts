import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { parseOrThrow } from '../resources/parse.ts';
import type { Broadcast, StreamEvent } from '../streaming/broadcast.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { requireContext } from '../evaluation/evaluate.ts';
import { createValues } from '../evaluation/values.ts';
import { environmentOf, seesOnlyVisible } from '../auth/caller.ts';
import type { Services } from '../services.ts';
import { ValuesStreamRequest } from '../router/evaluation.ts';
import { callerOf } from './access.ts';
import { API, flatInput, onlyEnvironment } from './request.ts';

/** The raw streams that providers follow. Frames for a whole flag set are made once for all readers. */
export const serveStreams = (app: FastifyInstance, parts: Services): void => {
  const frameOf = createFrames();

  app.get(
    `${API}/flag-set/stream`,
    { exposeHeadRoute: false, config: { access: { permission: 'flagSet.read' } } },
    async (request, reply) => {
      const environment = environmentOf(callerOf(request), onlyEnvironment(request).environment);
      const lastEventId = String(request.headers['last-event-id'] ?? '');
      await parts.registry.find(environment).replica.waitForRevision(lastEventId);
      openStream(parts, environment, request, reply, {
        first: ({ flagSet, json }) =>
          flagSet.id === lastEventId
            ? frame('current', { revision: flagSet.revision }, flagSet.id)
            : textFrame('set', json(), flagSet.id),
        next: frameOf,
      });
    },
  );

  app.post(
    `${API}/evaluations/stream`,
    { config: { access: { permission: 'values.stream' }, cors: true } },
    (request, reply) => {
      const caller = callerOf(request);
      const input = parseOrThrow(ValuesStreamRequest, flatInput(request));
      requireContext(input.context);
      const values = createValues(input.context, seesOnlyVisible(caller));
      openStream(parts, environmentOf(caller, input.environment), request, reply, {
        first(view) {
          const { event, data, id } = values.first(view);
          return frame(event, data, id);
        },
        next(news) {
          if (news.type === 'heartbeat') return frameOf(news);
          const message = values.next(news);
          return message && frame(message.event, message.data, message.id);
        },
      });
    },
  );
};

type Frames = {
  readonly first: (view: FlagSetView) => string;
  /** Undefined where there is nothing to tell this reader. */
  readonly next: (news: StreamEvent) => string | undefined;
};

/** Bytes that may wait for a slow reader, beside one whole flag set. */
const MOST_WAITING = 1_048_576;

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  connection: 'close',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
};

const openStream = (
  parts: Services,
  environment: string,
  request: FastifyRequest,
  reply: FastifyReply,
  frames: Frames,
): void => {
  const { raw } = reply;
  // Whoever left while the store was asked says so only once: nobody would ever close the stream.
  if (raw.destroyed) return void reply.hijack();
  const live = parts.registry.find(environment);
  const stream = parts.streams.open(callerOf(request));
  const broadcast: Broadcast = parts.broadcastOf(live);
  reply.hijack();

  // The whole flag set is made into text, which takes long, only where a reader could be too slow.
  const isTooSlow = (waiting: number) =>
    waiting > MOST_WAITING && waiting > MOST_WAITING + 2 * live.view().json().length;
  const send = (text: string) => {
    if (raw.destroyed || raw.writableEnded) return;
    if (isTooSlow(raw.writableLength)) return void raw.destroy();
    raw.write(text);
  };
  const { view, leave } = broadcast.join({
    tell(news) {
      const text = frames.next(news);
      if (text !== undefined) send(text);
    },
  });
  const end = () => raw.end();
  raw.once('close', () => {
    leave();
    stream.close();
    live.closed.removeEventListener('abort', end);
  });
  stream.ended.addEventListener('abort', end, { once: true });
  live.closed.addEventListener('abort', end, { once: true });

  raw.writeHead(200, { ...corsOf(reply), ...HEADERS });
  send(frames.first(view));
};

/** What the CORS hook has set: a hijacked answer does not send it by itself. */
const corsOf = (reply: FastifyReply): Record<string, string> =>
  Object.fromEntries(
    Object.entries(reply.getHeaders()).flatMap(([name, value]) =>
      name.startsWith('access-control-') ? [[name, String(value)]] : [],
    ),
  );

const frame = (event: string, data: unknown, id?: string): string =>
  textFrame(event, JSON.stringify(data), id);

/** JSON text has no line break, so one `data` line holds it. */
const textFrame = (event: string, json: string, id?: string): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`;

/** Frames of a flag set's news, each made once however many readers there are. */
const createFrames = (): ((news: StreamEvent) => string) => {
  const made = new WeakMap<StreamEvent, string>();
  return news => {
    const known = made.get(news);
    if (known !== undefined) return known;
    const text = newsFrame(news);
    made.set(news, text);
    return text;
  };
};

const newsFrame = (news: StreamEvent): string => {
  const { flagSet, json } = news.view;
  switch (news.type) {
    case 'change':
      return frame('change', news.change, flagSet.id);
    case 'set':
      return textFrame('set', json(), flagSet.id);
    case 'heartbeat':
      return frame('heartbeat', { revision: flagSet.revision });
  }
};
