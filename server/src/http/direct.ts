import { IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';

import type { FastifyBaseLogger, FastifyInstance } from 'fastify';

import { requireReach, type Caller } from '../auth/caller.ts';
import type { Limits } from '../config.ts';
import type { ObserveRequest } from '../histogram.ts';
import type { Metrics } from '../metrics.ts';
import { decodeText } from '../parse-json.ts';
import type { Services } from '../services.ts';
import type { Snapshot } from '../store/store.ts';
import { admit, readmit } from './access.ts';
import { routedUrl } from './base-path.ts';
import { toByteString } from '../byte-string.ts';
import type { PendingResponses } from './connections.ts';
import { ANY_ORIGIN } from './cors.ts';
import { errorResponse } from './errors.ts';
import {
  EVALUATION_CONFIG,
  JSON_TYPE,
  newHead,
  type EvaluationRoute,
  type ResponseBody,
  type ResponseHead,
} from './evaluate.ts';
import { createWriteAtOnce, headerLines, type WriteAtOnce } from './at-once.ts';
import { PART_BYTES, writeInParts } from './parts.ts';
import type { RequestedEnvironment } from './request.ts';
import { logRequest, requestId } from './request-log.ts';

export type DirectDeps = {
  readonly services: Services;
  readonly metrics: Metrics;
  readonly logger: FastifyBaseLogger;
  readonly isDraining: () => boolean;
  readonly pendingOf: PendingResponses;
  readonly evaluations: readonly EvaluationRoute[];
  /** How long a connection may have no request. */
  readonly keepAliveMs: number;
};

/** Serves a request, or returns false if it leaves it to Fastify. */
export type Direct = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Passes each request to `direct` first. */
export const serveBefore = (app: FastifyInstance, direct: Direct): void => {
  const listener: RequestListener = (request, response) => {
    if (!direct(request, response)) app.routing(request, response);
  };
  app.server.removeAllListeners('request');
  app.server.on('request', listener);
};

/**
 * Serves evaluations without Fastify, whose routing, hooks and replies cost several times an evaluation. It does
 * what the hooks do, with the same functions, and leaves every request that is unusual to Fastify.
 */
export const createDirect = (deps: DirectDeps): Direct => {
  const { basePath, limits, clock, control } = deps.services;
  const targets = deps.evaluations.map(route => {
    const observe = deps.metrics.requestObserverOf(route.path, METHOD);
    return [basePath + route.path, { route, observe }] as const;
  });
  const routes: Routes = {
    exact: new Map(targets.filter(([path]) => !path.endsWith(KEY))),
    ofFlag: new Map(
      targets
        .filter(([path]) => path.endsWith(KEY))
        .map(([path, target]) => [path.slice(0, -KEY.length), target]),
    ),
  };
  const writeAtOnce = createWriteAtOnce(clock, deps.keepAliveMs, headerLines(HEADERS));
  return (request, response) => {
    const target = targetOf(routes, request);
    if (target === undefined || !isUsual(request, limits)) return false;
    if (!(request instanceof DirectRequest)) return false;
    const pending = deps.pendingOf(request.socket);
    // A pipelined request has to wait for its turn.
    if (pending.size > 0) return false;
    serve({
      deps,
      writeAtOnce,
      request,
      response,
      pending: pending.add(response),
      route: target.route,
      observe: target.observe,
      environment: target.environment,
      flagKey: target.flagKey,
      startedAt: clock.monotonic(),
      keys: control.current(),
      head: newHead(),
      chunks: [],
      caller: undefined,
      log: undefined,
    });
    return true;
  };
};

/**
 * A request whose body can be collected without the events of a stream, which take a tenth of the time of a request.
 * It refers to no function of its own: V8 would keep the objects of many requests until a major garbage collection.
 */
export class DirectRequest extends IncomingMessage {
  #exchange: Exchange | undefined;

  /** Collects the body for an exchange, in place of emitting it. */
  collectFor(exchange: Exchange): void {
    this.#exchange = exchange;
    // Otherwise Node.js looks for the rest of the body at the end.
    this._read(0);
  }

  /** Called by Node.js with each part of the body, and with null at its end. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (this.#exchange === undefined) return super.push(chunk, encoding);
    if (Buffer.isBuffer(chunk)) this.#exchange.chunks.push(chunk);
    else respond(this.#exchange);
    return true;
  }
}

/** Headers of all responses. */
const HEADERS = [...Object.entries(ANY_ORIGIN).flat(), 'x-content-type-options', 'nosniff'];

const METHOD = 'POST';

/** A route, and how its requests are counted. */
type Target = { readonly route: EvaluationRoute; readonly observe: ObserveRequest };

/** Routes by path, and those that name a flag by the path in front of its key. */
type Routes = {
  readonly exact: ReadonlyMap<string, Target>;
  readonly ofFlag: ReadonlyMap<string, Target>;
};

const KEY = ':key';

/** No character that would have to be decoded. */
const WITH_ENVIRONMENT = /^([^?]+)\?environment=([A-Za-z0-9._-]+)$/;
const WITH_FLAG = /^(.+\/)([A-Za-z0-9._-]+)$/;

/** What the URL of a request names. */
type UrlParts = RequestedEnvironment & { readonly flagKey: string };

const targetOf = (
  routes: Routes,
  { method, url = '' }: IncomingMessage,
): (Target & UrlParts) | undefined => {
  if (method !== METHOD) return undefined;
  const [, path = url, environment] = url.includes('?') ? (WITH_ENVIRONMENT.exec(url) ?? []) : [];
  const exact = routes.exact.get(path);
  if (exact !== undefined) return { ...exact, environment, flagKey: '' };
  const [, prefix = '', flagKey = ''] = WITH_FLAG.exec(path) ?? [];
  const target = routes.ofFlag.get(prefix);
  return target && { ...target, environment, flagKey };
};

const JSON_TYPES: ReadonlySet<string | undefined> = new Set([
  'application/json',
  JSON_TYPE,
  'application/json;charset=utf-8',
  'application/json; charset=UTF-8',
  'application/json;charset=UTF-8',
]);

/** Whether a request has a JSON body of a known and allowed size, and nothing that Fastify would refuse. */
const isUsual = ({ headers }: IncomingMessage, { bodyBytes }: Limits): boolean =>
  JSON_TYPES.has(headers['content-type']) &&
  Number(headers['content-length']) <= bodyBytes &&
  headers['content-encoding'] === undefined &&
  headers.host !== undefined;

/** A request on its way through this file. */
type Exchange = Target &
  UrlParts & {
    readonly deps: DirectDeps;
    readonly writeAtOnce: WriteAtOnce;
    readonly request: DirectRequest;
    readonly response: ServerResponse;
    /** The responses of the connection that are not complete. */
    readonly pending: Set<ServerResponse>;
    readonly startedAt: number;
    /** The API keys when the headers arrived. */
    readonly keys: Snapshot<'control'>;
    readonly head: ResponseHead;
    /** The parts of the body that have arrived. */
    readonly chunks: Buffer[];
    caller: Caller | undefined;
    log: FastifyBaseLogger | undefined;
  };

const serve = (exchange: Exchange): void => {
  const { deps, request, route, environment } = exchange;
  try {
    exchange.caller = admit(deps.services, request, EVALUATION_CONFIG.access, route.path);
    requireReach(exchange.caller, environment);
    request.collectFor(exchange);
  } catch (error) {
    fail(exchange, error);
  }
};

const bodyOf = ({ chunks }: Exchange): Buffer => {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
};

const respond = (exchange: Exchange): void => {
  const { request, route, environment, flagKey, head } = exchange;
  try {
    const caller = callerNow(exchange);
    const ifNoneMatch = request.headers['if-none-match'];
    const acceptEncoding = request.headers['accept-encoding'];
    const text = decodeText(bodyOf(exchange));
    const evaluating = { caller, environment, flagKey, text, ifNoneMatch, acceptEncoding };
    const body = route.respond(evaluating, head);
    if (body instanceof Promise)
      body.then(
        each => send(exchange, each),
        (error: unknown) => fail(exchange, error),
      );
    else send(exchange, body);
  } catch (error) {
    fail(exchange, error);
  }
};

/** Returns the caller. A slow body can arrive after the key was revoked, so the key is checked again then. */
const callerNow = (exchange: Exchange): Caller => {
  const { deps, request, caller, keys } = exchange;
  const isSame = keys === deps.services.control.current() && caller?.expiresAt === undefined;
  if (caller !== undefined && isSame) return caller;
  exchange.caller = readmit(deps.services, request, EVALUATION_CONFIG.access);
  return exchange.caller;
};

const fail = (exchange: Exchange, thrown: unknown): void => {
  const { caller, deps, request } = exchange;
  const url = routedUrl(deps.services.basePath, request.url ?? '');
  const failed = { url, caller, log: logOf(exchange) };
  const { status, headers, body } = errorResponse(thrown, failed);
  exchange.head.status = status;
  exchange.head.headers.push(...Object.entries(headers).flat());
  send(exchange, toByteString(JSON.stringify(body)));
};

const send = (exchange: Exchange, body: ResponseBody): void => {
  const { deps, request, response, head, writeAtOnce } = exchange;
  if (body !== undefined)
    head.headers.push('content-type', JSON_TYPE, 'content-length', String(body.length));
  const isLast = head.closes || deps.isDraining();
  const onSent = () => complete(exchange);
  if (!isLast && request.complete && writeAtOnce(response, head, body, onSent)) return;
  response.on('finish', onSent);
  const closing = isLast ? ['connection', 'close'] : [];
  response.writeHead(head.status, [...HEADERS, ...head.headers, ...closing]);
  if (body === undefined || body.length <= PART_BYTES) response.end(body, 'latin1');
  else void writeInParts(response, [Buffer.from(body, 'latin1')]).then(() => response.end());
};

/** Counts and logs a request that has its response. The connection is then free for the next one. */
const complete = (exchange: Exchange): void => {
  const { deps, route, observe, response, startedAt, caller, head } = exchange;
  exchange.pending.delete(response);
  const ms = deps.services.clock.monotonic() - startedAt;
  const { status } = head;
  observe(status, ms / 1_000);
  if (!isDebugged(deps.logger)) return;
  const log = logOf(exchange);
  logRequest(log, { method: METHOD, route: route.path, status, ms, key: caller?.credential.id });
};

const isDebugged = ({ level }: FastifyBaseLogger): boolean =>
  level === 'debug' || level === 'trace';

/** Returns the log of a request. Most requests log nothing, so it is created on first use. */
const logOf = (exchange: Exchange): FastifyBaseLogger => {
  const { logger, services } = exchange.deps;
  exchange.log ??= logger.child({ reqId: requestId(services.random) });
  return exchange.log;
};
