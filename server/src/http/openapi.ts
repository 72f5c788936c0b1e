import { ErrorBody, EvaluationContext, FlagSet, FlagSetChange } from '@pennon/schema';
import type { OpenAPIObject } from 'trpc-to-openapi';
import { generateOpenApiDocument } from 'trpc-to-openapi';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';

import { appRouter } from '../router/index.ts';
import type { Meta } from '../router/procedure.ts';
import type { RestProcedure } from './rest.ts';
import { API } from './request.ts';
import { restProcedures } from './rest.ts';

/** The parts of a JSON document that this file reads and writes. */
type Json = { [name: string]: unknown };
type Operation = {
  parameters?: Json[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, Json>;
  security?: Json[];
};
type Schema = {
  $ref?: string;
  properties?: Json;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
};

/**
 * OpenAPI 3.1 of every route. Procedures are described by trpc-to-openapi from their own schemas; what
 * REST does its own way (query, headers, status codes, errors) is then set right in one place below.
 */
export const openApiDocument = (): OpenAPIObject => {
  const document = generateOpenApiDocument(appRouter, {
    title: 'Pennon',
    description:
      'Feature flags with targeting, percentage rollouts and live delivery. Send a key in `Authorization: Bearer` or `X-API-Key`.',
    version: '1',
    openApiVersion: '3.1.0',
    baseUrl: '/',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer' },
      apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
    },
    paths: PLAIN_PATHS,
    defs: { Error: ErrorBody },
  });
  const paths = (document.paths ?? {}) as Record<string, Record<string, Operation>>;
  for (const procedure of restProcedures()) reshape(document, paths, procedure);
  document.paths = Object.fromEntries(
    Object.entries(paths).map(([path, item]) => [isTopLevel(path) ? path : API + path, item]),
  ) as NonNullable<OpenAPIObject['paths']>;
  return document;
};

const TOP_LEVEL = new Set([
  '/healthz',
  '/readyz',
  '/metrics',
  '/openapi.json',
  '/docs',
  '/trpc/{path}',
]);
const isTopLevel = (path: string): boolean => TOP_LEVEL.has(path);

const reshape = (
  document: OpenAPIObject,
  paths: Record<string, Record<string, Operation>>,
  { meta, input, path }: RestProcedure,
): void => {
  const operation = paths[meta.openapi.path]?.[meta.openapi.method.toLowerCase()];
  if (operation === undefined) throw new Error(`${path} is not in the document`);
  if (meta.environmentInBody !== true)
    moveToParameter(operation, 'environment', 'query', 'environment');
  moveToParameter(operation, 'ifMatch', 'header', 'If-Match');
  for (const field of meta.inQuery ?? []) moveToQuery(operation, field);
  allowRepeats(operation);
  if (path.endsWith('.get') || path === 'evaluation.evaluateAll')
    addParameter(operation, 'If-None-Match', 'header');
  operation.responses = {
    ...success(document, operation, path, meta),
    ...errorResponses(
      errorCodes(meta.openapi.method, 'ifMatch' in input.shape, meta.plainRoute !== true),
    ),
  };
};

const moveToParameter = (
  operation: Operation,
  field: string,
  place: 'query' | 'header',
  name: string,
): void => {
  const body = operation.requestBody?.content['application/json']?.schema;
  const listed = operation.parameters?.find(parameter => parameter['name'] === field);
  if (listed !== undefined) Object.assign(listed, { name, in: place });
  if (body?.properties?.[field] === undefined) return;
  delete body.properties[field];
  addParameter(operation, name, place);
};

const moveToQuery = (operation: Operation, field: string): void => {
  const body = operation.requestBody?.content['application/json']?.schema;
  const schema = body?.properties?.[field];
  if (body?.properties === undefined || schema === undefined) return;
  delete body.properties[field];
  const parameters = operation.parameters ?? [];
  operation.parameters = [...parameters, { name: field, in: 'query', required: false, schema }];
};

/** A body may repeat what the path says, so that what was read can be written back. */
const allowRepeats = (operation: Operation): void => {
  const body = operation.requestBody?.content['application/json']?.schema;
  if (body?.properties === undefined) return;
  for (const { name, in: place, schema } of operation.parameters ?? [])
    if (place === 'path') body.properties[String(name)] = schema;
};

const PARAMETERS: Readonly<Record<string, string>> = {
  environment: 'Needed with a key for all environments ("*").',
  'If-Match': 'Entity tags of which one must be current, or "*".',
  'If-None-Match': 'Entity tags: 304 where one is current.',
  'Last-Event-ID': 'The id of the last event that was received.',
};

const parameter = (name: string, place: 'query' | 'header'): Json => ({
  name,
  in: place,
  required: false,
  description: PARAMETERS[name] ?? '',
  schema: { type: 'string' },
});

const addParameter = (operation: Operation, name: string, place: 'query' | 'header'): void => {
  operation.parameters = [...(operation.parameters ?? []), parameter(name, place)];
};

const header = (description: string): Json => ({ description, schema: { type: 'string' } });

/** The one answer of success, and 304 where there is an entity tag to compare. */
const success = (
  document: OpenAPIObject,
  operation: Operation,
  path: string,
  { status: created, located }: Meta,
): Record<string, Json> => {
  const status = created ?? 200;
  if (status === 204) return { 204: { description: 'Done' } };
  const [stated] = Object.values(operation.responses);
  const schema = successSchema(stated);
  const tagged = schema !== undefined && withoutEtag(document, schema);
  const headers = {
    ...(tagged || path === 'evaluation.evaluateAll' ? { ETag: header('Strong entity tag') } : {}),
    ...(located === undefined ? {} : { Location: header('Where it is') }),
  };
  const conditional = path.endsWith('.get') || path === 'evaluation.evaluateAll';
  return {
    [status]: {
      description: status === 201 ? 'Created' : 'OK',
      headers,
      content: stated?.['content'],
    },
    ...(conditional
      ? { 304: { description: 'Not modified', headers: { ETag: header('Strong entity tag') } } }
      : {}),
  };
};

const successSchema = (response: Json | undefined): Schema | undefined => {
  const content = response?.['content'] as Record<string, { schema: Schema }> | undefined;
  return content?.['application/json']?.schema;
};

/** Takes `etag`, which REST answers as a header, out of a body. Answers whether it was there. */
const withoutEtag = (document: OpenAPIObject, schema: Schema): boolean => {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) {
    return alternatives.map(member => withoutEtag(document, member)).includes(true);
  }
  const target = resolve(document, schema);
  if (target.required !== undefined)
    target.required = target.required.filter(name => name !== 'etag');
  if (target.properties !== undefined) delete target.properties['etag'];
  return TAGGED.test(schema.$ref ?? '');
};

const TAGGED = /(Flag|Segment)Answer/;

const resolve = (document: OpenAPIObject, schema: Schema): Schema => {
  if (schema.$ref === undefined) return schema;
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  return schemas[schema.$ref.split('/').at(-1) ?? ''] ?? schema;
};

const ERROR_TEXTS = {
  400: 'What was sent is not valid; `details` names each field',
  401: 'No key, or one that is unknown or expired',
  403: 'The key may not do this',
  404: 'There is no such thing',
  405: 'A mutation takes POST',
  409: 'It conflicts with what is there',
  412: 'It has changed meanwhile; the ETag header is the current one',
  413: 'The body is too large',
  415: 'The body is not JSON',
  429: 'Too many requests',
  500: 'The server failed, or a flag cannot be decided (PARSE_ERROR)',
  503: 'Not now',
} as const;
type ErrorStatus = keyof typeof ERROR_TEXTS;

const errorCodes = (method: string, conditional: boolean, writes: boolean): ErrorStatus[] => [
  400,
  401,
  403,
  404,
  ...(writes && (method === 'POST' || method === 'DELETE') ? ([409] as const) : []),
  ...(conditional ? ([412] as const) : []),
  ...(method === 'GET' ? [] : ([413, 415] as const)),
  429,
  500,
  503,
];

const errorResponses = (codes: readonly ErrorStatus[]): Record<string, Json> =>
  Object.fromEntries(
    codes.map(code => [
      code,
      {
        description: ERROR_TEXTS[code],
        ...(code === 429 || code === 503
          ? { headers: { 'Retry-After': header('Whole seconds') } }
          : {}),
        ...(code === 412 ? { headers: { ETag: header('The current entity tag') } } : {}),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  );

const security = [{ bearer: [] }, { apiKey: [] }];
const eventStream = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'text/event-stream': { schema } },
});
const environmentParameter = parameter('environment', 'query') as never;
const status = z.strictObject({
  status: z.enum(['ok', 'ready', 'degraded', 'draining', 'waiting']),
  degradedSeconds: z.int().optional().describe('How long the store has not been followed.'),
  copyOf: z.iso.datetime().optional().describe('When the copy was made that is served meanwhile.'),
});

/** tRPC describes itself by its types: here is only that it is there, and how it refuses. */
const trpcOperation = (operationId: string, summary: string) => ({
  tags: ['tRPC'],
  operationId,
  summary,
  description:
    'Use a tRPC client with the type `AppRouter`. Errors carry the same error object under `data.error`.',
  security,
  parameters: [
    {
      name: 'path',
      in: 'path',
      required: true,
      schema: { type: 'string' },
      description: 'A procedure such as `flags.list`, or several with commas between',
    },
  ] as never,
  responses: Object.fromEntries(
    [200, 207, ...TRPC_ERRORS].map(code => [
      code,
      {
        description: code < 300 ? 'What the procedures answered' : ERROR_TEXTS[code as ErrorStatus],
        content: { 'application/json': { schema: z.unknown() } },
      },
    ]),
  ),
});
const TRPC_ERRORS: readonly ErrorStatus[] = [
  400, 401, 403, 404, 405, 409, 412, 413, 415, 429, 500, 503,
];

/** Routes that are no procedures. */
const PLAIN_PATHS = {
  '/flag-set': {
    get: {
      tags: ['Delivery'],
      operationId: 'flagSet-get',
      summary: 'The whole flag set of an environment',
      security,
      parameters: [environmentParameter, parameter('If-None-Match', 'header') as never],
      responses: {
        200: {
          description: 'The flag set',
          headers: { ETag: header('Strong entity tag') as never },
          content: { 'application/json': { schema: FlagSet } },
        },
        304: {
          description: 'Not modified',
          headers: { ETag: header('Strong entity tag') as never },
        },
        ...(errorResponses([400, 401, 403, 404, 429, 500, 503]) as object),
      },
    },
  },
  '/flag-set/stream': {
    get: {
      tags: ['Delivery'],
      operationId: 'flagSet-stream',
      summary: 'Follow a flag set as server-sent events',
      security,
      parameters: [environmentParameter, parameter('Last-Event-ID', 'header') as never],
      responses: {
        200: eventStream(
          'Events: `set` (a flag set), `current {revision}`, `change`, `heartbeat {revision}` every 15 s',
          z.union([FlagSet, FlagSetChange, z.strictObject({ revision: z.int() })]),
        ),
        ...(errorResponses([400, 401, 403, 404, 429, 500, 503]) as object),
      },
    },
  },
  '/evaluations/stream': {
    post: {
      tags: ['Delivery'],
      operationId: 'evaluations-stream',
      summary: 'Follow the evaluated values of one context as server-sent events',
      security,
      parameters: [environmentParameter],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: z.strictObject({ context: EvaluationContext }) } },
      },
      responses: {
        200: eventStream(
          'Events: `values {revision, evaluations}` first, then `change {revision, evaluations}` with what changed (null: gone), `heartbeat {revision}` every 15 s',
          z.looseObject({ revision: z.int() }),
        ),
        ...(errorResponses([400, 401, 403, 404, 413, 415, 429, 500, 503]) as object),
      },
    },
  },
  '/healthz': {
    get: {
      tags: ['Operations'],
      operationId: 'healthz',
      summary: 'The process answers',
      security: [],
      responses: {
        200: { description: 'OK', content: { 'application/json': { schema: status } } },
      },
    },
  },
  '/readyz': {
    get: {
      tags: ['Operations'],
      operationId: 'readyz',
      summary: 'The server has its data and takes requests',
      security: [],
      responses: {
        200: {
          description: 'Ready, or degraded: answering from memory',
          content: { 'application/json': { schema: status } },
        },
        503: {
          description: 'Draining, or waiting for the store',
          content: { 'application/json': { schema: status } },
        },
      },
    },
  },
  '/metrics': {
    get: {
      tags: ['Operations'],
      operationId: 'metrics',
      summary: 'Metrics in Prometheus text format',
      security,
      responses: {
        200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } },
        ...(errorResponses([401, 403, 429, 500]) as object),
      },
    },
  },
  '/trpc/{path}': {
    get: trpcOperation('trpc-query', 'Queries and subscriptions over tRPC, alone or as a batch'),
    post: trpcOperation('trpc-mutation', 'Mutations over tRPC, evaluations among them'),
  },
  '/openapi.json': {
    get: {
      tags: ['Operations'],
      operationId: 'openapi',
      summary: 'This document',
      security: [],
      responses: {
        200: {
          description: 'OpenAPI 3.1',
          content: { 'application/json': { schema: z.looseObject({}) } },
        },
      },
    },
  },
  '/docs': {
    get: {
      tags: ['Operations'],
      operationId: 'docs',
      summary: 'A page to read and try this API',
      security: [],
      responses: { 200: { description: 'HTML', content: { 'text/html': { schema: z.string() } } } },
    },
  },
} satisfies ZodOpenApiPathsObject;
