import {
  descriptiveInputs,
  ErrorDetail,
  Flag,
  FlagCreate,
  FlagPatch,
  FlagType,
  Key,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { listAttributes } from '../flags/attributes.ts';
import { deleteFlags } from '../flags/delete-many.ts';
import { flagResource } from '../flags/flag.ts';
import { tagFlags } from '../flags/tag-many.ts';
import { updateFlags } from '../flags/update-many.ts';
import { followFlagSet } from '../streaming/follow-flag-set.ts';
import { inSlices } from './output.ts';
import { overviewRouter } from './overview-router.ts';
import { mergeRouters, procedure, router } from './procedure.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';
import { ruleRouter } from './rule-router.ts';
import { versionRouter, versionSchema } from './version-router.ts';
import {
  environment,
  flagCopyOptions,
  flagWriteOptions,
  requireMembers,
  warnings,
} from './schemas.ts';
import { trackFlagSet } from './tracked.ts';

const schemas = resourceSchemas({
  id: 'FlagResponse',
  document: Flag,
  create: FlagCreate,
  patch: FlagPatch,
  options: { write: flagWriteOptions, copy: flagCopyOptions },
  filter: { enabled: z.boolean().optional(), type: FlagType.optional() },
});

/** How many flags one request may change. */
const MAX_UPDATED_FLAGS = 100;
const numberOfKeys = `must be 1 to ${MAX_UPDATED_FLAGS} flag keys`;

const { key: _, ...patchFields } = FlagPatch.shape;

/** Fields of a request that changes several flags together. */
const selection = {
  ...environment,
  keys: z.array(Key).min(1, numberOfKeys).max(MAX_UPDATED_FLAGS, numberOfKeys),
  ifMatch: z
    .record(Key, z.string().max(1_000))
    .optional()
    .describe('Entity tags by flag key; those of a flag must include its current one.'),
};
const etags = z.record(Key, z.string()).describe('The entity tag of each flag, by its key.');
const dryRun = z.boolean().optional().describe('Only return what would change.');
const problems = z.array(ErrorDetail).optional().describe('Why it would be refused.');

const updateMany = procedure({
  permission: 'flags.write',
  rest: {
    method: 'PATCH',
    path: '/flags',
    tag: 'Flags',
    summary: 'Change the same fields of several flags, all of them or none',
  },
})
  .input(
    strictObject({
      ...selection,
      ...flagWriteOptions,
      patch: strictObject(patchFields).meta({ id: 'FlagsPatch' }),
    }),
  )
  .output(
    inSlices(
      strictObject({
        items: z.array(Flag),
        etags,
        changed: z.array(Key).describe('Keys of the flags that are different now.'),
        warnings,
      }).meta({ id: 'FlagsResponse' }),
    ),
  )
  .mutation(({ ctx: { services, caller }, input }) =>
    updateFlags({ ...services, type: flagResource }, caller, input),
  );

const tags = descriptiveInputs.tags.unwrap().unwrap();

const tagMany = procedure({
  permission: 'flags.write',
  rest: {
    method: 'POST',
    path: '/flags/tags',
    tag: 'Flags',
    summary: 'Add tags to several flags, or remove them, in all of them or none',
  },
})
  .input(
    strictObject({
      ...selection,
      add: tags.optional().describe('Tags that the flags must have.'),
      remove: tags.optional().describe('Tags that the flags must not have.'),
      dryRun,
    }).superRefine(requireMembers),
  )
  .output(
    inSlices(
      strictObject({
        dryRun: z.boolean(),
        items: z.array(
          strictObject({
            key: Key,
            before: z.array(z.string()),
            after: z.array(z.string()),
          }).meta({ id: 'TaggedFlag' }),
        ),
        changed: z.array(Key).describe('Keys of the flags whose tags change.'),
        etags,
        problems,
      }).meta({ id: 'TaggedFlags' }),
    ),
  )
  .mutation(({ ctx: { services, caller }, input }) =>
    tagFlags({ ...services, type: flagResource }, caller, input),
  );

const deleteMany = procedure({
  permission: 'flags.write',
  rest: {
    method: 'POST',
    path: '/flags/delete',
    tag: 'Flags',
    summary: 'Delete several flags, all of them or none',
  },
})
  .input(strictObject({ ...selection, dryRun }))
  .output(
    inSlices(
      strictObject({ dryRun: z.boolean(), keys: z.array(Key), etags, problems }).meta({
        id: 'DeletedFlags',
      }),
    ),
  )
  .mutation(({ ctx: { services, caller }, input }) =>
    deleteFlags({ ...services, type: flagResource }, caller, input),
  );

const attributes = procedure({
  permission: 'flags.read',
  rest: {
    method: 'GET',
    path: '/attributes',
    tag: 'Flags',
    summary: 'List the attributes that conditions compare, the most frequent ones first',
  },
})
  .input(strictObject(environment))
  .output(
    inSlices(
      strictObject({
        items: z.array(
          strictObject({
            name: z.string(),
            types: z.array(z.enum(['string', 'number', 'boolean'])),
            conditions: z.int().describe('How many conditions compare it.'),
          }).meta({ id: 'UsedAttribute' }),
        ),
      }).meta({ id: 'UsedAttributes' }),
    ),
  )
  .query(({ ctx, input }) => listAttributes(ctx.services, ctx.caller, input));

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
  overviewRouter,
  router({ updateMany, tagMany, deleteMany, attributes, watch }),
);
