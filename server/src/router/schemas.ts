import { ErrorDetail, Json, Key, LIMITS, strictObject } from '@pennon/schema';
import { z } from 'zod';

/** Input fields and answers that several procedures share. */
export const environment = {
  environment: Key.optional().describe('Needed with a key for all environments ("*").'),
};

export const ifMatch = {
  ifMatch: z
    .string()
    .max(1_000)
    .optional()
    .describe('Entity tags of which one must be current, or "*"; over REST the If-Match header.'),
};

export const paging = {
  limit: z
    .int('must be a whole number')
    .min(1, `must be 1 to ${LIMITS.pageSize}`)
    .max(LIMITS.pageSize, `must be 1 to ${LIMITS.pageSize}`)
    .default(50),
  cursor: z.string().max(1_000).optional().describe('The nextCursor of the answer before.'),
};

export const page = <Item extends z.ZodType>(item: Item) =>
  strictObject({ items: z.array(item), nextCursor: z.string().nullable() });

const warnings = z.array(ErrorDetail).optional().describe('What is allowed but hardly meant.');

/** A document with its entity tag; over REST the tag is the ETag header. */
export const withEtag = <Shape extends z.core.$ZodLooseShape>(document: z.ZodObject<Shape>) =>
  strictObject({ ...document.shape, etag: z.string(), warnings });

export const copyInput = {
  ...environment,
  key: Key,
  to: Key.describe('The environment to copy into.'),
  overwrite: z.boolean().optional().describe('Replace what has this key there.'),
  dryRun: z.boolean().optional().describe('Only say what would change.'),
};

export const CopyPlan = strictObject({
  dryRun: z.literal(true),
  key: Key,
  environment: z.string(),
  to: z.string(),
  outcome: z.enum(['create', 'overwrite', 'refused', 'unchanged']),
  differences: z.array(strictObject({ path: z.string(), before: Json, after: Json })),
  problems: z.array(ErrorDetail).optional().describe('Why it would be refused in any case.'),
  warnings,
}).meta({ id: 'CopyPlan' });

export const Nothing = z.void();
