import { Flag, FlagCreate, FlagPatch, FlagType, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { flagResource } from '../flags/flag.ts';
import { followFlagSet } from '../streaming/follow-flag-set.ts';
import { mergeRouters, procedure, router } from './procedure.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';
import { ruleRouter } from './rule-router.ts';
import { versionRouter, versionSchema } from './version-router.ts';
import { environment, flagCopyOptions, flagWriteOptions } from './schemas.ts';
import { trackFlagSet } from './tracked.ts';

const schemas = resourceSchemas({
  id: 'FlagResponse',
  document: Flag,
  create: FlagCreate,
  patch: FlagPatch,
  options: { write: flagWriteOptions, copy: flagCopyOptions },
  filter: { enabled: z.boolean().optional(), type: FlagType.optional() },
});

const watch = procedure({ permission: 'flags.read' })
  .input(strictObject({ ...environment, lastEventId: z.string().max(200).nullish() }))
  .subscription(async ({ ctx, input, signal }) =>
    trackFlagSet(await followFlagSet(ctx.services, ctx.caller, input, signal)),
  );

const versions = versionRouter(flagResource, {
  response: schemas.response,
  version: versionSchema('FlagVersion', Flag),
});

export const flags = mergeRouters(
  resourceRouter(flagResource, schemas),
  versions,
  ruleRouter(schemas.response),
  router({ watch }),
);
