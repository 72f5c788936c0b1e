import { Export, ExportedEnvironment, Json, Key, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { exportData } from '../import-export/export.ts';
import { importData } from '../import-export/import.ts';
import { procedure, router } from './procedure.ts';

const tags = ['Moving house'];
const LARGEST_IMPORT = 64 * 1_048_576;
/** How much deeper a flag stands in the document than in a request of its own. */
const LEVELS_ABOVE = 4;

const Outcome = z.enum(['create', 'overwrite', 'unchanged', 'refused']);

const ImportReport = strictObject({
  dryRun: z.boolean(),
  environments: z.array(
    strictObject({
      key: Key,
      outcome: Outcome,
      changes: z.array(
        strictObject({
          kind: z.enum(['flag', 'segment']),
          key: Key,
          change: z.enum(['add', 'change', 'remove']),
          differences: z.array(strictObject({ path: z.string(), before: Json, after: Json })),
        }),
      ),
    }),
  ),
  keys: z.array(strictObject({ id: z.string(), name: z.string(), outcome: Outcome })),
}).meta({ id: 'ImportReport' });

export const transfer = router({
  export: procedure({
    permission: 'data.transfer',
    openapi: {
      method: 'GET',
      path: '/export',
      tags,
      summary:
        'Everything of one environment; with a key for all environments and without naming one, everything',
    },
  })
    .input(strictObject({ environment: Key.optional().describe('Only this one.') }))
    .output(Export)
    .query(({ ctx, input }) => exportData(ctx.services, ctx.caller, input.environment)),

  import: procedure({
    permission: 'data.transfer',
    environmentInBody: true,
    inQuery: ['dryRun', 'overwrite'],
    bodyBytes: LARGEST_IMPORT,
    levelsAbove: LEVELS_ABOVE,
    openapi: {
      method: 'POST',
      path: '/import',
      tags,
      summary: 'Take over what was exported: all or nothing of each environment',
    },
  })
    .input(
      strictObject({
        formatVersion: Export.shape.formatVersion,
        environments: z.array(ExportedEnvironment),
        keys: Export.shape.keys,
        dryRun: z.boolean().optional().describe('Only say what would be done.'),
        overwrite: z.boolean().optional().describe('Replace what is there and differs.'),
      }),
    )
    .output(ImportReport)
    .mutation(({ ctx, input }) => importData(ctx.services, ctx.caller, input)),
});
