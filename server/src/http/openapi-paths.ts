import { FlagSet, FlagSetChange, Key, Scalar, strictObject, UsageReport } from '@pennon/schema';
import { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiPathsObject } from 'zod-openapi';

import {
  Decision,
  EvaluateAllRequest,
  EvaluateRequest,
  EvaluateAllResponse,
  ValuesStreamRequest,
} from '../router/evaluation.ts';
import { environment } from '../router/schemas.ts';
import type { ErrorStatus } from './openapi-responses.ts';
import {
  errorDescription,
  errorResponses,
  etag,
  ifNoneMatch,
  json,
  lastEventId,
  notModified,
  notModifiedData,
  security,
  sourceAge,
} from './openapi-responses.ts';
import { FLAGD_PATH } from './flag-set.ts';
import { EVENT_LOG_PATHS } from './openapi-event-log.ts';
import { MANIFEST_PATHS } from './openapi-manifest.ts';
import { OFREP_PATHS } from './openapi-ofrep.ts';
import { API } from './request.ts';

type Headers = Readonly<Record<string, z.ZodType>>;

const flagSetOperation = (headers: Headers) => ({
  tags: ['Delivery'],
  security,
  requestParams: { query: z.object(environment), header: z.object(headers) },
});

/** An operation with a JSON body, and the environment in the query. */
const evaluationOperation = (tag: string, body: z.ZodObject, headers: Headers = {}) => ({
  tags: [tag],
  security,
  requestParams: { query: z.object(environment), header: z.object(headers) },
  requestBody: { required: true, content: json(body) },
});

/** The body of a request over REST, which has the environment in the query. `id` names its schema. */
const bodyOf = <Shape extends z.core.$ZodLooseShape>(request: z.ZodObject<Shape>, id: string) => {
  const { environment: _, ...body } = request.shape;
  return strictObject(body).meta({ id });
};

/** The types of flags as source text. */
const typesOperation = (language: string): ZodOpenApiOperationObject => ({
  ...flagSetOperation(ifNoneMatch),
  operationId: `types-${language.toLowerCase()}`,
  summary: `Read the types and default values of all flags, in ${language}`,
  responses: {
    200: {
      description: 'A module, the same for the same flags',
      headers: etag,
      content: { 'text/plain': { schema: z.string() } },
    },
    ...notModified,
    ...errorResponses(400, 401, 403, 404, 429, 500, 503),
  },
});

const publicOperation = { tags: ['Operations'], security: [] };

const Health = strictObject({
  status: z.enum(['ok', 'ready', 'degraded', 'draining', 'waiting']),
  degradedSeconds: z
    .int()
    .optional()
    .describe('How long the server has not received changes from the store.'),
  copyOf: z.iso
    .datetime()
    .optional()
    .describe('When the snapshot was made that is served until the store is available.'),
});

/** What is common to all documents of flagd. */
const FlagdDocument = z
  .looseObject({
    $evaluators: z.record(z.string(), z.unknown()),
    flags: z.record(
      Key,
      z.looseObject({
        state: z.enum(['ENABLED', 'DISABLED']),
        variants: z.record(z.string(), z.unknown()),
        defaultVariant: z.string().nullable(),
      }),
    ),
    metadata: z.record(z.string(), Scalar),
    omitted: z
      .record(Key, z.string())
      .optional()
      .describe('The flags that flagd cannot express, with the reasons.'),
  })
  .meta({ id: 'FlagdDocument' });

const UsageResult = strictObject({
  accepted: z.int().describe('The number of counts that were accepted.'),
  rejected: z.array(
    strictObject({
      index: z.int().describe('The place in `counts`.'),
      code: z.literal('FLAG_NOT_FOUND'),
      message: z.string(),
    }),
  ),
}).meta({ id: 'UsageResult' });

const TRPC_ERRORS: readonly ErrorStatus[] = [
  400, 401, 403, 404, 405, 409, 412, 413, 415, 429, 500, 503,
];

/** Procedures are described by their TypeScript types, so the document has only their URL. */
const trpcOperation = (operationId: string, summary: string): ZodOpenApiOperationObject => ({
  tags: ['tRPC'],
  operationId,
  summary,
  description:
    'Use a tRPC client with the type `AppRouter`. Errors have the same error object under `data.error`.',
  security,
  requestParams: {
    path: z.object({
      path: z.string().describe('A procedure such as `flags.list`, or several separated by commas'),
    }),
  },
  responses: {
    200: { description: 'The outputs of the procedures', content: json(z.unknown()) },
    207: { description: 'The outputs of the procedures', content: json(z.unknown()) },
    ...Object.fromEntries(
      TRPC_ERRORS.map(status => [
        status,
        { description: errorDescription(status), content: json(z.unknown()) },
      ]),
    ),
  },
});

/** Routes that are not procedures, and the evaluation routes, which bypass the router for speed. */
export const OTHER_PATHS: ZodOpenApiPathsObject = {
  [`${API}/evaluate`]: {
    post: {
      ...evaluationOperation('Evaluation', bodyOf(EvaluateRequest, 'EvaluateBody')),
      operationId: 'evaluation-evaluate',
      summary: 'Evaluate one flag for a context',
      responses: {
        200: { description: 'OK', headers: sourceAge, content: json(Decision) },
        ...errorResponses(400, 401, 403, 404, 413, 415, 429, 500, 503),
      },
    },
  },
  [`${API}/evaluations`]: {
    post: {
      ...evaluationOperation(
        'Evaluation',
        bodyOf(EvaluateAllRequest, 'EvaluateAllBody'),
        ifNoneMatch,
      ),
      operationId: 'evaluation-evaluateAll',
      summary: 'Evaluate all flags, or some of them, for a context',
      responses: {
        200: {
          description: 'OK',
          headers: { ...etag, ...sourceAge },
          content: json(EvaluateAllResponse),
        },
        ...notModifiedData,
        ...errorResponses(400, 401, 403, 404, 413, 415, 429, 500, 503),
      },
    },
  },
  [`${API}/flag-set`]: {
    get: {
      ...flagSetOperation(ifNoneMatch),
      operationId: 'flagSet-get',
      summary: 'Read the whole flag set of an environment',
      responses: {
        200: {
          description: 'The flag set',
          headers: { ...etag, ...sourceAge },
          content: json(FlagSet),
        },
        ...notModifiedData,
        ...errorResponses(400, 401, 403, 404, 429, 500, 503),
      },
    },
  },
  [FLAGD_PATH]: {
    get: {
      ...flagSetOperation(ifNoneMatch),
      operationId: 'flagd-get',
      summary: 'Read the flags of an environment as a document of flagd',
      responses: {
        200: {
          description: 'The document, valid by https://flagd.dev/schema/v0/flags.json',
          headers: { ...etag, ...sourceAge },
          content: json(FlagdDocument),
        },
        ...notModifiedData,
        ...errorResponses(400, 401, 403, 404, 429, 500, 503),
      },
    },
  },
  [`${API}/flag-set/stream`]: {
    get: {
      ...flagSetOperation(lastEventId),
      operationId: 'flagSet-stream',
      summary: 'Follow a flag set as server-sent events',
      responses: {
        200: {
          description:
            'Events: `set` (a flag set), `current {revision}`, `change`, `heartbeat {revision, sourceAgeMs}` every 15 s',
          headers: sourceAge,
          content: {
            'text/event-stream': {
              schema: z.union([
                FlagSet,
                FlagSetChange,
                z.strictObject({ revision: z.int(), sourceAgeMs: z.int().optional() }),
              ]),
            },
          },
        },
        ...errorResponses(400, 401, 403, 404, 429, 500, 503),
      },
    },
  },
  [`${API}/evaluations/stream`]: {
    post: {
      ...evaluationOperation('Delivery', bodyOf(ValuesStreamRequest, 'EvaluationStreamBody')),
      operationId: 'evaluations-stream',
      summary: 'Follow the evaluated flags of one context as server-sent events',
      responses: {
        200: {
          description:
            'Events: `values {revision, evaluations}` first, then `change {revision, evaluations}` with only what changed (null: removed), `heartbeat {revision, sourceAgeMs}` every 15 s',
          headers: sourceAge,
          content: { 'text/event-stream': { schema: z.looseObject({ revision: z.int() }) } },
        },
        ...errorResponses(400, 401, 403, 404, 413, 415, 429, 500, 503),
      },
    },
  },
  [`${API}/usage`]: {
    post: {
      tags: ['Usage'],
      security,
      requestParams: { query: z.object(environment) },
      requestBody: {
        required: true,
        content: json(UsageReport),
      },
      operationId: 'usage-report',
      summary: 'Report how often an application has evaluated flags',
      description:
        'A report with the same instance and sequence counts once. At most 2,000 counts and 64 KiB; client keys report flags that are client-visible, and at most 10,000 evaluations in each count. A page that closes can send the same JSON as `text/plain`, with its client key in the field `key` in place of a header.',
      responses: {
        202: { description: 'Accepted, and stored within 10 s', content: json(UsageResult) },
        ...errorResponses(400, 401, 403, 404, 413, 415, 429, 500, 503),
      },
    },
  },
  ...OFREP_PATHS,
  ...EVENT_LOG_PATHS,
  ...MANIFEST_PATHS,
  [`${API}/types.ts`]: { get: typesOperation('TypeScript') },
  [`${API}/types.py`]: { get: typesOperation('Python') },
  '/healthz': {
    get: {
      ...publicOperation,
      operationId: 'healthz',
      summary: 'Whether the process is running',
      responses: { 200: { description: 'OK', content: json(Health) } },
    },
  },
  '/readyz': {
    get: {
      ...publicOperation,
      operationId: 'readyz',
      summary: 'Whether the server has its data and accepts requests',
      responses: {
        200: { description: 'Ready, or degraded: serving from memory', content: json(Health) },
        503: {
          description:
            'Draining, waiting for the store, or without the store for longer than PENNON_READY_MAX_SOURCE_AGE',
          content: json(Health),
        },
      },
    },
  },
  '/metrics': {
    get: {
      tags: ['Operations'],
      operationId: 'metrics',
      summary: 'Metrics in the Prometheus text format',
      security,
      responses: {
        200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } },
        ...errorResponses(401, 403, 429, 500),
      },
    },
  },
  '/trpc/{path}': {
    get: trpcOperation('trpc-query', 'Queries and subscriptions over tRPC, alone or as a batch'),
    post: trpcOperation('trpc-mutation', 'Mutations over tRPC, including evaluations'),
  },
  '/openapi.json': {
    get: {
      ...publicOperation,
      operationId: 'openapi',
      summary: 'This document',
      responses: { 200: { description: 'OpenAPI 3.1', content: json(z.looseObject({})) } },
    },
  },
  '/docs': {
    get: {
      ...publicOperation,
      operationId: 'docs',
      summary: 'A page to read and try this API',
      responses: { 200: { description: 'HTML', content: { 'text/html': { schema: z.string() } } } },
    },
  },
};
