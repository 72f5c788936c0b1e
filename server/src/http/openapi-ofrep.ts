import { EvaluationContext, Scalar, Served, strictObject, Value } from '@pennon/schema';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';

import { environment } from '../router/schemas.ts';
import { OFREP_API } from './ofrep-errors.ts';
import {
  errorResponsesWith,
  etag,
  ifNoneMatch,
  json,
  lastEventId,
  notModifiedData,
  security,
  sourceAge,
  type ErrorStatus,
} from './openapi-responses.ts';

/**
 * The description of OFREP as this server and its clients implement it. That of the protocol accepts no flag with a
 * type, and few reasons and error codes.
 */
const Body = z
  .looseObject({ context: EvaluationContext.optional().describe('Empty if it is absent.') })
  .meta({ id: 'OfrepBody' });

const Evaluation = strictObject({
  key: z.string(),
  reason: z.enum([...Served.shape.reason.options, 'DISABLED']),
  variant: z.string().describe('Empty if the flag serves no variant.'),
  value: Value.optional().describe('Absent if the default value in code applies.'),
  metadata: z.record(z.string(), Scalar),
}).meta({ id: 'OfrepEvaluation' });

const failure = {
  errorCode: z.enum([
    'FLAG_NOT_FOUND',
    'PARSE_ERROR',
    'TARGETING_KEY_MISSING',
    'INVALID_CONTEXT',
    'GENERAL',
  ]),
  errorDetails: z.string(),
};
const FlagFailure = strictObject({ key: z.string(), ...failure }).meta({ id: 'OfrepFlagFailure' });
const Failure = strictObject(failure).meta({ id: 'OfrepFailure' });

const EventStream = strictObject({
  type: z.literal('sse'),
  endpoint: strictObject({
    requestUri: z
      .string()
      .describe('The path and query of the stream. It has a ticket: do not log or store it.'),
  }),
}).meta({ id: 'OfrepEventStream' });

const Evaluations = strictObject({
  flags: z.array(z.union([Evaluation, FlagFailure])),
  eventStreams: z
    .array(EventStream)
    .optional()
    .describe(
      'Absent if the key may not follow values, and while the server has too many streams.',
    ),
}).meta({ id: 'OfrepEvaluations' });

const RefetchEvent = strictObject({
  type: z.literal('refetchEvaluation'),
  etag: z.string(),
}).meta({ id: 'OfrepEvent' });

const operation = {
  tags: ['OFREP'],
  security,
  requestBody: { required: true, content: json(Body) },
};

const flagConfigEtag = {
  flagConfigEtag: z
    .string()
    .optional()
    .describe('The `etag` of an event. The response is at least as new.'),
};

const ERRORS: readonly ErrorStatus[] = [400, 401, 403, 404, 413, 415, 429, 500, 503];

export const OFREP_PATHS: ZodOpenApiPathsObject = {
  [`${OFREP_API}/evaluate/flags/{key}`]: {
    post: {
      ...operation,
      operationId: 'ofrep-evaluate',
      summary: 'Evaluate one flag for an OFREP client',
      requestParams: { path: z.object({ key: z.string() }), query: z.object(environment) },
      responses: {
        200: { description: 'OK', headers: sourceAge, content: json(Evaluation) },
        ...errorResponsesWith(FlagFailure, ERRORS),
      },
    },
  },
  [`${OFREP_API}/evaluate/flags`]: {
    post: {
      ...operation,
      operationId: 'ofrep-evaluateAll',
      summary: 'Evaluate all flags for an OFREP client',
      requestParams: {
        query: z.object({ ...environment, ...flagConfigEtag }),
        header: z.object(ifNoneMatch),
      },
      responses: {
        200: {
          description: 'OK',
          headers: { ...etag, ...sourceAge },
          content: json(Evaluations),
        },
        ...notModifiedData,
        ...errorResponsesWith(Failure, ERRORS),
      },
    },
  },
  [`${OFREP_API}/events`]: {
    get: {
      tags: ['OFREP'],
      operationId: 'ofrep-events',
      summary: 'Follow when to evaluate all flags again, as server-sent events',
      description: 'The URL is in the response with all flags. Its ticket lasts some minutes.',
      security: [],
      requestParams: {
        query: z.object({ ticket: z.string().optional() }),
        header: z.object(lastEventId),
      },
      responses: {
        200: {
          description:
            'Events without a name: at once, unless the client has the current `id`, and after each change of what the key sees',
          headers: sourceAge,
          content: { 'text/event-stream': { schema: RefetchEvent } },
        },
        ...errorResponsesWith(Failure, [400, 401, 403, 404, 429, 500, 503]),
      },
    },
  },
};
