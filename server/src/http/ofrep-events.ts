import type { FastifyInstance } from 'fastify';

import { environmentOf, hasPermissionIn, type Caller } from '../auth/caller.ts';
import type { BulkForm } from '../evaluation/bulk-evaluation.ts';
import { followVersion, type VersionEvent } from '../evaluation/follow-version.ts';
import { OFREP } from '../evaluation/ofrep.ts';
import type { Random } from '../random.ts';
import type { Services } from '../services.ts';
import { callerOf, TICKET } from './access.ts';
import { OFREP_API } from './ofrep-errors.ts';
import { sourceAge } from './source-age.ts';
import { closeSignal, sendEvents } from './stream.ts';

const PATH = `${OFREP_API}/events`;

/** Serves the streams with events after which OFREP clients evaluate their flags again. */
export const serveOfrepEvents = (app: FastifyInstance, services: Services): void => {
  app.get(
    PATH,
    { exposeHeadRoute: false, config: { access: 'ticket', cors: true } },
    async (request, reply) => {
      const lastEventId = String(request.headers['last-event-id'] ?? '');
      const caller = callerOf(request);
      const events = await followVersion(services, caller, lastEventId, closeSignal(reply));
      const live = services.registry.find(environmentOf(caller, undefined));
      const headers = Object.fromEntries([sourceAge(live)]);
      await sendEvents(reply, withRetry(events, retryMs(services.random)), frameOf, headers);
    },
  );
};

/**
 * Returns the form of all flags with the URL of an event stream. It is left out if the caller could not open one:
 * clients that are refused try again each second.
 */
export const formWithEvents = (
  { streams, tickets, basePath }: Services,
  caller: Caller,
  environment: string,
): BulkForm => {
  if (!hasPermissionIn(caller, 'values.stream', environment) || !streams.accepts(caller))
    return OFREP;
  const ticket = tickets.issue(caller, environment);
  if (ticket === undefined) return OFREP;
  const requestUri = `${basePath}${PATH}?${TICKET}=${ticket}`;
  const stream = JSON.stringify({ type: 'sse', endpoint: { requestUri } });
  return { ...OFREP, name: `${OFREP.name} ${requestUri}`, close: `],"eventStreams":[${stream}]}` };
};

type Retry = { readonly type: 'retry'; readonly ms: number };

async function* withRetry(
  events: AsyncIterable<VersionEvent>,
  ms: number,
): AsyncGenerator<VersionEvent | Retry, void> {
  yield { type: 'retry', ms };
  yield* events;
}

const MIN_RETRY_MS = 1_000;
const RETRY_SPREAD_MS = 4_000;
/** Letters and digits. */
const RADIX = 36;
const DIGITS = 6;

/** How long a client waits until it connects again, spread so that not all of them return at once. */
const retryMs = (random: Random): number =>
  MIN_RETRY_MS +
  Math.floor((Number.parseInt(random(DIGITS), RADIX) / RADIX ** DIGITS) * RETRY_SPREAD_MS);

const HEARTBEAT = [Buffer.from(': heartbeat\n\n')];

const frameOf = (event: VersionEvent | Retry): readonly Uint8Array[] => {
  switch (event.type) {
    case 'retry':
      return [Buffer.from(`retry: ${event.ms}\n\n`)];
    case 'version': {
      const data = JSON.stringify({ type: 'refetchEvaluation', etag: event.id });
      return [Buffer.from(`id: ${event.id}\ndata: ${data}\n\n`)];
    }
    case 'heartbeat':
      return HEARTBEAT;
  }
};
