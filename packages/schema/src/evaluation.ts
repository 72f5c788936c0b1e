import { z } from 'zod';

import { JsonObjectSchema, Scalar, Value } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Name, text } from './text.ts';

/**
 * Attributes of the subject: `targetingKey` and any others. Parsing returns the same object. If an
 * attribute has a value that no rule can use, such as null, the engine treats it as missing.
 */
export const EvaluationContext = JsonObjectSchema.meta({
  id: 'EvaluationContext',
  type: 'object',
  properties: { targetingKey: { description: 'Identifies the subject. Usually a string.' } },
  additionalProperties: true,
});
export type EvaluationContext = z.infer<typeof EvaluationContext>;

/** A flag key in a request. Accepts any text, because an unknown key returns FLAG_NOT_FOUND. */
export const RequestedFlagKey = text(0, LIMITS.requestedKeyLength);

/** Why a flag could not be evaluated: error codes of OpenFeature. */
export const ErrorCode = z.enum([
  'FLAG_NOT_FOUND',
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
]);
export type ErrorCode = z.infer<typeof ErrorCode>;

const Metadata = z.record(Name, Scalar).meta({ id: 'EvaluationMetadata' });

/** An engine does not know it: the server adds it for telemetry. */
const Version = z.int().optional().describe('The version of the flag, in responses of the server.');

/** A variant is served. */
export const Served = strictObject({
  flagKey: z.string(),
  enabled: z.boolean(),
  reason: z.enum(['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT']),
  variant: Name,
  value: Value,
  ruleId: Name.optional(),
  metadata: Metadata.optional(),
  version: Version,
}).meta({ id: 'ServedEvaluation' });
export type Served = z.infer<typeof Served>;

/** The result of a disabled flag or a null default variant. The caller's default applies. */
export const NotServed = strictObject({
  flagKey: z.string(),
  enabled: z.literal(false),
  reason: z.enum(['DEFAULT', 'DISABLED']),
  metadata: Metadata.optional(),
  version: Version,
}).meta({ id: 'NotServedEvaluation' });
export type NotServed = z.infer<typeof NotServed>;

/** The flag could not be evaluated. The caller's default applies. */
export const Failed = strictObject({
  flagKey: z.string(),
  enabled: z.literal(false),
  reason: z.literal('ERROR'),
  errorCode: ErrorCode,
  errorMessage: z.string(),
}).meta({ id: 'FailedEvaluation' });
export type Failed = z.infer<typeof Failed>;

/** The result of evaluating one flag. */
export const Evaluation = z.union([Served, NotServed, Failed]).meta({ id: 'Evaluation' });
export type Evaluation = z.infer<typeof Evaluation>;

/** The flags that a request is limited to. */
export const FlagKeys = z
  .array(RequestedFlagKey)
  .max(LIMITS.flagKeysPerRequest, `must name at most ${LIMITS.flagKeysPerRequest} flags`);
