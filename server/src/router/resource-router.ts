import { Key, strictObject } from '@pennon/schema';
import { z } from 'zod';

import type { CopyInput, CopyPreview as Preview } from '../resources/copy.ts';
import type { ListQuery } from '../resources/read.ts';
import { createResourceService } from '../resources/resource-service.ts';
import type { ResourceKey, ResourceName, ResourceType } from '../resources/resource-type.ts';
import type { WriteResult } from '../resources/plan.ts';
import type { Page } from '../page.ts';
import type { Documents } from '../store/store.ts';
import { inSlices } from './output.ts';
import { procedure, router, type Context, type RestMeta } from './procedure.ts';
import {
  copyInput,
  CopyPreview,
  environment,
  ifMatch,
  ifNoneMatch,
  Nothing,
  page,
  paging,
  documentResponse,
} from './schemas.ts';

/** How the routes of a resource are described, and which permissions they require. */
export const RESOURCE_ROUTES = {
  flags: { tag: 'Flags', noun: 'a flag', users: 'flag', permissions: 'flags' },
  segments: { tag: 'Segments', noun: 'a segment', users: 'flag', permissions: 'segments' },
  metrics: {
    tag: 'Experiments',
    noun: 'a metric',
    users: 'experiment or ramp',
    permissions: 'experiments',
  },
  experiments: {
    tag: 'Experiments',
    noun: 'an experiment',
    users: undefined,
    permissions: 'experiments',
  },
  layers: { tag: 'Experiments', noun: 'a layer', users: 'experiment', permissions: 'experiments' },
  ramps: { tag: 'Experiments', noun: 'a ramp', users: undefined, permissions: 'ramps' },
} as const satisfies Record<ResourceName, object>;

/** Derives the inputs and outputs of a resource's procedures from the schemas of its documents. */
export const resourceSchemas = <
  Document extends z.core.$ZodLooseShape,
  Create extends z.core.$ZodLooseShape,
  Patch extends z.core.$ZodLooseShape,
  Filter extends { readonly [Field in keyof Document]?: z.ZodType },
  Write extends z.core.$ZodLooseShape,
  Copy extends z.core.$ZodLooseShape,
>({
  id,
  document,
  create,
  patch,
  filter,
  options,
}: {
  /** Names the response in the OpenAPI document. */
  readonly id: string;
  readonly document: z.ZodObject<Document>;
  readonly create: z.ZodObject<Create>;
  readonly patch: z.ZodObject<Patch>;
  /** Fields that a list can be filtered by; each must equal the given value. */
  readonly filter: Filter;
  /** Fields of requests that are not fields of the document. */
  readonly options: { readonly write: Write; readonly copy: Copy };
}) => {
  const response = documentResponse(document).meta({ id });
  return {
    create: strictObject({ ...environment, ...options.write, ...create.shape }),
    list: strictObject({
      ...environment,
      ...paging,
      search: z.string().max(200).optional().describe('Text in the key, name or description.'),
      tag: z.string().min(1, 'must not be empty').max(200).optional(),
      ...filter,
    }),
    replace: strictObject({
      ...environment,
      ...ifMatch,
      ...ifNoneMatch,
      ...options.write,
      ...create.shape,
    }),
    update: strictObject({ ...environment, ...ifMatch, ...options.write, ...patch.shape }),
    copy: strictObject({ ...copyInput, ...options.copy }),
    response,
    page: page(document),
    copied: z.union([response, CopyPreview]),
  };
};

/** Returns the procedures of a resource type. The schemas must fit what its service takes and returns. */
export const resourceRouter = <
  Name extends ResourceName,
  Create extends z.ZodType<ResourceKey>,
  List extends z.ZodType<ListQuery>,
  Replace extends z.ZodType<ResourceKey>,
  Update extends z.ZodType<ResourceKey>,
  Copy extends z.ZodType<CopyInput>,
  Single,
  Paged,
  Copied,
>(
  type: ResourceType<Name>,
  schemas: {
    readonly create: Create;
    readonly list: List;
    readonly replace: Replace;
    readonly update: Update;
    readonly copy: Copy;
    readonly response: z.ZodType<Single, WriteResult<Documents[Name]>>;
    readonly page: z.ZodType<Paged, Page<Documents[Name]>>;
    readonly copied: z.ZodType<Copied, WriteResult<Documents[Name]> | Preview>;
  },
) => {
  const { collection } = type;
  const { tag, noun, users, permissions } = RESOURCE_ROUTES[collection];
  const collectionPath = `/${collection}` as const;
  const documentPath = `${collectionPath}/{key}` as const;
  // tRPC cannot check a result against a generic schema; the parameter types above replace that check.
  const response = inSlices<unknown, Single>(schemas.response);
  const paged = inSlices<unknown, Paged>(schemas.page);
  const copied = inSlices<unknown, Copied>(schemas.copied);
  const service = ({ services }: Context) => createResourceService(type, services);
  // Callers that may read experiments may read ramps, which are measured in the same way.
  const readPermission =
    permissions === 'ramps' ? 'experiments.read' : (`${permissions}.read` as const);
  const readProcedure = (rest: Omit<RestMeta, 'tag'>) =>
    procedure({ permission: readPermission, rest: { ...rest, tag } });
  const writeProcedure = (rest: Omit<RestMeta, 'tag'>) =>
    procedure({
      permission: `${permissions}.write`,
      readPermission,
      rest: { ...rest, tag },
    });

  return router({
    create: writeProcedure({
      method: 'POST',
      status: 201,
      path: collectionPath,
      summary: `Create ${noun}`,
    })
      .input(schemas.create)
      .output(response)
      .mutation(({ ctx, input }) => service(ctx).create(ctx.caller, input)),

    list: readProcedure({
      method: 'GET',
      path: collectionPath,
      summary: `List ${collection} in the order of their keys`,
    })
      .input(schemas.list)
      .output(paged)
      .query(({ ctx, input }) => service(ctx).list(ctx.caller, input)),

    get: readProcedure({ method: 'GET', path: documentPath, summary: `Read ${noun}` })
      .input(strictObject({ ...environment, key: Key }))
      .output(response)
      .query(({ ctx, input }) => service(ctx).get(ctx.caller, input)),

    replace: writeProcedure({
      method: 'PUT',
      path: documentPath,
      summary: `Replace ${noun}, or create it`,
      createsIfAbsent: true,
    })
      .input(schemas.replace)
      .output(response)
      .mutation(async ({ ctx, input }) => {
        const { document, created } = await service(ctx).replace(ctx.caller, input);
        if (created) ctx.onCreated?.();
        return document;
      }),

    update: writeProcedure({
      method: 'PATCH',
      path: documentPath,
      summary: `Change some fields of ${noun}`,
    })
      .input(schemas.update)
      .output(response)
      .mutation(({ ctx, input }) => service(ctx).update(ctx.caller, input)),

    delete: writeProcedure({
      method: 'DELETE',
      path: documentPath,
      summary: `Delete ${noun}${users === undefined ? '' : ` that no ${users} refers to`}`,
    })
      .input(strictObject({ ...environment, ...ifMatch, key: Key }))
      .output(Nothing)
      .mutation(({ ctx, input }) => service(ctx).delete(ctx.caller, input)),

    copy: writeProcedure({
      method: 'POST',
      path: `${documentPath}/copy`,
      summary: `Copy ${noun} to another environment`,
    })
      .input(schemas.copy)
      .output(copied)
      .mutation(({ ctx, input }) => service(ctx).copy(ctx, input)),
  });
};
