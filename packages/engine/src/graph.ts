/** Whether a node is part of a cycle; otherwise the length of the longest chain of edges from it. */
export type GraphPosition = { readonly inCycle: boolean; readonly depth: number };

/** A node: the keys that it leads to, and its depth if it is known already, otherwise 0. */
export type GraphNode = { readonly edges: readonly string[]; readonly depth: number };

/**
 * One node during the search. `order` counts the visits, `lowest` is the lowest order of the open nodes that it
 * leads to (Tarjan's low link), and `next` is the index of the next edge.
 */
type Visit = GraphNode & {
  readonly key: string;
  readonly order: number;
  lowest: number;
  next: number;
};

type Search = {
  readonly nodeOf: (key: string) => GraphNode;
  readonly visits: Map<string, Visit>;
  /** Visited nodes of components that are not complete yet, in the order of the visits. */
  readonly open: Visit[];
  /** The path from the start to the current node. It replaces the call stack, which a long chain could overflow. */
  readonly path: Visit[];
  readonly positions: Map<string, GraphPosition>;
};

const enter = (search: Search, key: string): void => {
  const order = search.visits.size;
  const visit = { ...search.nodeOf(key), key, order, lowest: order, next: 0 };
  search.visits.set(key, visit);
  search.open.push(visit);
  search.path.push(visit);
};

const depthOf = ({ positions }: Search, { edges, depth }: Visit): number =>
  edges.reduce((most, edge) => Math.max(most, 1 + (positions.get(edge)?.depth ?? 0)), depth);

/** Completes a component: `visit` and every node that was visited after it and is still open. */
const closeComponent = (search: Search, visit: Visit): void => {
  const members = search.open.splice(search.open.lastIndexOf(visit));
  const inCycle = members.length > 1 || visit.edges.includes(visit.key);
  const depth = inCycle ? 0 : depthOf(search, visit);
  for (const { key } of members) search.positions.set(key, { inCycle, depth });
};

const leave = (search: Search, visit: Visit): void => {
  search.path.pop();
  const parent = search.path.at(-1);
  if (parent !== undefined) parent.lowest = Math.min(parent.lowest, visit.lowest);
  if (visit.lowest === visit.order) closeComponent(search, visit);
};

const followEdge = (search: Search, visit: Visit, edge: string): void => {
  const known = search.visits.get(edge);
  if (known === undefined) enter(search, edge);
  else if (!search.positions.has(edge)) visit.lowest = Math.min(visit.lowest, known.order);
};

/**
 * Returns the position of every node that can be reached from `start`, by Tarjan's algorithm for strongly
 * connected components. The members of a cycle have depth 0, so a node that leads to a cycle is only one
 * deeper.
 */
export const analyzeGraph = (
  start: string,
  nodeOf: (key: string) => GraphNode,
): ReadonlyMap<string, GraphPosition> => {
  const search: Search = { nodeOf, visits: new Map(), open: [], path: [], positions: new Map() };
  enter(search, start);
  for (let visit = search.path.at(-1); visit !== undefined; visit = search.path.at(-1)) {
    const edge = visit.edges[visit.next];
    visit.next += 1;
    if (edge === undefined) leave(search, visit);
    else followEdge(search, visit, edge);
  }
  return search.positions;
};
