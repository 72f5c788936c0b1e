import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';

import { matchesNone } from '../resources/entity-tag.ts';
import { invalid } from '../errors.ts';
import type { Services } from '../services.ts';
import { appRouter } from '../router/index.ts';
import type { Meta } from '../router/procedure.ts';
import { createCallerFactory } from '../router/procedure.ts';
import { callerOf } from './access.ts';
import { API } from './request.ts';

/** A procedure with a REST route, as its own metadata describes it. */
export type RestProcedure = {
  readonly path: string;
  readonly meta: Meta & { readonly openapi: NonNullable<Meta['openapi']> };
  readonly input: z.ZodObject;
};

/** What tRPC keeps of a procedure, under its whole path; its types show the nested routers instead. */
type ServerFields = {
  readonly _def: {
    readonly meta?: Meta;
    readonly inputs: readonly unknown[];
    readonly type: string;
  };
};

/** Every procedure of the router by its path, such as `flags.create`. */
export const procedures = (): ReadonlyMap<string, ServerFields['_def']> =>
  new Map(
    Object.entries(appRouter._def.procedures as unknown as Record<string, ServerFields>).map(
      ([path, { _def }]) => [path, _def],
    ),
  );

/** Every procedure that states a REST route. */
export const restProcedures = (): RestProcedure[] =>
  [...procedures()].flatMap(([path, { meta, inputs }]) => {
    const [input] = inputs;
    if (meta?.openapi === undefined || !(input instanceof z.ZodObject)) return [];
    return [{ path, meta: { ...meta, openapi: meta.openapi }, input }];
  });

const createCaller = createCallerFactory(appRouter);

/**
 * REST by the same procedures. Parameters are read by the type that the schema states and handed on;
 * nothing is coerced, and no schema is touched: a text stays a text, and the schema refuses it.
 */
export const serveRest = (app: FastifyInstance, parts: Services): void => {
  for (const procedure of restProcedures()) {
    if (procedure.meta.plainRoute === true) continue;
    const { method, path } = procedure.meta.openapi;
    app.route({
      method,
      url: API + path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { access: { permission: procedure.meta.permission } },
      ...(procedure.meta.bodyBytes === undefined ? {} : { bodyLimit: procedure.meta.bodyBytes }),
      handler: async (request, reply) => {
        const call = procedureOf(
          createCaller({ services: parts, authenticateRequest: () => callerOf(request) }),
          procedure.path,
        );
        return answer(procedure, request, reply, await call(inputOf(procedure, request)));
      },
    });
  }
};

/** Finds `flags.create` in a caller; the path comes from the router itself. */
const procedureOf = (caller: object, path: string): ((input: unknown) => Promise<unknown>) => {
  let found: unknown = caller;
  for (const name of path.split('.')) found = Reflect.get(found as object, name);
  return found as (input: unknown) => Promise<unknown>;
};

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** One flat input of path, query, body and If-Match. */
const inputOf = (
  { meta, input }: RestProcedure,
  request: FastifyRequest,
): Record<string, unknown> => {
  const { shape } = input;
  const params = Object.entries(request.params as Record<string, string>);
  const query = decodeQuery(shape, request.query as Record<string, unknown>);
  const body = WITH_BODY.has(meta.openapi.method) ? bodyOf(meta, request.body) : [];
  if (!WITH_BODY.has(meta.openapi.method)) refuseBody(request.body);
  if (WITH_BODY.has(meta.openapi.method)) refuseInQuery(meta, query);
  refuseMismatch(params, body);
  const ifMatch = 'ifMatch' in shape ? request.headers['if-match'] : undefined;
  return Object.fromEntries([
    ...body,
    ...query,
    ...params,
    ...(ifMatch === undefined ? [] : [['ifMatch', ifMatch] as const]),
  ]);
};

type Fields = (readonly [string, unknown])[];

/** Fields that a route with a body takes in its query. */
const queryFieldsOf = (meta: Meta): readonly string[] => [
  ...(meta.environmentInBody === true ? [] : ['environment']),
  ...(meta.inQuery ?? []),
];

const bodyOf = (meta: Meta, body: unknown): Fields => {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid([{ path: '', message: 'must be a JSON object' }], 'the body');
  }
  const misplaced = [...queryFieldsOf(meta), 'ifMatch'].find(name => Object.hasOwn(body, name));
  if (misplaced === undefined) return Object.entries(body);
  const place = misplaced === 'ifMatch' ? 'the If-Match header' : `the query (?${misplaced}=…)`;
  throw invalid([{ path: misplaced, message: `belongs in ${place}, not in the body` }]);
};

/** A DELETE takes everything from its path, query and headers; clients may send an empty object. */
const refuseBody = (body: unknown): void => {
  if (body === undefined || body === null || Object.keys(body).length === 0) return;
  throw invalid([{ path: '', message: 'must be empty: this route takes no body' }], 'the body');
};

const refuseInQuery = (meta: Meta, query: Fields): void => {
  const known = queryFieldsOf(meta);
  const unknown = query.map(([name]) => name).filter(name => !known.includes(name));
  if (unknown.length === 0) return;
  throw invalid(
    unknown.map(path => ({ path, message: 'is not a query parameter of this route' })),
    'the query',
  );
};

/** A body may repeat what the path says, and nothing else. */
const refuseMismatch = (params: Fields, body: Fields): void => {
  const inBody = new Map(body);
  for (const [name, value] of params) {
    if (!inBody.has(name) || inBody.get(name) === value) continue;
    throw invalid([{ path: name, message: `must be "${String(value)}", as in the path` }]);
  }
};

const decodeQuery = (shape: z.ZodObject['shape'], query: Record<string, unknown>): Fields =>
  Object.entries(query).map(([name, value]) => [
    name,
    typeof value === 'string' && Object.hasOwn(shape, name)
      ? decode(bare(shape[name]), value)
      : value,
  ]);

/** A query holds text only: what reads as the stated type is that, everything else stays text. */
const decode = (schema: unknown, text: string): unknown => {
  if (schema instanceof z.ZodNumber && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text);
  if (schema instanceof z.ZodBoolean && (text === 'true' || text === 'false'))
    return text === 'true';
  return text;
};

/** The schema inside optional, nullable and default. */
const bare = (schema: unknown): unknown =>
  schema instanceof z.ZodOptional ||
  schema instanceof z.ZodNullable ||
  schema instanceof z.ZodDefault
    ? bare(schema.unwrap())
    : schema;

const answer = (
  { meta, path }: RestProcedure,
  request: FastifyRequest,
  reply: FastifyReply,
  output: unknown,
): unknown => {
  reply.header('cache-control', 'private, no-cache');
  if (meta.status === 204 || typeof output !== 'object' || output === null)
    return reply.code(204).send();
  const { etag, ...body } = output as { etag?: unknown };
  if (typeof etag === 'string') {
    reply.header('etag', etag);
    if (path.endsWith('.get') && matchesNone(request.headers['if-none-match'], etag))
      return reply.code(304).send();
  }
  if (meta.located !== undefined)
    reply.header('location', locationOf(request, String(Reflect.get(output, meta.located))));
  return reply.code(meta.status ?? 200).send(body);
};

/** Where the created resource is: with the environment, where the request had to name it. */
const locationOf = (request: FastifyRequest, name: string): string => {
  const [path = '', query] = request.url.split('?');
  const environment = new URLSearchParams(query).get('environment');
  return `${path}/${encodeURIComponent(name)}${environment === null ? '' : `?environment=${encodeURIComponent(environment)}`}`;
};
