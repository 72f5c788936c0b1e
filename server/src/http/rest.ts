import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { z } from 'zod';

import { matchingTag } from '../resources/entity-tag.ts';
import { invalid, PennonError } from '../errors.ts';
import type { Services } from '../services.ts';
import { runInSlices } from '../slices.ts';
import { appRouter } from '../router/index.ts';
import { createCallerFactory } from '../router/procedure.ts';
import { callerOf } from './access.ts';
import { payloadOf } from './compression.ts';
import { JSON_TYPE } from './evaluate.ts';
import { isSmall, jsonSteps } from './json-text.ts';
import { API, unknownParameter } from './request.ts';
import type { RestRoute } from './rest-route.ts';
import { restRoutes } from './rest-route.ts';
import type { ReceiveUploads } from './uploads.ts';

const createCaller = createCallerFactory(appRouter);

/** Serves the procedures as REST routes. Only path and query are converted from text; schemas never coerce. */
export const serveRest = (
  app: FastifyInstance,
  services: Services,
  receiveUploads: ReceiveUploads,
): void => {
  for (const route of restRoutes()) {
    const { limits, permission, readPermission } = route.meta;
    const access = { permission, readPermission, environmentIn: route.environmentIn };
    const options: RouteOptions = {
      method: route.method,
      url: API + route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { access },
      handler: async (request, reply) => {
        let isCreated = false;
        const caller = createCaller({
          services,
          requireCaller: () => callerOf(request),
          upload: request.upload && { blocks: request.upload, form: 'document' },
          onCreated: () => (isCreated = true),
        });
        const call = procedureOf(caller, route.procedure);
        const output = await call(inputOf(route, request));
        if (isCreated) reply.code(201).header('location', request.url);
        return respond(route, request, reply, output);
      },
    };
    if (limits === undefined) app.route(options);
    else
      app.register(async scope => {
        receiveUploads(scope, limits.bodyBytes);
        scope.route(options);
      });
  }
};

/** Looks up `flags.create` in a tRPC caller. */
const procedureOf = (caller: object, path: string): ((input: unknown) => Promise<unknown>) => {
  let found: unknown = caller;
  for (const name of path.split('.')) found = Reflect.get(found as object, name);
  return found as (input: unknown) => Promise<unknown>;
};

/** Merges path, query, headers and body into the flat input of the procedure. */
const inputOf = (route: RestRoute, request: FastifyRequest): Record<string, unknown> => {
  const params = Object.entries(request.params as Record<string, string>).map(
    ([name, value]) => [name, fromText(unwrap(route.params[name]), value)] as const,
  );
  const query = queryOf(route, request.query as Record<string, unknown>);
  const body = request.upload !== undefined ? [] : bodyOf(route, request.body);
  requireSameParams(params, body);
  const headers = route.headers.flatMap(({ field, name }): Entries => {
    const value = request.headers[name.toLowerCase()];
    return value === undefined ? [] : [[field, value]];
  });
  return Object.fromEntries([...body, ...query, ...params, ...headers]);
};

type Entries = (readonly [string, unknown])[];

const queryOf = (route: RestRoute, query: Record<string, unknown>): Entries => {
  const unknown = Object.keys(query).filter(name => !Object.hasOwn(route.query, name));
  if (unknown.length > 0) {
    throw invalid(
      unknown.map(path => ({ path, message: unknownParameter(path, Object.keys(route.query)) })),
      'the query',
    );
  }
  return Object.entries(query).map(([name, value]) => [
    name,
    typeof value === 'string' ? fromText(unwrap(route.query[name]), value) : value,
  ]);
};

/** Converts text to a number or boolean if the schema expects one. Other text is for the schema to reject. */
const fromText = (schema: unknown, text: string): unknown => {
  if (schema instanceof z.ZodNumber && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text);
  if (schema instanceof z.ZodBoolean && (text === 'true' || text === 'false'))
    return text === 'true';
  return text;
};

/** The schema inside optional, nullable and default. */
const unwrap = (schema: unknown): unknown =>
  schema instanceof z.ZodOptional ||
  schema instanceof z.ZodNullable ||
  schema instanceof z.ZodDefault
    ? unwrap(schema.unwrap())
    : schema;

const bodyOf = (route: RestRoute, body: unknown): Entries => {
  if (route.body === undefined) {
    requireNoBody(body);
    return [];
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalidBody(notAnObject(route.body, body));
  requireNoMisplacedField(route, body);
  return Object.entries(body);
};

/** Names the fields that a body must have, or those that it may have if it needs none of them. */
const notAnObject = (fields: NonNullable<RestRoute['body']>, body: unknown): string => {
  const entries = Object.entries(fields);
  const required = entries.filter(([, schema]) => !schema.safeParse(undefined).success);
  const names = (required.length > 0 ? required : entries).map(([name]) => `"${name}"`);
  const expectation = `must be a JSON object with ${required.length > 0 ? '' : 'any of '}${names.join(', ')}`;
  return body === undefined ? `is missing: it ${expectation}` : expectation;
};

/** Some clients send an empty object with DELETE. */
const requireNoBody = (body: unknown): void => {
  if (body === undefined || body === null || Object.keys(body).length === 0) return;
  throw invalidBody('must be empty: this route takes no body');
};

const invalidBody = (message: string): PennonError =>
  new PennonError('BAD_REQUEST', `the body ${message}`, { details: [{ path: '', message }] });

const requireNoMisplacedField = ({ query, headers }: RestRoute, body: object): void => {
  const places = [
    ...Object.keys(query).map(name => [name, `the query (?${name}=…)`] as const),
    ...headers.map(({ field, name }) => [field, `the ${name} header`] as const),
  ];
  for (const [field, place] of places) {
    if (Object.hasOwn(body, field))
      throw invalid([{ path: field, message: `belongs in ${place}, not in the body` }]);
  }
};

/** A body may repeat the path parameters, so what was read can be written back. */
const requireSameParams = (params: Entries, body: Entries): void => {
  const fields = new Map(body);
  for (const [name, value] of params) {
    if (!fields.has(name) || fields.get(name) === value) continue;
    throw invalid([{ path: name, message: `must be "${String(value)}", as in the path` }]);
  }
};

const respond = async (
  { success, conditional }: RestRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  output: unknown,
): Promise<unknown> => {
  reply.header('cache-control', 'private, no-cache');
  if (success.body === undefined) return reply.code(success.status).send();
  const { etag, ...body } = output as { etag?: unknown };
  if (typeof etag === 'string') {
    const known = conditional ? matchingTag(request.headers['if-none-match'], etag) : undefined;
    reply.header('etag', known ?? etag);
    if (known !== undefined) return reply.code(304).send();
  }
  if (success.locationField !== undefined)
    reply.header('location', locationOf(request, String(Reflect.get(body, success.locationField))));
  reply.code(reply.statusCode === 201 ? 201 : success.status);
  if (isSmall(body)) return reply.send(body);
  const text = await runInSlices(jsonSteps(body));
  return reply.type(JSON_TYPE).send(await payloadOf(request, reply, text, 'once'));
};

/** The URL of a created resource, with the base path, and with the environment if the request named one. */
const locationOf = (request: FastifyRequest, id: string): string => {
  const [path = '', query] = request.originalUrl.split('?');
  const environment = new URLSearchParams(query).get('environment');
  return `${path}/${encodeURIComponent(id)}${environment === null ? '' : `?environment=${encodeURIComponent(environment)}`}`;
};
