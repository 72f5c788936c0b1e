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

/** Long enough that V8 has optimized a candidate before its first round. */
const WARM_UP_MS = 200;

/** Returns how many calls take about `ms` milliseconds. Finding that out also warms the code up. */
const timesFor = (run: (times: number) => void, ms: number): number => {
  let times = 1;
  while ((nanoseconds(run, times) * times) / NS_PER_MS < ms / 2) times *= 2;
  return times;
};

/**
 * Returns the nanoseconds per call of each candidate in its fastest round, because other load on the machine only
 * adds time. Rounds are short, so some are undisturbed, and alternate between the candidates.
 */
export const compare = (
  candidates: readonly ((times: number) => void)[],
  { rounds, roundMs }: { readonly rounds: number; readonly roundMs: number },
): number[] => {
  const prepared = candidates.map(run => {
    const times = Math.ceil((timesFor(run, WARM_UP_MS) * roundMs) / WARM_UP_MS);
    return { run, times };
  });
  const measured = prepared.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    prepared.forEach(({ run, times }, at) => measured[at]?.push(nanoseconds(run, times)));
  }
  return measured.map(times => Math.min(...times));
};

/** Counts the garbage collections during a run. */
export const collections = (run: () => void): number => {
  const profiler = new GCProfiler();
  profiler.start();
  run();
  return profiler.stop().statistics.length;
};
