import { parseArgs } from 'node:util';

import { removeDirectories } from '../redis/servers.ts';
import { differencesIn } from './compare.ts';
import { runProof, type RunOptions } from './run.ts';

// Proves that the moments of experiments are exact. It runs real servers and Redis on this machine:
//
//     npx -y pnpm proof kills       200,000 events, while servers and Redis are ended with SIGKILL
//     npx -y pnpm proof warehouse   1,000,000 events, exported, and computed again by DuckDB
//
// `--events=20000` and `--seed=2` change what is sent.

const { values, positionals } = parseArgs({
  options: { events: { type: 'string' }, seed: { type: 'string', default: '1' } },
  allowPositionals: true,
});

const SECONDS = 600;
const EVENTS_PER_UNIT = 8;
const KILLS = 12;

const sizeOf = (events: number): RunOptions['size'] => {
  const all = Number(values.events ?? events);
  return {
    seed: Number(values.seed),
    seconds: SECONDS,
    eventsPerSecond: Math.ceil(all / SECONDS),
    units: Math.ceil(all / EVENTS_PER_UNIT),
  };
};

const killed = { kills: KILLS, size: sizeOf(200_000) };
const warehouse = { kills: 0, hasWarehouse: true, size: sizeOf(1_000_000) };

const PROOFS: Readonly<Record<string, readonly RunOptions[]>> = {
  kills: [
    { ...killed, store: 'SQLite' },
    { ...killed, store: 'Redis', servers: 2, fsync: 'everysec' },
    { ...killed, store: 'Redis', servers: 2, fsync: 'always' },
  ],
  warehouse: [
    { ...warehouse, store: 'SQLite' },
    { ...warehouse, store: 'Redis' },
  ],
};

const unknown = positionals.find(name => !Object.hasOwn(PROOFS, name));
if (unknown !== undefined)
  throw new Error(`no proof "${unknown}": use ${Object.keys(PROOFS).join(' or ')}`);

const print = (line: string) => process.stdout.write(`${line}\n`);
for (const [name, runs] of Object.entries(PROOFS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  for (const options of runs) {
    const { store, fsync, kills, size } = options;
    const start = performance.now();
    const looks = await runProof(options);
    const differences = differencesIn(looks);
    const seconds = ((performance.now() - start) / 1_000).toFixed(0);
    print(
      `${name}, ${store}${fsync === undefined ? '' : ` (appendfsync ${fsync})`}: ` +
        `${size.seconds * size.eventsPerSecond} events, ${kills} kills, ${seconds} s: ` +
        (differences.length === 0 ? 'all moments are equal' : 'DIFFERENT'),
    );
    for (const difference of differences) print(`  ${difference}`);
    if (differences.length > 0) process.exitCode = 1;
  }
}
removeDirectories();
