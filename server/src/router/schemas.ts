import {
  Attribute,
  ErrorDetail,
  Json,
  Key,
  LIMITS,
  OPERATORS,
  Scalar,
  strictObject,
  Warning,
} from '@pennon/schema';
import { z } from 'zod';

/** Input fields that have their own place in a REST request, instead of the default one (see RestMeta). */
export const restParams = z.registry<
  { readonly in: 'query' } | { readonly in: 'header'; readonly name: string }
>();

export const environment = {
  environment: Key.optional()
    .describe('Required with a key for all environments ("*").')
    .register(restParams, { in: 'query' }),
};

export const ifMatch = {
  ifMatch: z
    .string()
    .max(1_000)
    .optional()
    .describe('Entity tags, one of which must be current, or "*". A header over REST.')
    .register(restParams, { in: 'header', name: 'If-Match' }),
};

export const ifNoneMatch = {
  ifNoneMatch: z
    .string()
    .max(1_000)
    .optional()
    .describe('"*" creates the resource, and fails if it exists. A header over REST.')
    .register(restParams, { in: 'header', name: 'If-None-Match' }),
};

/** Fields of a request that writes a flag. */
export const flagWriteOptions = {
  allowNoEffect: z
    .boolean()
    .optional()
    .describe('Accept rules that serve nothing but the default variant.'),
};

const members = z.array(Scalar).max(LIMITS.listValues).optional();

/** Fields of a request that changes the members of a list. */
export const memberChange = {
  attribute: Attribute,
  operator: z
    .enum([...OPERATORS.list, ...OPERATORS.network])
    .optional()
    .describe('Required if several conditions compare the attribute with a list.'),
  add: members.describe('Members that the list must have.'),
  remove: members.describe('Members that the list must not have.'),
};

/** Refuses a change of members that has neither `add` nor `remove`. */
export const requireMembers = (
  { add, remove }: { readonly add?: unknown; readonly remove?: unknown },
  context: z.core.$RefinementCtx,
): void => {
  if (add !== undefined || remove !== undefined) return;
  const message = 'is missing: send members to "add", to "remove", or both';
  context.addIssue({ code: 'custom', path: ['add'], message });
};

/** Fields of a request that copies a flag. */
export const flagCopyOptions = {
  enabled: z
    .boolean()
    .optional()
    .describe(
      'Whether the copy is enabled. By default a new copy is disabled, and a replaced flag stays as it is.',
    ),
};

export const paging = {
  limit: z
    .int('must be a whole number')
    .min(1, `must be 1 to ${LIMITS.pageSize}`)
    .max(LIMITS.pageSize, `must be 1 to ${LIMITS.pageSize}`)
    .default(50),
  cursor: z.string().max(1_000).optional().describe('The nextCursor of the previous page.'),
};

/** One page of a list, named after its items in the OpenAPI document. */
export const page = <Item extends z.ZodType>(item: Item) =>
  strictObject({ items: z.array(item), nextCursor: z.string().nullable() }).meta({
    id: `${item.meta()?.id}Page`,
  });

export const warnings = z.array(Warning).optional().describe('Accepted, but probably unintended.');

/** The response with a document: its fields, warnings, and the entity tag, which is a header over REST. */
export const documentResponse = <Shape extends z.core.$ZodLooseShape>(
  document: z.ZodObject<Shape>,
) => strictObject({ ...document.shape, etag: z.string(), warnings });

export const copyInput = {
  ...environment,
  key: Key,
  to: Key.describe('The environment to copy into.'),
  overwrite: z.boolean().optional().describe('Replace the document that has this key there.'),
  dryRun: z.boolean().optional().describe('Only return what would change.'),
};

export const Difference = strictObject({ path: z.string(), before: Json, after: Json }).meta({
  id: 'Difference',
});

export const CopyPreview = strictObject({
  dryRun: z.literal(true),
  key: Key,
  environment: z.string(),
  to: z.string(),
  outcome: z.enum(['create', 'overwrite', 'refused', 'unchanged']),
  differences: z.array(Difference),
  problems: z
    .array(ErrorDetail)
    .optional()
    .describe('Why it would be refused even with `overwrite`.'),
  warnings,
}).meta({ id: 'CopyPreview' });

export const Nothing = z.void();
