/** One place in a document: the object or list that holds it, its name there and the names above. */
export type Site = { readonly holder: object; readonly name: string; readonly path: string[] };

/** What people may fill freely, so that a changed type inside is no mistake. */
const OPEN = new Set(['variants', 'metadata', 'value']);

/** Every place in a document, in order. */
export const sitesOf = (holder: object, above: readonly string[] = []): Site[] =>
  Object.entries(holder).flatMap(([name, inner]: [string, unknown]) => {
    const path = [...above, name];
    const site = { holder, name, path };
    return typeof inner === 'object' && inner !== null ? [site, ...sitesOf(inner, path)] : [site];
  });

/** The places whose type the schema fixes: none within variants, metadata and operands. */
export const fixedSitesOf = (document: object): Site[] =>
  sitesOf(document).filter(({ path }) => !path.slice(0, -1).some(name => OPEN.has(name)));

export const valueAt = ({ holder, name }: Site): unknown => Reflect.get(holder, name);

/** A copy of the document in which this place holds something else. */
export const replaced = (document: object, { path }: Site, value: unknown): object =>
  changed(document, path, (holder, name) => Reflect.set(holder, name, value));

/** A copy of the document without this place. */
export const removed = (document: object, { path }: Site): object =>
  changed(document, path, (holder, name) => Reflect.deleteProperty(holder, name));

const changed = (
  document: object,
  path: readonly string[],
  change: (holder: object, name: string) => void,
): object => {
  const copy: object = structuredClone(document);
  let holder = copy;
  for (const name of path.slice(0, -1)) {
    const inner: unknown = Reflect.get(holder, name);
    if (typeof inner === 'object' && inner !== null) holder = inner;
  }
  change(holder, path.at(-1) ?? '');
  return copy;
};
