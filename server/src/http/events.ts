import { EventBatch, isJsonObject, LIMITS } from '@pennon/schema';
import type { FastifyInstance } from 'fastify';

import { acceptEvents } from '../events/accept.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { serveReports } from './reports.ts';

/** Receives exposures and tracking events of providers. */
export const serveEvents = (app: FastifyInstance, services: Services): void =>
  serveReports(app, services, {
    path: '/events',
    permission: 'events.write',
    bodyLimit: LIMITS.eventBatchBytes,
    receive({ caller, body, environment }) {
      const batch = parseOrThrow(EventBatch, isJsonObject(body) ? body : {});
      return acceptEvents(services, caller, { batch, environment });
    },
  });
