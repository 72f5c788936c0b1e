import { answersBenchmark } from './answers/benchmark.ts';
import { engineBenchmark } from './engine/benchmark.ts';
import { providersBenchmark } from './providers/benchmark.ts';
import { format, type Table } from './table.ts';

/** Every benchmark, in the order in which they run: one at a time, since they share a processor. */
const BENCHMARKS: readonly (() => readonly Table[] | Promise<readonly Table[]>)[] = [
  engineBenchmark,
  providersBenchmark,
  answersBenchmark,
];

for (const benchmark of BENCHMARKS) {
  for (const table of await benchmark()) console.log(`${format(table)}\n`);
}
