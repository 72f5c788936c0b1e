import { GCProfiler } from 'node:v8';

const NS_PER_MS = 1_000_000;

/** The middle one of some measurements: what a machine that is busy now and then cannot move much. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

/** Nanoseconds for each of `times` calls. */
const nanoseconds = (run: (times: number) => void, times: number): number => {
  const start = performance.now();
  run(times);
  return ((performance.now() - start) * NS_PER_MS) / times;
};

/** How many calls fill about `ms` milliseconds, found by doubling, which warms up as well. */
const timesFor = (run: (times: number) => void, ms: number): number => {
  let times = 1_000;
  while ((nanoseconds(run, times) * times) / NS_PER_MS < ms / 2) times *= 2;
  return times;
};

/**
 * Nanoseconds for each call of some candidates, by turns, so that what disturbs the machine disturbs
 * them all: the median of the rounds.
 */
export const compare = (
  candidates: readonly ((times: number) => void)[],
  { rounds, roundMs }: { readonly rounds: number; readonly roundMs: number },
): number[] => {
  const prepared = candidates.map(run => ({ run, times: timesFor(run, roundMs) }));
  const measured = prepared.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    prepared.forEach(({ run, times }, at) => measured[at]?.push(nanoseconds(run, times)));
  }
  return measured.map(median);
};

/** How many garbage collections a run causes. */
export const collections = (run: () => void): number => {
  const profiler = new GCProfiler();
  profiler.start();
  run();
  return profiler.stop().statistics.length;
};
