import { isJsonObject, LIMITS, UsageReport } from '@pennon/schema';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import type { Caller } from '../auth/caller.ts';
import { invalid } from '../errors.ts';
import { parseJson } from '../parse-json.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { acceptReport } from '../usage/report.ts';
import { callerInBody, callerOf, isText } from './access.ts';
import { requirePlainUtf8 } from './body.ts';
import { API, onlyEnvironment } from './request.ts';

const PERMISSION = 'usage.write';

/**
 * Receives what providers have counted. A page that is closed sends plain text, because a browser would first request
 * permission for JSON, for which there is no time. Its key is then in the body.
 */
export const serveUsageReports = (app: FastifyInstance, services: Services): void => {
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
      `${API}/usage`,
      {
        config: { access: { permission: PERMISSION, keyInText: true }, cors: true },
        bodyLimit: LIMITS.usageReportBytes,
      },
      async (request, reply) => {
        const { environment } = onlyEnvironment(request);
        const { caller, body } = isText(request)
          ? fromBeacon(services, request, PERMISSION)
          : { caller: callerOf(request), body: request.body };
        const report = parseOrThrow(UsageReport, body ?? {});
        const result = acceptReport(services, caller, { report, environment });
        return reply.code(202).header('cache-control', 'no-store').send(result);
      },
    );
  });
};

/** Returns the caller and the body of a request in plain text, which has the client key beside its fields. */
export const fromBeacon = (
  services: Services,
  request: FastifyRequest,
  permission: 'usage.write' | 'events.write',
): { readonly caller: Caller; readonly body: unknown } => {
  const { key, ...body } = isJsonObject(request.body) ? request.body : {};
  if (typeof key !== 'string')
    throw invalid(
      [{ path: 'key', message: 'is missing: plain text must have a client key' }],
      'the body',
    );
  return { caller: callerInBody(services, request, { key, permission }), body };
};
