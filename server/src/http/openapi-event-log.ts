import { EraseUnit, EventBatch, strictObject } from '@pennon/schema';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';

import { environment } from '../router/schemas.ts';
import { REJECTION_CODES } from '../events/read-batch.ts';
import { ExportEvents } from './event-log.ts';
import { errorResponses, json, security } from './openapi-responses.ts';
import { API } from './request.ts';

const Accepted = strictObject({ accepted: z.literal(true) }).meta({ id: 'EraseResult' });

const EventsResult = strictObject({
  accepted: z.int().describe('The number of events that were accepted.'),
  rejected: z.array(
    strictObject({
      index: z.int().describe('The place in `events`.'),
      code: z.enum(REJECTION_CODES),
      message: z.string(),
    }),
  ),
}).meta({ id: 'EventsResult' });

const operation = { tags: ['Events'], security };

export const EVENT_LOG_PATHS: ZodOpenApiPathsObject = {
  [`${API}/events`]: {
    post: {
      ...operation,
      operationId: 'events-send',
      summary: 'Send exposures and tracking events',
      description:
        'A batch with the same instance and sequence counts once. At most 500 events and 256 KiB. A page that closes can send the same JSON as `text/plain`, with its client key in the field `key` in place of a header.',
      requestParams: { query: z.object(environment) },
      requestBody: { required: true, content: json(EventBatch) },
      responses: {
        202: {
          description: 'The log has the events that are accepted',
          content: json(EventsResult),
        },
        ...errorResponses(400, 401, 403, 404, 413, 415, 429, 500, 503),
      },
    },
  },
  [`${API}/events/export`]: {
    get: {
      ...operation,
      operationId: 'events-export',
      summary: 'Export the events of experiments as lines of JSON',
      description:
        'One event a line, those of a unit in order, and in the last line the cursor with which the next call continues. About 4 MiB at most.',
      requestParams: { query: z.object({ ...ExportEvents.shape, ...environment }) },
      responses: {
        200: {
          description: 'Events, and `{"cursor": …}` in the last line',
          content: { 'text/x-ndjson': { schema: z.string() } },
        },
        ...errorResponses(400, 401, 403, 404, 410, 429, 500, 503),
      },
    },
  },
  [`${API}/events/erase`]: {
    post: {
      ...operation,
      operationId: 'events-erase',
      summary: 'Remove what is stored of a unit, and its events from exports',
      description: 'Done about 15 s later. Sums that the unit is part of stay as they are.',
      requestParams: { query: z.object(environment) },
      requestBody: { required: true, content: json(EraseUnit) },
      responses: {
        202: { description: 'The log has the request', content: json(Accepted) },
        ...errorResponses(400, 401, 403, 404, 413, 415, 429, 500, 503),
      },
    },
  },
};
