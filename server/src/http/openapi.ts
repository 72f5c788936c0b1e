import { ErrorBody } from '@pennon/schema';
import { z } from 'zod';
import type { oas31, ZodOpenApiOperationObject, ZodOpenApiPathsObject } from 'zod-openapi';
import { createDocument } from 'zod-openapi';

import type { ErrorStatus } from './openapi-responses.ts';
import { errorResponses, etag, location, notModified } from './openapi-responses.ts';
import { ifNoneMatch, OTHER_PATHS, security } from './openapi-paths.ts';
import { API } from './request.ts';
import type { RestRoute } from './rest-route.ts';
import { restRoutes } from './rest-route.ts';

/** OpenAPI 3.1 of every route. */
export const openApiDocument = (): oas31.OpenAPIObject =>
  createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Pennon',
      description:
        'Feature flags with targeting, percentage rollouts and live updates. Send an API key in `Authorization: Bearer` or `X-API-Key`.',
      version: '1',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: { ...restPaths(), ...OTHER_PATHS },
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
      schemas: { Error: ErrorBody },
    },
  });

const restPaths = (): ZodOpenApiPathsObject => {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of restRoutes()) {
    const path = API + route.path;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return paths;
};

const operationOf = (route: RestRoute): ZodOpenApiOperationObject => ({
  operationId: route.procedure.replace('.', '-'),
  summary: route.summary,
  tags: [route.tag],
  security,
  requestParams: {
    path: z.object(route.params),
    query: z.object(route.query),
    header: z.object(headersOf(route)),
  },
  ...requestBodyOf(route),
  responses: { ...successOf(route), ...errorResponses(...errorsOf(route)) },
});

const headersOf = ({ headers, conditional }: RestRoute): Record<string, z.ZodType> => ({
  ...Object.fromEntries(headers.map(({ name, schema }) => [name, schema])),
  ...(conditional ? ifNoneMatch : {}),
});

/** A body may repeat the path parameters, so what was read can be written back. */
const requestBodyOf = ({
  body,
  params,
}: RestRoute): Pick<ZodOpenApiOperationObject, 'requestBody'> => {
  if (body === undefined) return {};
  const repeated = Object.entries(params).map(([name, schema]) => [name, schema.optional()]);
  const schema = z.strictObject({ ...body, ...Object.fromEntries(repeated) });
  return { requestBody: { required: true, content: { 'application/json': { schema } } } };
};

const successOf = ({ success, conditional }: RestRoute): ZodOpenApiOperationObject['responses'] => {
  const { status, body, hasEtag, locationField } = success;
  if (body === undefined) return { [status]: { description: 'Done' } };
  return {
    [status]: {
      description: status === 201 ? 'Created' : 'OK',
      headers: { ...(hasEtag ? etag : {}), ...(locationField === undefined ? {} : location) },
      content: { 'application/json': { schema: body } },
    },
    ...(conditional ? notModified : {}),
  };
};

const errorsOf = ({ method, headers }: RestRoute): ErrorStatus[] => [
  400,
  401,
  403,
  404,
  ...(method === 'POST' || method === 'DELETE' ? ([409] as const) : []),
  ...(headers.some(({ name }) => name === 'If-Match') ? ([412] as const) : []),
  ...(method === 'GET' ? [] : ([413, 415] as const)),
  429,
  500,
  503,
];
