/** One position in a document: the object or list that contains it, its name there and its full path. */
export type Position = { readonly parent: object; readonly name: string; readonly path: string[] };

/** Fields with values of any type, so a changed type inside them is valid. */
const UNTYPED = new Set(['variants', 'metadata', 'value', 'codeDefault']);

/** Returns every position in a document, in order. */
export const positionsOf = (parent: object, parentPath: readonly string[] = []): Position[] =>
  Object.entries(parent).flatMap(([name, inner]: [string, unknown]) => {
    const path = [...parentPath, name];
    const position = { parent, name, path };
    return typeof inner === 'object' && inner !== null
      ? [position, ...positionsOf(inner, path)]
      : [position];
  });

/** Returns the positions whose type the schema defines: none inside variants, metadata and operands. */
export const typedPositionsOf = (document: object): Position[] =>
  positionsOf(document).filter(({ path }) => !path.slice(0, -1).some(name => UNTYPED.has(name)));

export const valueAt = ({ parent, name }: Position): unknown => Reflect.get(parent, name);

/** Returns a copy of the document with another value at this position. */
export const replaced = (document: object, { path }: Position, value: unknown): object =>
  changed(document, path, (parent, name) => Reflect.set(parent, name, value));

/** Returns a copy of the document without this position. */
export const removed = (document: object, { path }: Position): object =>
  changed(document, path, (parent, name) => Reflect.deleteProperty(parent, name));

/** Copies only the objects and lists on the path, and shares the rest: most tests change every position. */
const changed = (
  document: object,
  [name = '', ...path]: readonly string[],
  change: (parent: object, name: string) => void,
): object => {
  const copy: object = Array.isArray(document) ? [...document] : { ...document };
  const inner: unknown = Reflect.get(copy, name);
  if (path.length > 0 && typeof inner === 'object' && inner !== null)
    Reflect.set(copy, name, changed(inner, path, change));
  else change(copy, name);
  return copy;
};
