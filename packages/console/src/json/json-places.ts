import { jsonLanguage } from '@codemirror/lang-json';

type Tree = ReturnType<typeof jsonLanguage.parser.parse>;
type Node = Tree['topNode'];

/**
 * Returns the offset of what a problem is about: of the field at its path, or of the nearest field around it. For a
 * problem without a path, it is the place where the text stops being JSON. It is undefined if the problem is about the
 * whole text.
 */
export const placeOf = (text: string, path: string | undefined): number | undefined => {
  const tree = jsonLanguage.parser.parse(text);
  if (path === undefined) return errorIn(tree);
  const root = tree.topNode.firstChild;
  return root === null || path === '' ? undefined : placeIn(root, path, text);
};

const errorIn = (tree: Tree): number | undefined => {
  const cursor = tree.cursor();
  do {
    if (cursor.type.isError) return cursor.from;
  } while (cursor.next());
  return undefined;
};

const placeIn = (node: Node, path: string, text: string): number | undefined => {
  for (const [name, child, place] of childrenOf(node, text)) {
    if (path === name) return place;
    const isInside = path.startsWith(`${name}.`);
    if (isInside) return placeIn(child, path.slice(name.length + 1), text) ?? place;
  }
  return undefined;
};

type Child = readonly [name: string, value: Node, place: number];

/** The fields of an object by name, long ones first as a name may contain dots, or the items of a list by number. */
const childrenOf = (node: Node, text: string): readonly Child[] => {
  if (node.name === 'Array')
    return valuesOf(node).map((item, index) => [String(index), item, item.from]);
  const fields = node.getChildren('Property').map((property): Child => {
    const { from, to } = property.firstChild ?? property;
    return [nameOf(text.slice(from, to)), property.lastChild ?? property, from];
  });
  return fields.toSorted(([a], [b]) => b.length - a.length);
};

const VALUES = new Set(['True', 'False', 'Null', 'Number', 'String', 'Object', 'Array']);

const valuesOf = (list: Node): readonly Node[] => {
  const values: Node[] = [];
  for (let child = list.firstChild; child !== null; child = child.nextSibling)
    if (VALUES.has(child.name)) values.push(child);
  return values;
};

/** A name in a text that is not JSON may have no end. */
const nameOf = (quoted: string): string => {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted;
  }
};
