import { Key, strictObject } from '@pennon/schema';
import { z } from 'zod';
import type {
  ZodOpenApiOperationObject,
  ZodOpenApiPathsObject,
  ZodOpenApiResponsesObject,
} from 'zod-openapi';

import { ManifestFlag, ManifestFlagChange } from '../manifest/manifest-flag.ts';
import { environment, warnings } from '../router/schemas.ts';
import { MANIFEST_API } from './manifest-errors.ts';
import {
  changeComment,
  errorResponsesWith,
  json,
  security,
  type ErrorStatus,
} from './openapi-responses.ts';

const Manifest = strictObject({ flags: z.array(ManifestFlag) }).meta({ id: 'Manifest' });

const Written = strictObject({ flag: ManifestFlag, updatedAt: z.iso.datetime(), warnings }).meta({
  id: 'ManifestFlagResponse',
});

const Deleted = strictObject({ message: z.string(), archivedAt: z.iso.datetime() }).meta({
  id: 'ManifestFlagDeleted',
});

const Failure = strictObject({
  error: strictObject({
    message: z.string(),
    status: z.int(),
    code: z.string(),
    details: z.array(strictObject({ field: z.string(), message: z.string() })).optional(),
  }),
}).meta({ id: 'ManifestError' });

const ERRORS: readonly ErrorStatus[] = [400, 401, 403, 404, 409, 413, 415, 429, 500, 503];

/** The response to a request that succeeded, and errors. */
const responses = (
  status: 200 | 201,
  schema: z.ZodType,
  errors: readonly ErrorStatus[] = ERRORS,
): ZodOpenApiResponsesObject => ({
  [status]: {
    description: status === 201 ? 'Created' : 'OK',
    headers: {
      'X-Manifest-Capabilities': {
        description: 'What the key may do: `read` or `read,write,delete`',
        schema: { type: 'string' as const },
      },
    },
    content: json(schema),
  },
  ...errorResponsesWith(Failure, errors),
});

const operation = { tags: ['OpenFeature CLI'], security };

const write: Pick<ZodOpenApiOperationObject, 'requestParams'> = {
  requestParams: { query: z.object(environment), header: z.object(changeComment) },
};

const writeOne: Pick<ZodOpenApiOperationObject, 'requestParams'> = {
  requestParams: { ...write.requestParams, path: z.object({ key: Key }) },
};

const body = (schema: z.ZodType) => ({ requestBody: { required: true, content: json(schema) } });

export const MANIFEST_PATHS: ZodOpenApiPathsObject = {
  [MANIFEST_API]: {
    get: {
      ...operation,
      operationId: 'manifest-get',
      summary: 'Read all flags as the OpenFeature CLI reads them',
      requestParams: { query: z.object(environment) },
      responses: responses(200, Manifest, [400, 401, 403, 404, 429, 500, 503]),
    },
  },
  [`${MANIFEST_API}/flags`]: {
    post: {
      ...operation,
      ...write,
      ...body(ManifestFlag),
      operationId: 'manifest-create',
      summary: 'Create a flag that serves its default value',
      responses: responses(201, Written),
    },
  },
  [`${MANIFEST_API}/flags/{key}`]: {
    put: {
      ...operation,
      ...writeOne,
      ...body(ManifestFlagChange),
      operationId: 'manifest-change',
      summary: 'Change the default value and the description of a flag',
      responses: responses(200, Written),
    },
    delete: {
      ...operation,
      ...writeOne,
      operationId: 'manifest-delete',
      summary: 'Delete a flag that no other flag refers to',
      responses: responses(200, Deleted),
    },
  },
};
