import type { EvaluationContext } from '@openfeature/web-sdk';
import { isJsonObject } from '@pennon/sync';
import type { JsonObject } from '@pennon/sync';

const withSortedNames = (object: JsonObject): JsonObject => {
  const names = Object.keys(object);
  // Not `toSorted`, which browsers of 2022 lack.
  names.sort();
  return Object.fromEntries(names.map(name => [name, object[name]]));
};

/** Returns JSON in which the names of objects are sorted, so equal values have equal texts. */
export const toCanonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (isJsonObject(each) ? withSortedNames(each) : each));

/**
 * Returns a hash that is equal for two contexts if they are about the same subject: those with the same
 * targeting key, or without one, those that are equal as a whole. Stored values have it in place of the
 * context, which may contain personal data.
 */
export const subjectOf = (context: EvaluationContext): string => {
  try {
    return hashOf(toCanonicalJson(context.targetingKey || context));
  } catch {
    return 'not serializable';
  }
};

/** Returns 64 bits of a text: both halves of the hash that is known as cyrb53. */
export const hashOf = (text: string): string => {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2_654_435_761);
    low = Math.imul(low ^ code, 1_597_334_677);
  }
  high = mix(high, low);
  low = mix(low, high);
  return [high, low].map(half => (half >>> 0).toString(16).padStart(8, '0')).join('');
};

const mix = (half: number, other: number): number =>
  Math.imul(half ^ (half >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909);
