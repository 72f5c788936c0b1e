import { EraseUnit } from '@pennon/schema';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

import { environmentOf } from '../auth/caller.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { sendShared } from './compression.ts';
import { API, onlyEnvironment } from './request.ts';

const ACCESS = { config: { access: { permission: 'events.read' } } } as const;

const limitMessage = 'must be a whole number from 1 to 1000';

/** The query of an export. */
export const ExportEvents = z.strictObject({
  environment: z.string().optional(),
  after: z.string().max(1_000).optional().describe('The cursor of an earlier export.'),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, limitMessage)
    .transform(Number)
    .pipe(z.number().min(1, limitMessage).max(1_000, limitMessage))
    .default(100)
    .describe('How many batches of each partition to read, at most.'),
});

/** Serves the log of events, and removes units from it. */
export const serveEventLog = (app: FastifyInstance, services: Services): void => {
  app.get(`${API}/events/export`, ACCESS, async (request, reply) => {
    const { environment, after, limit } = parseOrThrow(ExportEvents, request.query);
    const exported = environmentOf(callerOf(request), environment);
    const lines = await services.events.exportLog(exported, { after, limit });
    reply.header('cache-control', 'no-store').type('text/x-ndjson; charset=utf-8');
    return sendShared(request, reply, [Buffer.from(lines)]);
  });

  app.post(`${API}/events/erase`, ACCESS, async (request, reply) => {
    const { environment } = onlyEnvironment(request);
    const input = parseOrThrow(EraseUnit, request.body ?? {});
    await services.events.erase(environmentOf(callerOf(request), environment), input);
    return reply.code(202).header('cache-control', 'no-store').send({ accepted: true });
  });
};
