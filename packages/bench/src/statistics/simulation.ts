import { randomOf, type Random } from './random.ts';

/** A property that one run of a simulated experiment has or lacks. */
export type Simulation = {
  readonly title: string;
  /** What the share of the runs with the property must not exceed, or not fall below. */
  readonly limit: { readonly atMost?: number; readonly atLeast?: number };
  /** Returns undefined if the run does not count. */
  readonly run: (random: Random) => boolean | undefined;
};

/** The share of runs with the property, beside the limits that it must keep. */
export type Measured = {
  readonly share: number;
  readonly atMost: number;
  readonly atLeast: number;
  readonly holds: boolean;
};

const standardError = (share: number, runs: number): number =>
  Math.sqrt((share * (1 - share)) / runs);

/**
 * Runs a simulation. With few runs the limit is wider by `errors` of its standard errors, so that
 * a promise that holds fails by chance almost never.
 */
export const measure = (simulation: Simulation, runs: number, errors = 0): Measured => {
  const random = randomOf(SEED);
  let [counted, found] = [0, 0];
  for (let at = 0; at < runs; at += 1) {
    const result = simulation.run(random);
    if (result !== undefined) counted += 1;
    if (result === true) found += 1;
  }
  const { atMost = 1, atLeast = 0 } = simulation.limit;
  const share = found / counted;
  const most = atMost + errors * standardError(atMost, counted);
  const least = atLeast - errors * standardError(atLeast, counted);
  return { share, atMost: most, atLeast: least, holds: share <= most && share >= least };
};

const SEED = 20_261_127;
