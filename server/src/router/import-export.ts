import {
  describeIssues,
  ErrorDetail,
  Export,
  ExportedEnvironment,
  Key,
  KeyId,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { exportData } from '../import-export/export.ts';
import { IMPORT_BOUNDS } from '../import-export/bounds.ts';
import { EXTRA_DEPTH, type Upload } from '../import-export/check.ts';
import { FlagdFileBody } from '../flagd/import-file.ts';
import { importData } from '../import-export/import.ts';
import { restoreData } from '../recovery/restore.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { Difference, restParams } from './schemas.ts';

const tag = 'Import and export';

const Outcome = z.enum(['create', 'overwrite', 'unchanged', 'refused']);

const ImportReport = strictObject({
  dryRun: z.boolean(),
  environments: z.array(
    strictObject({
      key: Key,
      outcome: Outcome,
      changes: z.array(
        strictObject({
          kind: z.enum(['flag', 'segment', 'metric', 'experiment', 'layer', 'ramp']),
          key: Key,
          change: z.enum(['add', 'change', 'remove']),
          differences: z.array(Difference),
        }),
      ),
      moreChanges: z
        .int()
        .optional()
        .describe('How many changes are not listed: a report lists 1,000, and 1 MiB of them.'),
      problems: z
        .array(ErrorDetail)
        .optional()
        .describe(
          'Why the environment would be refused even with `overwrite`: what experiments and ramps at work have fixed. At most 20, in a dry run only.',
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

/** The fields of an import, for types and documentation. */
const ImportInput = strictObject({
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
  environment: Key.optional()
    .describe('The environment that receives the flags, if the body is a file of flagd.')
    .register(restParams, { in: 'query' }),
});

const { dryRun, overwrite, environment } = ImportInput.shape;
const Options = z.looseObject({ dryRun, overwrite, environment });

/** Checks only the options. `checkUpload` checks the document, in a thread. */
const Unchecked = z.custom<z.input<typeof ImportInput>>().check(({ value, issues }) => {
  const { error } = Options.safeParse(value);
  const problems = error === undefined ? [] : describeIssues(error);
  for (const { path, message } of problems)
    issues.push({ code: 'custom', path: [path], message, input: value });
});

/** Returns the input of a call in a batch, which tRPC has parsed, as if it were a body of its own. */
const uploadOf = (document: object): Upload => ({
  blocks: [new TextEncoder().encode(JSON.stringify(document))],
  form: 'call',
});

const RestoreReport = strictObject({
  environments: z.array(
    strictObject({
      key: Key,
      outcome: z
        .enum(['restored', 'present', 'missing'])
        .describe('`present` if the store had not lost it, `missing` if no server has a copy.'),
      flags: z.int(),
      segments: z.int(),
    }),
  ),
  keys: z.int().describe('The number of API keys.'),
  lost: z.array(z.string()).describe('What servers have no copies of.'),
}).meta({ id: 'RestoreReport' });

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
    .output(inSlices(Export))
    .query(({ ctx, input }) => exportData(ctx.services, ctx.caller, input.environment)),

  import: procedure({
    permission: 'data.transfer',
    limits: { bodyBytes: IMPORT_BOUNDS.bytes, extraDepth: EXTRA_DEPTH, isUpload: true },
    rest: {
      method: 'POST',
      path: '/import',
      tag,
      input: ImportInput,
      otherBody: FlagdFileBody,
      summary:
        'Import an export, or a file of flagd; each environment is replaced as a whole or not at all',
      description:
        'The body is what `GET /export` returns, or a file of flagd for the environment in the query: an object with `flags` and without `formatVersion`.',
    },
  })
    .input(Unchecked)
    .output(inSlices(ImportReport))
    .mutation(({ ctx, input }) =>
      importData(ctx.services, ctx.caller, ctx.upload ?? uploadOf(input), input),
    ),

  restore: procedure({
    permission: 'data.transfer',
    rest: {
      method: 'POST',
      path: '/restore',
      tag,
      summary: 'Bring back what the shared store has lost, from the copies of all running servers',
    },
  })
    .input(
      strictObject({
        overwrite: z
          .boolean()
          .optional()
          .describe('Remove another installation that was begun on the store after the loss.')
          .register(restParams, { in: 'query' }),
      }),
    )
    .output(RestoreReport)
    .mutation(({ ctx, input }) => restoreData(ctx.services, ctx.caller, input)),
});
