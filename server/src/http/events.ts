import { LIMITS } from '@pennon/schema';
import type { FastifyInstance } from 'fastify';

import { acceptEvents } from '../events/accept.ts';
import type { Services } from '../services.ts';
import { serveReports } from './reports.ts';

/** Receives exposures and tracking events of providers. */
export const serveEvents = (app: FastifyInstance, services: Services): void =>
  serveReports(app, services, {
    path: '/events',
    permission: 'events.write',
    bodyLimit: LIMITS.eventBatchBytes,
    takesBytes: true,
    // A copy, because memory that is shared with other requests cannot be moved to a thread.
    receive: ({ caller, bytes, hasKey, environment }) =>
      acceptEvents(services, caller, { bytes: new Uint8Array(bytes), hasKey, environment }),
  });
