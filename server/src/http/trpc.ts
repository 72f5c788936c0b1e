import { didYouMean, shortened } from '@pennon/schema';
import type { TRPCError } from '@trpc/server';
import type { FastifyHandlerOptions } from '@trpc/server/adapters/fastify';
import { fastifyRequestHandler } from '@trpc/server/adapters/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { hasPermissionAnywhere, limitToPermission, type Caller } from '../auth/caller.ts';
import { PennonError, toPennonError } from '../errors.ts';
import type { Upload } from '../import-export/check.ts';
import { requireBounded, requireExactNumbers } from '../parse-json.ts';
import { appRouter, type AppRouter } from '../router/index.ts';
import type { Context } from '../router/procedure.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Services } from '../services.ts';
import { authenticateCall } from './access.ts';
import { acceptOnlyJson, addJsonParser } from './body.ts';
import { payloadOf } from './compression.ts';
import { errorHeaders, logFailure } from './errors.ts';
import { procedures } from './rest-route.ts';
import { sourceAge } from './source-age.ts';
import { createTexts, fillStream, type Texts } from './trpc-texts.ts';
import type { ReceiveUploads } from './uploads.ts';

const MAX_BATCH_SIZE = 20;
const PREFIX = '/trpc/';
const JSON_TYPE = 'application/json';

declare module 'fastify' {
  interface FastifyRequest {
    /** The large texts of a response of tRPC. */
    texts?: Texts;
  }
}

/** Sends the JSON of tRPC as text, as other routes do, so that hooks can compress it, with large texts filled in. */
export const sendTrpcAsText = (app: FastifyInstance): void => {
  app.addHook('onSend', async (request, reply, payload: unknown) => {
    const { texts } = request;
    if (!(payload instanceof Response) || texts === undefined) return payload;
    reply.code(payload.status).headers(Object.fromEntries(payload.headers));
    if (isStreamed(payload)) return payload.body === null ? '' : fillStream(payload.body, texts);
    const json = await payload.text();
    return texts.isEmpty() ? json : payloadOf(request, reply, [...texts.fill(json)], 'once');
  });
};

/** A batch that is streamed has the type of JSON too. */
const isStreamed = ({ headers }: Response): boolean =>
  headers.get('content-type') !== JSON_TYPE || headers.has('transfer-encoding');

/** Serves the router. Each call of a batch is authenticated, and counts against the rate limit. */
export const serveTrpc = async (
  app: FastifyInstance,
  services: Services,
  receiveUploads: ReceiveUploads,
): Promise<void> => {
  acceptOnlyJson(app);
  passJsonAsText(app);

  const route = (scope: FastifyInstance, url: string) =>
    scope.route<{ Params: { path?: string } }>({
      method: ['GET', 'POST'],
      url,
      exposeHeadRoute: false,
      config: { access: 'procedures' },
      onRequest: async request => {
        const path = request.params.path ?? url.slice(PREFIX.length);
        requireProcedure(request.method, request.params.path);
        if (request.method === 'POST') request.caller = admit(services, request, path);
      },
      handler: (request, reply) => {
        const form: Upload['form'] = isBatch(request) ? 'batch' : 'call';
        const upload = request.upload && { blocks: request.upload, form };
        if (upload !== undefined) request.body = form === 'batch' ? '{"0":{}}' : '{}';
        const texts = createTexts();
        request.texts = texts;
        return fastifyRequestHandler({
          ...optionsFor(request),
          router: appRouter,
          createContext: () => ({
            services,
            evaluated: new Set<LiveFlagSet>(),
            requireCaller: callersOf(services, request),
            upload,
            replaceResult: texts.markIn,
          }),
          maxBatchSize: MAX_BATCH_SIZE,
          req: request,
          res: reply,
          path: request.params.path ?? url.slice(PREFIX.length),
        });
      },
    });

  route(app, `${PREFIX}:path`);
  // The router prefers exact paths, so a call alone, not in a batch, may have the larger body.
  for (const [path, { meta }] of procedures())
    if (meta?.limits !== undefined) {
      const { bodyBytes } = meta.limits;
      await app.register(async scope => {
        receiveUploads(scope, bodyBytes);
        route(scope, PREFIX + path);
      });
    }
};

/** Authenticates a request that has a body, and checks the permission of its calls, before the body is read. */
const admit = (services: Services, request: FastifyRequest, path: string): Caller => {
  const caller = authenticateCall(services, request.raw);
  const known = procedures();
  const permissions = path.split(',').flatMap(name => known.get(name)?.meta?.permission ?? []);
  // In a batch, tRPC reports each refused call by itself.
  const [first] = permissions;
  if (first !== undefined && !permissions.some(each => hasPermissionAnywhere(caller, each)))
    limitToPermission(caller, first);
  return caller;
};

/** Returns the caller of each call. The first call of a request is counted already if it has a body. */
const callersOf = (services: Services, request: FastifyRequest): (() => Caller) => {
  let admitted = request.caller;
  return () => {
    const caller = admitted ?? authenticateCall(services, request.raw);
    admitted = undefined;
    return caller;
  };
};

/** Throws if a call names no procedure, or one of another kind. In a batch, tRPC reports each call by itself. */
const requireProcedure = (method: string, path: string | undefined): void => {
  if (path === undefined || path.includes(',')) return;
  const known = procedures();
  const definition = known.get(path);
  if (definition === undefined) {
    const suggestion = didYouMean(path, [...known.keys()]);
    throw new PennonError(
      'NOT_FOUND',
      `there is no procedure "${shortened(path)}"${suggestion || ';'} see /docs`,
    );
  }
  const expected = definition.type === 'mutation' ? 'POST' : 'GET';
  if (method === expected) return;
  throw new PennonError(
    'METHOD_NOT_SUPPORTED',
    `the procedure "${path}" is a ${definition.type}: use ${expected}, not ${method}`,
  );
};

const isBatch = ({ query }: FastifyRequest): boolean =>
  typeof query === 'object' && query !== null && 'batch' in query;

/** tRPC parses the body itself. The body of a batch has the inputs by their position. */
const passJsonAsText = (app: FastifyInstance): void =>
  addJsonParser(app, (body, request) => {
    requireBounded(body, isBatch(request));
    const text = body.toString();
    requireExactNumbers(text, isBatch(request) ? 1 : 0);
    return text;
  });

/** Response headers, and the log of unexpected errors. */
const optionsFor = (
  request: FastifyRequest,
): Pick<
  FastifyHandlerOptions<AppRouter, FastifyRequest, FastifyReply>,
  'responseMeta' | 'onError'
> => ({
  responseMeta: ({ ctx, paths, eagerGeneration, errors: [error] }) => ({
    ...(isInvalidDraft(paths, error) && { status: OK }),
    headers: {
      ...(error === undefined
        ? { 'cache-control': 'no-store' }
        : errorHeaders(toPennonError(error))),
      ...sourceAgeOf(ctx === undefined ? [] : evaluatedBy(ctx, paths, eagerGeneration)),
    },
  }),
  onError: ({ error, path }) => logFailure(request.log, toPennonError(error), { procedure: path }),
});

const OK = 200;

/** The fields of a preview beside its draft. */
const REQUEST_FIELDS = /^(?:(?:flag|segment|environment|allowNoEffect)$|contexts|flagKeys)/;

/**
 * Whether a preview has found what is wrong with its draft. A browser reports a status of 400 as an error of the page,
 * but a draft may be invalid while it is edited. The body still has the error.
 */
const isInvalidDraft = (
  [path, ...others]: readonly string[] = [],
  error: TRPCError | undefined,
): boolean => {
  if (path !== 'evaluation.preview' || others.length > 0 || error === undefined) return false;
  const { code, extra } = toPennonError(error);
  const { details = [] } = extra;
  return (
    (code === 'BAD_REQUEST' || code === 'NO_EFFECT') &&
    details.length > 0 &&
    !details.some(detail => REQUEST_FIELDS.test(detail.path))
  );
};

/** Returns the header with the age of the oldest flag set that the calls of a request evaluate, if they do. */
const sourceAgeOf = (lives: readonly LiveFlagSet[]): Record<string, string> =>
  lives.length === 0 ? {} : Object.fromEntries([sourceAge(...lives)]);

/** The response of a batch that is streamed begins before its calls, so it counts all flag sets. */
const evaluatedBy = (
  { services, evaluated }: Context,
  paths: readonly string[] = [],
  isEager: boolean,
): readonly LiveFlagSet[] => {
  const isUnknown = isEager && evaluated?.size === 0;
  if (isUnknown && paths.some(path => path.startsWith('evaluation.')))
    return services.registry.all();
  return [...(evaluated ?? [])];
};
