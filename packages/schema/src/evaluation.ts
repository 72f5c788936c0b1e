import { z } from 'zod';

import { JsonObjectSchema, Scalar, Value } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Name, text } from './text.ts';

/**
 * Facts about the subject: `targetingKey` and any other attribute. Kept as it is; an attribute that no
 * rule can use, such as null or an infinite number, is missing to the engine and no error.
 */
export const EvaluationContext = JsonObjectSchema.meta({
  id: 'EvaluationContext',
  type: 'object',
  properties: { targetingKey: { description: 'Identifies the subject: usually a string.' } },
  additionalProperties: true,
});
export type EvaluationContext = z.infer<typeof EvaluationContext>;

/** A flag key as a caller asks for it: any text, since an unknown key has an answer of its own. */
export const RequestedFlagKey = text(0, LIMITS.askedKeyLength);

/** Why a flag could not be decided; OpenFeature's words. */
export const ErrorCode = z.enum(['FLAG_NOT_FOUND', 'PARSE_ERROR', 'TARGETING_KEY_MISSING']);
export type ErrorCode = z.infer<typeof ErrorCode>;

const Metadata = z.record(Name, Scalar);

/** A variant was served. */
export const Served = strictObject({
  flagKey: z.string(),
  enabled: z.boolean(),
  reason: z.enum(['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT']),
  variant: Name,
  value: Value,
  ruleId: Name.optional(),
  metadata: Metadata.optional(),
});
export type Served = z.infer<typeof Served>;

/** No variant: the flag is disabled, or its default variant is null. The caller's default applies. */
export const NotServed = strictObject({
  flagKey: z.string(),
  enabled: z.literal(false),
  reason: z.enum(['DEFAULT', 'DISABLED']),
  metadata: Metadata.optional(),
});
export type NotServed = z.infer<typeof NotServed>;

/** The flag could not be decided. The caller's default applies. */
export const Failed = strictObject({
  flagKey: z.string(),
  enabled: z.literal(false),
  reason: z.literal('ERROR'),
  errorCode: ErrorCode,
  errorMessage: z.string(),
});
export type Failed = z.infer<typeof Failed>;

/** The answer for one flag: served, not served or failed. */
export const Evaluation = z.union([Served, NotServed, Failed]).meta({ id: 'Evaluation' });
export type Evaluation = z.infer<typeof Evaluation>;

/** Only these flags of a set. */
export const FlagKeys = z
  .array(RequestedFlagKey)
  .max(LIMITS.flagKeysPerRequest, `must name at most ${LIMITS.flagKeysPerRequest} flags`);
