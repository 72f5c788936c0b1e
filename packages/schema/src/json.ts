import { z } from 'zod';

import { LIMITS } from './limits.ts';
import { fits } from './text.ts';

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };
export type JsonObject = { readonly [name: string]: JsonValue };

const wanted = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: it must be ${what}` : `must be ${what}`,
});

const valueSize = fits(LIMITS.valueBytes);

/** Any JSON value. Depth is bounded where the text is parsed, before a schema sees it. */
export const Json: z.ZodType<JsonValue> = z.json();

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A JSON object, kept as it is (own `__proto__` included): never copied key by key. */
export const JsonObjectSchema = z
  .custom<JsonObject>(isJsonObject, wanted('a JSON object'))
  .meta({ type: 'object', additionalProperties: true });

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);

/** What an operator compares with. */
export type Scalar = string | number | boolean;
export const Scalar = z
  .custom<Scalar>(isScalar, wanted('a string, a number or a boolean'))
  .meta({ type: ['string', 'number', 'boolean'] });

/** What one variant serves. The flag's type decides which JSON type it must have. */
export type Value = Scalar | JsonObject;
export const Value = z
  .custom<Value>(
    value => isScalar(value) || isJsonObject(value),
    wanted('a string, a number, a boolean or a JSON object'),
  )
  .meta({ type: ['string', 'number', 'boolean', 'object'] })
  .refine(valueSize.check, valueSize.error);
