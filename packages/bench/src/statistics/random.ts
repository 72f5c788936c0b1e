import mt19937 from '@stdlib/random-base-mt19937';
import { randomBinomial, randomNormal } from 'd3-random';

/** Random numbers that are the same for the same seed. */
export type Random = {
  readonly uniform: () => number;
  readonly normal: () => number;
  readonly binomial: (n: number, p: number) => number;
};

const INTEGERS = 2 ** 32;

export const randomOf = (seed: number): Random => {
  const integer = mt19937.factory({ seed });
  const uniform = (): number => integer() / INTEGERS;
  const binomial = randomBinomial.source(uniform);
  return {
    uniform,
    normal: randomNormal.source(uniform)(),
    binomial: (n, p) => (n === 0 ? 0 : binomial(n, p)()),
  };
};
