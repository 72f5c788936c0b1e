import { Export, ExportedEnvironment, Key, KeyId, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { exportData } from '../import-export/export.ts';
import { importData } from '../import-export/import.ts';
import { procedure, router } from './procedure.ts';
import { Difference, restParams } from './schemas.ts';

const tag = 'Import and export';
const MAX_IMPORT_BYTES = 64 * 1_048_576;

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
          differences: z.array(Difference),
        }),
      ),
    }),
  ),
  keys: z.array(
    strictObject({
      id: KeyId,
      name: z.string(),
      outcome: Outcome,
      conflict: z
        .string()
        .optional()
        .describe('Why the key cannot be imported, even with `overwrite`.'),
    }),
  ),
}).meta({ id: 'ImportReport' });

export const transfer = router({
  export: procedure({
    permission: 'data.transfer',
    rest: {
      method: 'GET',
      path: '/export',
      tag,
      summary: 'Export one environment, or everything with a key for all environments',
    },
  })
    .input(strictObject({ environment: Key.optional().describe('Export only this environment.') }))
    .output(Export)
    .query(({ ctx, input }) => exportData(ctx.services, ctx.caller, input.environment)),

  import: procedure({
    permission: 'data.transfer',
    // A flag is four levels deeper here than in a request of its own.
    limits: { bodyBytes: MAX_IMPORT_BYTES, extraDepth: 4 },
    rest: {
      method: 'POST',
      path: '/import',
      tag,
      summary: 'Import an export; each environment is replaced as a whole or not at all',
    },
  })
    .input(
      strictObject({
        formatVersion: Export.shape.formatVersion,
        environments: z.array(ExportedEnvironment),
        keys: Export.shape.keys,
        dryRun: z
          .boolean()
          .optional()
          .describe('Only return what would change.')
          .register(restParams, { in: 'query' }),
        overwrite: z
          .boolean()
          .optional()
          .describe('Replace environments and keys that exist and differ.')
          .register(restParams, { in: 'query' }),
      }),
    )
    .output(ImportReport)
    .mutation(({ ctx, input }) => importData(ctx.services, ctx.caller, input)),
});
