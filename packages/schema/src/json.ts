import { z } from 'zod';

import { LIMITS } from './limits.ts';
import { fits } from './text.ts';

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };
export type JsonObject = { readonly [name: string]: JsonValue };

const valueSize = fits(LIMITS.valueBytes);

/** Any JSON value. Depth is bounded where the text is parsed, before a schema sees it. */
export const Json: z.ZodType<JsonValue> = z.json();

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A JSON object, kept as it is (own `__proto__` included): never copied key by key. */
export const JsonObjectSchema = z
  .custom<JsonObject>(isJsonObject, 'must be a JSON object')
  .meta({ type: 'object', additionalProperties: true });

/** What one variant serves. The flag's type decides which JSON type it must have. */
export const Value = z
  .union([z.string(), z.number(), z.boolean(), JsonObjectSchema], {
    error: 'must be a string, a number, a boolean or a JSON object',
  })
  .refine(valueSize.check, valueSize.error);
export type Value = z.infer<typeof Value>;

export const Scalar = z.union([z.string(), z.number(), z.boolean()], {
  error: 'must be a string, a number or a boolean',
});
export type Scalar = z.infer<typeof Scalar>;
