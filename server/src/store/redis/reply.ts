import { StoreError } from '../store.ts';

/** Returns a reply as text. Throws if it has another type, because only foreign data can cause that. */
export const asText = (reply: unknown): string =>
  typeof reply === 'string' ? reply : throwCorrupt('text', reply);

/** Returns a reply of bytes as a string with one character for each. */
export const asByteString = (reply: unknown): string =>
  Buffer.isBuffer(reply) ? reply.toString('latin1') : throwCorrupt('bytes', reply);

export const asList = (reply: unknown): readonly unknown[] =>
  Array.isArray(reply) ? reply : throwCorrupt('a list', reply);

/** Parses a reply that may be null, which is how Redis returns a missing value. */
export const optional = <Value>(
  reply: unknown,
  parse: (reply: unknown) => Value,
): Value | undefined => (reply == null ? undefined : parse(reply));

/** Splits a flat list of texts into rows of `width` items. */
export const asRows = (reply: unknown, width: number): readonly (readonly string[])[] => {
  const flat = asList(reply).map(asText);
  return Array.from({ length: flat.length / width }, (_, row) =>
    flat.slice(row * width, (row + 1) * width),
  );
};

/** Returns the fields of a hash, which the Redis client makes an object, with their values. */
export const asFields = (reply: unknown): readonly (readonly [string, string])[] =>
  typeof reply === 'object' && reply !== null
    ? Object.entries(reply).map(([field, value]) => [field, asText(value)])
    : throwCorrupt('a hash', reply);

const throwCorrupt = (expected: string, reply: unknown): never => {
  throw new StoreError('corrupt', `Redis returned ${typeof reply} instead of ${expected}`);
};
