import { Actor, AuditAction, Instant, Key, strictObject } from '@pennon/schema';
import { z } from 'zod';

import type { ResourceType } from '../resources/resource-type.ts';
import { createVersionService } from '../resources/resource-service.ts';
import type { WriteResult } from '../resources/plan.ts';
import type { VersionSummary } from '../resources/versions.ts';
import type { Documents, VersionedCollection } from '../store/store.ts';
import { inSlices } from './output.ts';
import { RESOURCE_ROUTES } from './resource-router.ts';
import { procedure, router, type Context, type RestMeta } from './procedure.ts';
import { Difference, environment, ifMatch, page, paging } from './schemas.ts';

const Version = z.int('must be a whole number').min(1, 'must be at least 1');

const VersionSummarySchema = strictObject({
  version: Version,
  at: Instant,
  actor: Actor,
  action: AuditAction,
  comment: z.string().optional().describe('The value of X-Change-Comment.'),
  changed: z.array(z.string()).describe('The fields that differ from the version before.'),
}).meta({ id: 'Version' });

const VersionPage = page(VersionSummarySchema);

/** A version with its whole document. `id` names it in the OpenAPI document. */
export const versionSchema = <Document extends z.ZodType>(id: string, document: Document) =>
  strictObject({ ...VersionSummarySchema.shape, document }).meta({ id });

const VersionDifferences = strictObject({
  key: Key,
  environment: z.string(),
  from: Version.nullable().describe('The older version; null if the first one is compared.'),
  to: Version.describe('The newer version.'),
  differences: z.array(Difference),
}).meta({ id: 'VersionDifferences' });

const documentKey = { ...environment, key: Key };
const versionKey = { ...documentKey, version: Version };

/** Returns the procedures for the versions of a resource type. */
export const versionRouter = <Name extends VersionedCollection, Single, SingleVersion>(
  type: ResourceType<Name>,
  schemas: {
    readonly response: z.ZodType<Single, WriteResult<Documents[Name]>>;
    readonly version: z.ZodType<SingleVersion, VersionSummary & { document: Documents[Name] }>;
  },
) => {
  const { collection, kind } = type;
  const { tag } = RESOURCE_ROUTES[collection];
  const documentPath = `/${collection}/{key}` as const;
  const versionPath = `${documentPath}/versions/{version}` as const;
  // tRPC cannot check a result against a generic schema; the parameter types above replace that check.
  const response = inSlices<unknown, Single>(schemas.response);
  const version = inSlices<unknown, SingleVersion>(schemas.version);
  const service = ({ services }: Context) => createVersionService(type, services);
  const readProcedure = (rest: Omit<RestMeta, 'tag' | 'method'>) =>
    procedure({ permission: `${collection}.read`, rest: { ...rest, method: 'GET', tag } });

  return router({
    listVersions: readProcedure({
      path: `${documentPath}/versions`,
      summary: `List the versions of a ${kind}, newest first, even if it was deleted`,
    })
      .input(strictObject({ ...documentKey, ...paging }))
      .output(inSlices(VersionPage))
      .query(({ ctx, input }) => service(ctx).listVersions(ctx.caller, input)),

    getVersion: readProcedure({
      path: versionPath,
      summary: `Get a version of a ${kind}`,
    })
      .input(strictObject(versionKey))
      .output(version)
      .query(({ ctx, input }) => service(ctx).getVersion(ctx.caller, input)),

    compareVersions: readProcedure({
      path: `${versionPath}/diff`,
      summary: `Compare two versions of a ${kind}`,
    })
      .input(
        strictObject({
          ...versionKey,
          with: Version.optional().describe('The other version. The one before, if left out.'),
        }),
      )
      .output(inSlices(VersionDifferences))
      .query(({ ctx, input }) => service(ctx).compareVersions(ctx.caller, input)),

    revert: procedure({
      permission: `${collection}.write`,
      rest: {
        method: 'POST',
        path: `${documentPath}/revert`,
        tag,
        summary: `Bring back a version of a ${kind}, as a new version`,
      },
    })
      .input(strictObject({ ...versionKey, ...ifMatch }))
      .output(response)
      .mutation(({ ctx, input }) => service(ctx).revert(ctx.caller, input)),
  });
};
