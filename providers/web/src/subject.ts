import type { EvaluationContext } from '@openfeature/web-sdk';
import { isJsonObject } from '@pennon/sync';
import type { JsonObject } from '@pennon/sync';

const withSortedNames = (object: JsonObject): JsonObject => {
  const names = Object.keys(object);
  // Not `toSorted`, which browsers of 2022 lack.
  names.sort();
  return Object.fromEntries(names.map(name => [name, object[name]]));
};

/**
 * Returns JSON in which the names of objects are sorted, so equal values have equal texts, or undefined if the
 * value cannot be serialized.
 */
export const toCanonicalJson = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value, (_, each: unknown) =>
      isJsonObject(each) ? withSortedNames(each) : each,
    );
  } catch {
    return undefined;
  }
};

/**
 * Returns a hash that is equal for two contexts if they are about the same subject: those with the same
 * targeting key, or without one, those that are equal as a whole. Stored values have it in place of the
 * context, which may contain personal data.
 */
export const subjectOf = (context: EvaluationContext): string =>
  hashOf(toCanonicalJson(context.targetingKey || context) ?? '');

/** Returns 64 bits of a text: its hash by FNV-1a, of its code points. */
export const hashOf = (text: string): string => {
  let hash = 0xcbf29ce484222325n;
  for (const letter of text)
    hash = BigInt.asUintN(64, (hash ^ BigInt(letter.codePointAt(0) ?? 0)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
};
