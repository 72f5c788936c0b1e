import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Caller } from '../auth/caller.ts';
import { chooseCoding, compressBytes, MIN_BYTES } from '../compression.ts';
import { DECISION, RESULTS_BY_KEY, type BulkEvaluation } from '../evaluation/bulk-evaluation.ts';
import {
  cachedEvaluations,
  evaluateAndCache,
  evaluateFlagAs,
  inPreferredCoding,
  scopeOf,
  type BulkRequest,
  type EvaluateAllInput,
  type Scope,
} from '../evaluation/evaluate.ts';
import { decodeText } from '../parse-json.ts';
import { matchingTag, withCoding } from '../resources/entity-tag.ts';
import type { Services } from '../services.ts';
import { andThen } from '../turns.ts';
import { callerOf } from './access.ts';
import { acceptOnlyJson, addJsonParser } from './body.ts';
import { VARY } from './compression.ts';
import { parseEvaluateAllRequest, parseEvaluateRequest } from './evaluation-requests.ts';
import { API, onlyEnvironment, type RequestedEnvironment } from './request.ts';
import { isStale, sourceAge } from './source-age.ts';

/** What the query of a request has. */
export type RequestParameters = RequestedEnvironment & {
  /** The version of the flags that an event stream has sent to the client. */
  readonly version?: string | undefined;
};

/** A request of an evaluation route, however it was received. */
export type EvaluationRequest = RequestParameters & {
  readonly caller: Caller;
  /** The flag that the path names; empty if it names none. */
  readonly flagKey: string;
  /** The body as it was sent; empty if there is none. */
  readonly text: string;
  readonly ifNoneMatch: string | undefined;
  readonly acceptEncoding: string | undefined;
};

/** What a response has besides its body. */
export type ResponseHead = {
  status: number;
  /** Names and values in turn. */
  readonly headers: string[];
  /** Whether the connection ends with the response. */
  closes: boolean;
};

export const newHead = (): ResponseHead => ({ status: 200, headers: [], closes: false });

/** The bytes of a body (see `toByteString`), or nothing with the status 304. */
export type ResponseBody = string | undefined;

/** A route that is served by `direct.ts`, or by Fastify if a request is unusual. */
export type EvaluationRoute = {
  /** Its last part may be `:key`. */
  readonly path: string;
  readonly parametersOf: (request: { readonly query: unknown }) => RequestParameters;
  /** Completes the head step by step, so that an error has the headers that were known before it. */
  readonly respond: (
    request: EvaluationRequest,
    head: ResponseHead,
  ) => ResponseBody | Promise<ResponseBody>;
};

/** Requires a key with this permission, allows pages of any origin, and compresses its responses itself. */
export const EVALUATION_CONFIG = {
  access: { permission: 'evaluate' },
  cors: true,
  compresses: true,
} as const;

export const evaluationRoutes = (services: Services): readonly EvaluationRoute[] => [
  {
    path: `${API}/evaluate`,
    parametersOf: onlyEnvironment,
    respond({ caller, environment, text: sent, acceptEncoding }, { headers }) {
      const input = parseEvaluateRequest(sent, { environment });
      const scope = scopeOf(services, caller, environment);
      headers.push(...sourceAge(scope.live));
      const body = evaluateFlagAs(DECISION, services, scope, input);
      headers.push('cache-control', 'no-store');
      return inCoding(body, acceptEncoding, headers);
    },
  },
  {
    path: `${API}/evaluations`,
    parametersOf: onlyEnvironment,
    respond({ caller, environment, text, ifNoneMatch, acceptEncoding }, head) {
      const scope = scopeOf(services, caller, environment);
      const coding = chooseCoding(acceptEncoding, 'once');
      const wanted = { text, form: RESULTS_BY_KEY, coding };
      const parse = () => parseEvaluateAllRequest(text, { environment });
      return respondWithBulk(services, { scope, wanted, ifNoneMatch, parse }, head);
    },
  },
];

type BulkExchange = {
  readonly scope: Scope;
  readonly wanted: BulkRequest;
  readonly ifNoneMatch: string | undefined;
  readonly parse: () => Omit<EvaluateAllInput, 'environment'>;
};

/** Responds with a bulk evaluation, from the cache if it is there. The request is then not parsed. */
export const respondWithBulk = (
  services: Services,
  { scope, wanted, ifNoneMatch, parse }: BulkExchange,
  head: ResponseHead,
): ResponseBody | Promise<ResponseBody> => {
  const send = (bulk: BulkEvaluation): ResponseBody | Promise<ResponseBody> => {
    setBulkHead(head, scope);
    const known = matchingTag(ifNoneMatch, bulk.etag);
    if (known !== undefined) return notModified(head, known);
    return andThen(inPreferredCoding(services, scope, wanted, bulk), each => bulkBody(head, each));
  };
  const cached = cachedEvaluations(services, scope, wanted);
  return cached === undefined
    ? andThen(evaluateAndCache(services, scope, wanted, parse()), send)
    : send(cached);
};

/** Returns a body in a coding that the client accepts, if it is large. */
export const inCoding = (
  body: string,
  acceptEncoding: string | undefined,
  headers: string[],
): ResponseBody | Promise<ResponseBody> => {
  const coding = body.length < MIN_BYTES ? undefined : chooseCoding(acceptEncoding, 'once');
  if (coding === undefined) return body;
  return compressBytes(body, coding).then(compressed => {
    if (compressed !== undefined) headers.push('content-encoding', coding);
    return compressed ?? body;
  });
};

const setBulkHead = (head: ResponseHead, { live }: Scope): void => {
  head.headers.push('cache-control', 'private, no-cache', ...VARY, ...sourceAge(live));
  head.closes = isStale(live);
};

const notModified = (head: ResponseHead, etag: string): undefined => {
  head.headers.push('etag', etag);
  head.status = 304;
  return undefined;
};

const bulkBody = ({ headers }: ResponseHead, { body, coding, etag }: BulkEvaluation): string => {
  if (coding === undefined) headers.push('etag', etag);
  else headers.push('etag', withCoding(etag, coding), 'content-encoding', coding);
  return body;
};

export const JSON_TYPE = 'application/json; charset=utf-8';

/** Serves the evaluation routes with Fastify. */
export const serveEvaluations = (
  app: FastifyInstance,
  routes: readonly EvaluationRoute[],
): void => {
  app.register(async scope => {
    acceptOnlyJson(scope);
    addJsonParser(scope, decodeText);
    for (const { path, parametersOf, respond } of routes)
      scope.post<WithKey>(path, { config: EVALUATION_CONFIG }, async (request, reply) => {
        const head = newHead();
        let body: ResponseBody;
        try {
          body = await respond({ ...parametersOf(request), ...requestOf(request) }, head);
        } finally {
          setHead(reply, head);
        }
        return body === undefined
          ? reply.send()
          : reply.type(JSON_TYPE).send(Buffer.from(body, 'latin1'));
      });
  });
};

type WithKey = { Params: { key?: string } };

const requestOf = (request: FastifyRequest<WithKey>): Omit<EvaluationRequest, 'environment'> => ({
  flagKey: request.params.key ?? '',
  caller: callerOf(request),
  text: typeof request.body === 'string' ? request.body : '',
  ifNoneMatch: request.headers['if-none-match'],
  acceptEncoding: request.headers['accept-encoding'],
});

const setHead = (reply: FastifyReply, { status, headers, closes }: ResponseHead): void => {
  reply.code(status);
  for (let at = 0; at < headers.length; at += 2) reply.header(headers[at] ?? '', headers[at + 1]);
  if (closes) reply.header('connection', 'close');
};
