import { z } from 'zod';

import { LIMITS } from './limits.ts';
import { fits } from './text.ts';

/** Any value that JSON can represent. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };
export type JsonObject = { readonly [name: string]: JsonValue };

/** Whether the value is an object, not null or a list. Does not check the values inside. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether the value is a string, a finite number or a boolean. */
export const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);

/**
 * Whether JSON can represent the value. `JSON.parse` turns `1e999` into Infinity, which JSON
 * cannot represent. Iterative, so deep values do not overflow the stack.
 */
const isJson = (value: unknown): value is JsonValue => {
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next === 'object' && next !== null)
      for (const inner of Object.values(next)) pending.push(inner);
    else if (next !== null && !isScalar(next)) return false;
  }
  return true;
};

const expected = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: it must be ${what}` : `must be ${what}`,
});

/** Any JSON value, returned unchanged. Depth is limited earlier, when the request body is parsed. */
export const Json = z
  .custom<JsonValue>(isJson, expected('a JSON value without infinite numbers'))
  .meta({ description: 'Any JSON value.' });

/** A JSON object, returned unchanged. A copy key by key would lose an own `__proto__`. */
export const JsonObjectSchema = z
  .custom<JsonObject>(isJsonObject, expected('a JSON object'))
  .meta({ type: 'object', additionalProperties: true });

/** A string, a finite number or a boolean: the operand of most operators. */
export type Scalar = string | number | boolean;
const scalarError = expected('a string, a number or a boolean').error;

/** A schema for scalars. `explain` returns a better message for a value that is not a scalar, if any. */
export const scalar = (explain: (value: unknown) => string | undefined = () => undefined) =>
  z
    .custom<Scalar>(isScalar, { error: issue => explain(issue.input) ?? scalarError(issue) })
    .meta({ type: ['string', 'number', 'boolean'] });

export const Scalar = scalar();

const isValue = (value: unknown): value is Value =>
  isScalar(value) || (isJsonObject(value) && isJson(value));

/** The value of a variant; at most 64 KiB. Its JSON type must be the type of the flag. */
export type Value = Scalar | JsonObject;
export const Value = z
  .custom<Value>(
    isValue,
    expected('a string, a number, a boolean or a JSON object, without infinite numbers'),
  )
  .meta({ type: ['string', 'number', 'boolean', 'object'] })
  .refine(...fits(LIMITS.valueBytes));
