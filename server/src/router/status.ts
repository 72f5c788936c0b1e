import { Instant, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { readStatus } from '../status/status.ts';
import { procedure, router } from './procedure.ts';

const Status = strictObject({
  store: z.enum(['available', 'away']),
  problem: z
    .string()
    .optional()
    .describe('What an operator must do about the store. Absent when nothing.'),
  environments: z.array(strictObject({ key: z.string(), revision: z.int().nullable() })),
  servers: z.array(
    strictObject({
      id: z.string(),
      self: z.boolean().describe('Whether this is the server that sent the response.'),
      version: z.string(),
      startedAt: Instant,
      heardSecondsAgo: z.int(),
      degradedSeconds: z.int(),
      streams: z.int(),
      environments: z.array(
        strictObject({ key: z.string(), revision: z.int(), behind: z.int().nullable() }),
      ),
    }),
  ),
}).meta({ id: 'Status' });

export const status = router({
  read: procedure({
    permission: 'metrics.read',
    rest: {
      method: 'GET',
      path: '/status',
      tag: 'Operations',
      summary: 'List the running servers with their version, revisions, lag and streams',
    },
  })
    .input(strictObject({}))
    .output(Status)
    .query(({ ctx }) => readStatus(ctx.services, ctx.caller)),
});
