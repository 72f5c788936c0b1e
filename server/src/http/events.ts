import { EventBatch, isJsonObject, LIMITS } from '@pennon/schema';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { acceptEvents } from '../events/accept.ts';
import { parseJson } from '../parse-json.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { callerOf, isText } from './access.ts';
import { requirePlainUtf8 } from './body.ts';
import { API, onlyEnvironment } from './request.ts';
import { fromBeacon } from './usage.ts';

const PERMISSION = 'events.write';

/** Receives exposures and tracking events of providers. A page that is closed sends plain text, as for usage. */
export const serveEvents = (app: FastifyInstance, services: Services): void => {
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
      `${API}/events`,
      {
        config: { access: { permission: PERMISSION, keyInText: true }, cors: true },
        bodyLimit: LIMITS.eventBatchBytes,
      },
      async (request, reply) => {
        const { environment } = onlyEnvironment(request);
        const { caller, body } = isText(request)
          ? fromBeacon(services, request, PERMISSION)
          : { caller: callerOf(request), body: request.body };
        const batch = parseOrThrow(EventBatch, isJsonObject(body) ? body : {});
        const result = await acceptEvents(services, caller, { batch, environment });
        return reply.code(202).header('cache-control', 'no-store').send(result);
      },
    );
  });
};
