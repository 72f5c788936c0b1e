import { StoreError } from '../store.ts';

/** What Redis answers, as what it must be. Anything else was not written by us. */
export const textOf = (reply: unknown): string =>
  typeof reply === 'string' ? reply : refuse('text', reply);

export const listOf = (reply: unknown): readonly unknown[] =>
  Array.isArray(reply) ? reply : refuse('a list', reply);

/** null is how Redis says that there is nothing. */
export const orNothing = <Value>(
  reply: unknown,
  read: (reply: unknown) => Value,
): Value | undefined => (reply == null ? undefined : read(reply));

/** A flat list, taken `width` items at a time. */
export const rowsOf = (reply: unknown, width: number): readonly (readonly string[])[] => {
  const flat = listOf(reply).map(textOf);
  return Array.from({ length: flat.length / width }, (_, row) =>
    flat.slice(row * width, (row + 1) * width),
  );
};

const refuse = (wanted: string, reply: unknown): never => {
  throw new StoreError('corrupt', `Redis answered ${typeof reply} where ${wanted} was expected`);
};
