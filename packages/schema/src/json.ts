import { z } from 'zod';

import { LIMITS } from './limits.ts';
import { fits } from './text.ts';

/** What a JSON text can say. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };
export type JsonObject = { readonly [name: string]: JsonValue };

/** Whether it is an object and not null or a list. What stands inside is not looked at. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);

/** Without recursion, so that no depth overflows the stack. `1e999` is no JSON value: it is infinite. */
const isJson = (value: unknown): value is JsonValue => {
  const left: unknown[] = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next === 'object' && next !== null)
      for (const inner of Object.values(next)) left.push(inner);
    else if (next !== null && !isScalar(next)) return false;
  }
  return true;
};

const wanted = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: it must be ${what}` : `must be ${what}`,
});

/** Any JSON value, kept as it is. Depth is bounded where the text is parsed, before a schema sees it. */
export const Json = z
  .custom<JsonValue>(isJson, wanted('a JSON value without infinite numbers'))
  .meta({ description: 'Any JSON value.' });

/** A JSON object, kept as it is (own `__proto__` included): never copied key by key. */
export const JsonObjectSchema = z
  .custom<JsonObject>(isJsonObject, wanted('a JSON object'))
  .meta({ type: 'object', additionalProperties: true });

/** What an operator compares with: a string, a finite number or a boolean. */
export type Scalar = string | number | boolean;
export const Scalar = z
  .custom<Scalar>(isScalar, wanted('a string, a number or a boolean'))
  .meta({ type: ['string', 'number', 'boolean'] });

const isValue = (value: unknown): value is Value =>
  isScalar(value) || (isJsonObject(value) && isJson(value));

/** What one variant serves: at most 64 KiB. The flag's type decides which JSON type it must have. */
export type Value = Scalar | JsonObject;
export const Value = z
  .custom<Value>(
    isValue,
    wanted('a string, a number, a boolean or a JSON object, without infinite numbers'),
  )
  .meta({ type: ['string', 'number', 'boolean', 'object'] })
  .refine(...fits(LIMITS.valueBytes));
