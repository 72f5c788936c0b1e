import { Key, strictObject } from '@pennon/schema';
import { z } from 'zod';

import type { CopyPlan as Plan } from '../resources/copy.ts';
import type { ListQuery } from '../resources/read.ts';
import { createResourceService } from '../resources/resource-service.ts';
import type { ResourceKey, ResourceName, ResourceType } from '../resources/resource-type.ts';
import type { Written } from '../resources/plan.ts';
import type { Page } from '../page.ts';
import type { Documents } from '../store/store.ts';
import { procedure, router, type Context } from './procedure.ts';
import {
  copyInput,
  CopyPlan,
  environment,
  ifMatch,
  Nothing,
  page,
  paging,
  withEtag,
} from './schemas.ts';

/** Derives the inputs and outputs of a resource's procedures from the schemas of its documents. */
export const resourceSchemas = <
  Document extends z.core.$ZodLooseShape,
  Create extends z.core.$ZodLooseShape,
  Patch extends z.core.$ZodLooseShape,
  Filter extends { readonly [Field in keyof Document]?: z.ZodType },
>({
  id,
  document,
  create,
  patch,
  filter,
}: {
  /** Names the response in the OpenAPI document. */
  readonly id: string;
  readonly document: z.ZodObject<Document>;
  readonly create: z.ZodObject<Create>;
  readonly patch: z.ZodObject<Patch>;
  /** Fields that a list can be filtered by; each must equal the given value. */
  readonly filter: Filter;
}) => {
  const response = withEtag(document).meta({ id });
  return {
    create: strictObject({ ...environment, ...create.shape }),
    list: strictObject({
      ...environment,
      ...paging,
      search: z.string().max(200).optional().describe('Text in the key, name or description.'),
      tag: z.string().max(200).optional(),
      ...filter,
    }),
    replace: strictObject({ ...environment, ...ifMatch, ...create.shape }),
    update: strictObject({ ...environment, ...ifMatch, ...patch.shape }),
    response,
    page: page(document),
    copied: z.union([response, CopyPlan]),
  };
};

/** Returns the procedures of a resource type. The schemas must fit what its service takes and returns. */
export const resourceRouter = <
  Name extends ResourceName,
  Create extends z.ZodType<ResourceKey>,
  List extends z.ZodType<ListQuery>,
  Replace extends z.ZodType<ResourceKey>,
  Update extends z.ZodType<ResourceKey>,
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
    readonly response: z.ZodType<Single, Written<Documents[Name]>>;
    readonly page: z.ZodType<Paged, Page<Documents[Name]>>;
    readonly copied: z.ZodType<Copied, Written<Documents[Name]> | Plan>;
  },
) => {
  const { collection, kind } = type;
  const tag = kind === 'flag' ? 'Flags' : 'Segments';
  const all = `/${collection}` as const;
  const one = `${all}/{key}` as const;
  // Generic schemas make tRPC's check of each result impossible; the parameter types above replace it.
  const response: z.ZodType<Single> = schemas.response;
  const paged: z.ZodType<Paged> = schemas.page;
  const copied: z.ZodType<Copied> = schemas.copied;
  const service = ({ services }: Context) => createResourceService(type, services);

  return router({
    create: procedure({
      permission: `${collection}.write`,
      rest: { method: 'POST', status: 201, path: all, tag, summary: `Create a ${kind}` },
    })
      .input(schemas.create)
      .output(response)
      .mutation(({ ctx, input }) => service(ctx).create(ctx.caller, input)),

    list: procedure({
      permission: `${collection}.read`,
      rest: {
        method: 'GET',
        path: all,
        tag,
        summary: `List ${collection} in the order of their keys`,
      },
    })
      .input(schemas.list)
      .output(paged)
      .query(({ ctx, input }) => service(ctx).list(ctx.caller, input)),

    get: procedure({
      permission: `${collection}.read`,
      rest: { method: 'GET', path: one, tag, summary: `Read a ${kind}` },
    })
      .input(strictObject({ ...environment, key: Key }))
      .output(response)
      .query(({ ctx, input }) => service(ctx).get(ctx.caller, input)),

    replace: procedure({
      permission: `${collection}.write`,
      rest: { method: 'PUT', path: one, tag, summary: `Replace a ${kind}` },
    })
      .input(schemas.replace)
      .output(response)
      .mutation(({ ctx, input }) => service(ctx).replace(ctx.caller, input)),

    update: procedure({
      permission: `${collection}.write`,
      rest: { method: 'PATCH', path: one, tag, summary: `Change some fields of a ${kind}` },
    })
      .input(schemas.update)
      .output(response)
      .mutation(({ ctx, input }) => service(ctx).patch(ctx.caller, input)),

    delete: procedure({
      permission: `${collection}.write`,
      rest: {
        method: 'DELETE',
        path: one,
        tag,
        summary: `Delete a ${kind} that no flag refers to`,
      },
    })
      .input(strictObject({ ...environment, ...ifMatch, key: Key }))
      .output(Nothing)
      .mutation(({ ctx, input }) => service(ctx).remove(ctx.caller, input)),

    copy: procedure({
      permission: `${collection}.write`,
      rest: {
        method: 'POST',
        path: `${one}/copy`,
        tag,
        summary: `Copy a ${kind} to another environment`,
      },
    })
      .input(strictObject(copyInput))
      .output(copied)
      .mutation(({ ctx, input }) => service(ctx).copy(ctx.caller, input)),
  });
};
