import { bulkBenchmark } from './bulk/benchmark.ts';
import { engineBenchmark } from './engine/benchmark.ts';
import { providersBenchmark } from './providers/benchmark.ts';
import { format, type Table } from './table.ts';

/** All benchmarks. They run one at a time, because two at once would slow each other down. */
const BENCHMARKS: readonly (() => readonly Table[] | Promise<readonly Table[]>)[] = [
  engineBenchmark,
  providersBenchmark,
  bulkBenchmark,
];

for (const benchmark of BENCHMARKS) {
  for (const table of await benchmark()) console.log(`${format(table)}\n`);
}
