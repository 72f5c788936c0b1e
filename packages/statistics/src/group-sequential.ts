import { normalDensity, normalQuantile, normalSf } from './distributions.ts';
import { nodesBetween, type Node } from './quadrature.ts';

/** How much of alpha may be used by a fraction of the information. */
type Spending =
  { readonly kind: 'power'; readonly exponent: number } | { readonly kind: 'obrienFleming' };

type Input = {
  /** Of each look, the last one being 1. */
  readonly informationFractions: readonly number[];
  readonly alpha: number;
  readonly spending: Spending;
  /** The largest bound that is returned. */
  readonly largest: number;
};

const spentAt = (fraction: number, alpha: number, spending: Spending): number =>
  spending.kind === 'power'
    ? alpha * fraction ** spending.exponent
    : 4 * normalSf(normalQuantile(1 - alpha / 4) / Math.sqrt(fraction));

/** The density of the paths that no look has stopped, at the nodes of the last look. */
type Paths = { readonly nodes: readonly Node[]; readonly fraction: number };

/** Before the first look every path is at 0. */
const START: Paths = { nodes: [{ at: 0, weight: 1 }], fraction: 0 };

const stepOf = ({ fraction }: Paths, next: number): number => Math.sqrt(next - fraction);

/** Returns the probability of leaving the bounds at the next look, and not before. */
const leaving = (paths: Paths, next: number, bound: number): number => {
  const [edge, step] = [bound * Math.sqrt(next), stepOf(paths, next)];
  return paths.nodes.reduce(
    (sum, { at, weight }) =>
      sum + weight * (normalSf((edge - at) / step) + normalSf((edge + at) / step)),
    0,
  );
};

/** Leaving becomes less probable with the bound, so halving finds it to the last digit. */
const boundOf = (paths: Paths, next: number, probability: number, largest: number): number => {
  let [low, high] = [0, largest];
  if (leaving(paths, next, largest) >= probability) return largest;
  for (let middle = high / 2; low < middle && middle < high; middle = (low + high) / 2)
    if (leaving(paths, next, middle) > probability) low = middle;
    else high = middle;
  return high;
};

const advance = (paths: Paths, next: number, bound: number): Paths => {
  const [edge, step] = [bound * Math.sqrt(next), stepOf(paths, next)];
  const density = (to: number): number =>
    paths.nodes.reduce(
      (sum, { at, weight }) => sum + (weight * normalDensity((to - at) / step)) / step,
      0,
    );
  const nodes = nodesBetween(-edge, edge);
  return {
    nodes: nodes.map(({ at, weight }) => ({ at, weight: weight * density(at) })),
    fraction: next,
  };
};

/** Returns the two-sided bounds of the score at each look (Lan & DeMets 1983). */
const bounds = (input: Input): { readonly bounds: number[] } => {
  const { informationFractions, alpha, spending, largest } = input;
  let paths = START;
  let spent = 0;
  const found = informationFractions.map(fraction => {
    const next = spentAt(fraction, alpha, spending);
    const bound = boundOf(paths, fraction, next - spent, largest);
    paths = advance(paths, fraction, bound);
    spent = next;
    return bound;
  });
  return { bounds: found };
};

/** Tests at planned looks, which need the history of all looks. */
export const groupSequential = { bounds };
