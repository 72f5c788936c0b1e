import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Caller } from '../auth/caller.ts';
import { toByteString } from '../byte-string.ts';
import type { BulkEvaluation } from '../evaluation/bulk-evaluation.ts';
import {
  cachedEvaluations,
  evaluateAndCache,
  evaluateFlagAsText,
  scopeOf,
  type Scope,
} from '../evaluation/evaluate.ts';
import { decodeText } from '../parse-json.ts';
import { isNotModified } from '../resources/entity-tag.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { acceptOnlyJson, addJsonParser } from './body.ts';
import { parseEvaluateAllRequest, parseEvaluateRequest } from './evaluation-requests.ts';
import { API, onlyEnvironment, type RequestedEnvironment } from './request.ts';
import { isStale, sourceAge } from './source-age.ts';

/** A request of an evaluation route, however it was received. */
export type EvaluationRequest = RequestedEnvironment & {
  readonly caller: Caller;
  /** The body as it was sent; empty if there is none. */
  readonly text: string;
  readonly ifNoneMatch: string | undefined;
};

/** What a response has besides its body. */
export type ResponseHead = {
  status: number;
  /** Names and values in turn. */
  readonly headers: string[];
  /** Whether the connection ends with the response. */
  closes: boolean;
};

export const newHead = (headers: readonly string[] = []): ResponseHead => ({
  status: 200,
  headers: [...headers],
  closes: false,
});

/** The bytes of JSON (see `toByteString`), or nothing with the status 304. */
export type ResponseBody = string | undefined;

/** A route that is served by `direct.ts`, or by Fastify if a request is unusual. */
export type EvaluationRoute = {
  readonly path: string;
  /** Completes the head step by step, so that an error has the headers that were known before it. */
  readonly respond: (
    request: EvaluationRequest,
    head: ResponseHead,
  ) => ResponseBody | Promise<ResponseBody>;
};

/** Requires a key with this permission, and allows pages of any origin. */
export const EVALUATION_CONFIG = { access: { permission: 'evaluate' }, cors: true } as const;

export const evaluationRoutes = (services: Services): readonly EvaluationRoute[] => [
  {
    path: `${API}/evaluate`,
    respond({ caller, environment, text: sent }, { headers }) {
      const input = parseEvaluateRequest(sent, { environment });
      const scope = scopeOf(services, caller, environment);
      headers.push(...sourceAge(scope.live));
      const text = evaluateFlagAsText(services, scope, input);
      headers.push('cache-control', 'no-store');
      return toByteString(text);
    },
  },
  {
    path: `${API}/evaluations`,
    respond(request, head) {
      const { caller, environment, text } = request;
      const scope = scopeOf(services, caller, environment);
      const send = (bulk: BulkEvaluation) => bulkBody(bulk, scope, request, head);
      const cached = cachedEvaluations(services, scope, text);
      if (cached !== undefined) return send(cached);
      const input = parseEvaluateAllRequest(text, { environment });
      return evaluateAndCache(services, scope, text, input).then(send);
    },
  },
];

const bulkBody = (
  { etag, body }: BulkEvaluation,
  { live }: Scope,
  { ifNoneMatch }: EvaluationRequest,
  head: ResponseHead,
): ResponseBody => {
  head.headers.push('etag', etag, 'cache-control', 'private, no-cache', ...sourceAge(live));
  head.closes = isStale(live);
  if (!isNotModified(ifNoneMatch, etag)) return body;
  head.status = 304;
  return undefined;
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
    for (const { path, respond } of routes)
      scope.post(path, { config: EVALUATION_CONFIG }, async (request, reply) => {
        const head = newHead();
        let body: ResponseBody;
        try {
          body = await respond(requestOf(request), head);
        } finally {
          setHead(reply, head);
        }
        return body === undefined
          ? reply.send()
          : reply.type(JSON_TYPE).send(Buffer.from(body, 'latin1'));
      });
  });
};

const requestOf = (request: FastifyRequest): EvaluationRequest => ({
  ...onlyEnvironment(request),
  caller: callerOf(request),
  text: typeof request.body === 'string' ? request.body : '',
  ifNoneMatch: request.headers['if-none-match'],
});

const setHead = (reply: FastifyReply, { status, headers, closes }: ResponseHead): void => {
  reply.code(status);
  for (let at = 0; at < headers.length; at += 2) reply.header(headers[at] ?? '', headers[at + 1]);
  if (closes) reply.header('connection', 'close');
};
