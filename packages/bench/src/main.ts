import { parseArgs } from 'node:util';

import { bulkBenchmark } from './bulk/benchmark.ts';
import { bytesBenchmark } from './bytes/benchmark.ts';
import { consoleBenchmark } from './console/benchmark.ts';
import { engineBenchmark } from './engine/benchmark.ts';
import { eventsBenchmark } from './events/benchmark.ts';
import { experimentsBenchmark } from './experiments/benchmark.ts';
import { holdBenchmark } from './hold/benchmark.ts';
import { httpBenchmark } from './http/benchmark.ts';
import { manyBenchmark } from './many/benchmark.ts';
import { providersBenchmark } from './providers/benchmark.ts';
import { rampsBenchmark } from './ramps/benchmark.ts';
import { statisticsBenchmark } from './statistics/benchmark.ts';
import { streamsBenchmark } from './streams/benchmark.ts';
import { format, type Table } from './table.ts';
import { usageBenchmark } from './usage/benchmark.ts';

type Benchmark = (options: {
  readonly isQuick: boolean;
  /** The URL of a Redis to measure too. */
  readonly redis: string | undefined;
}) => readonly Table[] | Promise<readonly Table[]>;

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  engine: engineBenchmark,
  providers: providersBenchmark,
  bulk: bulkBenchmark,
  bytes: bytesBenchmark,
  http: httpBenchmark,
  hold: holdBenchmark,
  streams: streamsBenchmark,
  many: manyBenchmark,
  statistics: statisticsBenchmark,
  experiments: experimentsBenchmark,
  ramps: rampsBenchmark,
  usage: usageBenchmark,
  events: eventsBenchmark,
  console: consoleBenchmark,
};

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, redis: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.filter(name => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0)
  throw new Error(`no benchmark "${unknown[0]}": use ${Object.keys(BENCHMARKS).join(', ')}`);

// One at a time, because two at once would slow each other down.
for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  for (const table of await benchmark({ isQuick: values.quick, redis: values.redis }))
    console.log(`${format(table)}\n`);
}
