import { isJsonObject } from '@pennon/schema';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import type { Caller } from '../auth/caller.ts';
import { invalid } from '../errors.ts';
import { parseJson } from '../parse-json.ts';
import type { Services } from '../services.ts';
import { callerInBody, callerOf, isText } from './access.ts';
import { requirePlainUtf8 } from './body.ts';
import { API, onlyEnvironment } from './request.ts';

/** What a provider sends to one route. */
type Report = {
  readonly path: '/usage' | '/events';
  readonly permission: 'usage.write' | 'events.write';
  readonly bodyLimit: number;
  /** Returns the body of the response. */
  readonly receive: (sent: Sent) => object | Promise<object>;
};

type Sent = {
  readonly caller: Caller;
  readonly body: unknown;
  readonly environment: string | undefined;
};

/**
 * Receives what providers send. A page that is closed sends plain text, because a browser would first request
 * permission for JSON, for which there is no time. Its key is then in the body.
 */
export const serveReports = (
  app: FastifyInstance,
  services: Services,
  { path, permission, bodyLimit, receive }: Report,
): void => {
  app.register(async scope => {
    scope.addContentTypeParser<Buffer>(
      'text/plain',
      { parseAs: 'buffer' },
      async (request: FastifyRequest, body: Buffer) => {
        requirePlainUtf8(request);
        return parseJson(body);
      },
    );
    scope.post(
      `${API}${path}`,
      { config: { access: { permission, keyInText: true }, cors: true }, bodyLimit },
      async (request, reply) => {
        const { environment } = onlyEnvironment(request);
        const sent = isText(request)
          ? fromBeacon(services, request, permission)
          : { caller: callerOf(request), body: request.body };
        const result = await receive({ ...sent, environment });
        return reply.code(202).header('cache-control', 'no-store').send(result);
      },
    );
  });
};

/** Returns the caller and the body of a request in plain text, which has the client key beside its fields. */
const fromBeacon = (
  services: Services,
  request: FastifyRequest,
  permission: Report['permission'],
): { readonly caller: Caller; readonly body: unknown } => {
  const { key, ...body } = isJsonObject(request.body) ? request.body : {};
  if (typeof key !== 'string')
    throw invalid(
      [{ path: 'key', message: 'is missing: plain text must have a client key' }],
      'the body',
    );
  return { caller: callerInBody(services, request, { key, permission }), body };
};
