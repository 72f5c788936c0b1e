import { z } from 'zod';
import type { ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi';

import { CHANGE_COMMENT } from './access.ts';
import { SOURCE_AGE } from './source-age.ts';

const ERRORS = {
  400: 'Invalid request; `details` names each invalid field',
  401: 'The API key is missing, unknown, revoked or expired',
  403: 'The API key does not allow this',
  404: 'Not found',
  405: 'Use POST for mutations',
  409: 'Conflict with the current state',
  410: 'What was requested has been removed',
  412: 'The resource has changed; the ETag header has its current entity tag',
  413: 'The body is too large',
  415: 'The body is not JSON',
  429: 'Too many requests; retry later',
  500: 'Internal error, or a flag that cannot be evaluated (PARSE_ERROR)',
  503: 'Service unavailable; retry later',
} as const;

export type ErrorStatus = keyof typeof ERRORS;

export const errorDescription = (status: ErrorStatus): string => ERRORS[status];

export const security = [{ bearer: [] }, { apiKey: [] }];

export const ifNoneMatch = {
  'If-None-Match': z
    .string()
    .optional()
    .describe('Entity tags. The response is 304 if one of them is current.'),
};

export const changeComment = {
  [CHANGE_COMMENT]: z
    .string()
    .max(500)
    .optional()
    .describe('Why the change is made, for the audit log. At most 500 characters, in UTF-8.'),
};

export const json = (schema: z.ZodType) => ({ 'application/json': { schema } });

export const lastEventId = {
  'Last-Event-ID': z.string().optional().describe('The id of the last event received.'),
};

const header = (description: string) => ({ description, schema: { type: 'string' as const } });

export const etag = { ETag: header('Strong entity tag') };
export const sourceAge = {
  [SOURCE_AGE]: header(
    'How many milliseconds ago the data of this server were last known to be current in its store',
  ),
};
export const location = { Location: header('URL of the created resource') };
const retryAfter = { 'Retry-After': header('Whole seconds') };

/** Headers of the error responses that have any. */
const HEADERS: { readonly [Status in ErrorStatus]?: ZodOpenApiResponseObject['headers'] } = {
  412: { ETag: header('The current entity tag') },
  429: retryAfter,
  503: retryAfter,
};

/** Error responses, all of one shape. */
export const errorResponses = (
  ...statuses: readonly ErrorStatus[]
): Record<string, ZodOpenApiResponseObject> => errorResponsesWith(ERROR, statuses);

const ERROR = { $ref: '#/components/schemas/Error' } as const;

/** Error responses with another body. */
export const errorResponsesWith = (
  schema: z.ZodType | typeof ERROR,
  statuses: readonly ErrorStatus[],
): Record<string, ZodOpenApiResponseObject> =>
  Object.fromEntries(
    statuses.map(status => {
      const headers = HEADERS[status];
      return [
        status,
        {
          description: ERRORS[status],
          ...(headers === undefined ? {} : { headers }),
          content: { 'application/json': { schema } },
        },
      ];
    }),
  );

export const notModified: ZodOpenApiResponsesObject = {
  304: { description: 'Not modified', headers: etag },
};
export const notModifiedData: ZodOpenApiResponsesObject = {
  304: { description: 'Not modified', headers: { ...etag, ...sourceAge } },
};
