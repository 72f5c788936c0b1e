import { GCProfiler } from 'node:v8';

const NS_PER_MS = 1_000_000;

/** The median is used because other load on the machine affects it less than the mean. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

/** Returns the nanoseconds per call of `times` calls. */
const nanoseconds = (run: (times: number) => void, times: number): number => {
  const start = performance.now();
  run(times);
  return ((performance.now() - start) * NS_PER_MS) / times;
};

/** Returns how many calls take about `ms` milliseconds. Finding that out also warms the code up. */
const timesFor = (run: (times: number) => void, ms: number): number => {
  let times = 1_000;
  while ((nanoseconds(run, times) * times) / NS_PER_MS < ms / 2) times *= 2;
  return times;
};

/**
 * Returns the nanoseconds per call of each candidate, as the median of the rounds. The rounds alternate
 * between the candidates, so other load on the machine affects all of them equally.
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

/** Counts the garbage collections during a run. */
export const collections = (run: () => void): number => {
  const profiler = new GCProfiler();
  profiler.start();
  run();
  return profiler.stop().statistics.length;
};
