/** How a node of a graph stands: within a cycle, or with the longest chain of edges below it. */
export type GraphPosition = { readonly inCycle: boolean; readonly depth: number };

/** A node: what it leads to, and a depth that is known of it already. */
export type Node = { readonly edges: readonly string[]; readonly depth: number };

type Visit = Node & { readonly key: string; readonly order: number; lowest: number; next: number };

type Walk = {
  readonly nodeOf: (key: string) => Node;
  readonly visits: Map<string, Visit>;
  /** Visited, and not yet known to stand in a cycle or not. */
  readonly open: Visit[];
  /** The way from the start to here, in place of a call stack that a long chain would overflow. */
  readonly way: Visit[];
  readonly analyzeGraph: Map<string, GraphPosition>;
};

const enter = (walk: Walk, key: string): void => {
  const order = walk.visits.size;
  const visit = { ...walk.nodeOf(key), key, order, lowest: order, next: 0 };
  walk.visits.set(key, visit);
  walk.open.push(visit);
  walk.way.push(visit);
};

const depthOf = (walk: Walk, { edges, depth }: Visit): number =>
  edges.reduce(
    (most, edge) => Math.max(most, 1 + (walk.analyzeGraph.get(edge)?.depth ?? 0)),
    depth,
  );

/** Everything that was opened from `visit` on leads back to it, and nothing further up. */
const closeFrom = (walk: Walk, visit: Visit): void => {
  const members = walk.open.splice(walk.open.lastIndexOf(visit));
  const inCycle = members.length > 1 || visit.edges.includes(visit.key);
  const depth = inCycle ? 0 : depthOf(walk, visit);
  for (const { key } of members) walk.analyzeGraph.set(key, { inCycle, depth });
};

const leave = (walk: Walk, visit: Visit): void => {
  walk.way.pop();
  const above = walk.way.at(-1);
  if (above !== undefined) above.lowest = Math.min(above.lowest, visit.lowest);
  if (visit.lowest === visit.order) closeFrom(walk, visit);
};

const follow = (walk: Walk, visit: Visit, edge: string): void => {
  const known = walk.visits.get(edge);
  if (known === undefined) enter(walk, edge);
  else if (!walk.analyzeGraph.has(edge)) visit.lowest = Math.min(visit.lowest, known.order);
};

/**
 * The standing of every node that can be reached from `start`: Tarjan's strongly connected
 * components. A member of a cycle is a leaf to those who lead to it.
 */
export const analyzeGraph = (
  start: string,
  nodeOf: (key: string) => Node,
): ReadonlyMap<string, GraphPosition> => {
  const walk: Walk = { nodeOf, visits: new Map(), open: [], way: [], analyzeGraph: new Map() };
  enter(walk, start);
  for (let visit = walk.way.at(-1); visit !== undefined; visit = walk.way.at(-1)) {
    const edge = visit.edges[visit.next];
    visit.next += 1;
    if (edge === undefined) leave(walk, visit);
    else follow(walk, visit, edge);
  }
  return walk.analyzeGraph;
};
