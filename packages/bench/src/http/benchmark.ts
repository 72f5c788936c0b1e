import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { z } from 'zod';

import { median } from '../engine/measure.ts';
import type { Table } from '../table.ts';
import { loadNote, measure, startServer, type Load, type Round } from './processes.ts';
import type { ServerProcess } from './processes.ts';
import { FLAG_KEYS, PLANS, WORKLOADS, type Workload } from './workloads.ts';

const PENNON = new URL('../../../../server/src/main.ts', import.meta.url).pathname;
const RIVALS = [
  { name: 'bare node:http', file: 'bare.ts' },
  { name: 'Fastify, fixed response', file: 'fastify.ts' },
  { name: 'Fastify and flagd-core', file: 'flagd.ts' },
] as const;
const CreatedKey = z.object({ secret: z.string() });

const ADMIN_KEY = 'the-admin-key-of-a-benchmark';

const startPennon = async (settings: Readonly<Record<string, string>>) => {
  const server = await startServer([PENNON], {
    HOST: '127.0.0.1',
    PORT: '0',
    PENNON_DATA: ':memory:',
    PENNON_ADMIN_KEY: ADMIN_KEY,
    PENNON_RATE_LIMIT: '0',
    LOG_LEVEL: 'fatal',
    ...settings,
  });
  const post = async (path: string, body: object): Promise<string> => {
    const response = await fetch(`${server.url}/api/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(await response.text());
    return response.text();
  };
  const rules = [{ attribute: 'plan', operator: 'in', value: PLANS, percentage: 50 }];
  for (const key of FLAG_KEYS)
    await post('flags?environment=production', { key, enabled: true, rules });
  const created = await post('keys', { name: 'bench', role: 'server', environment: 'production' });
  const { secret } = CreatedKey.parse(JSON.parse(created));
  return { server, secret };
};

/** One server with the load that it gets. */
type Candidate = { readonly name: string; readonly server: ServerProcess; readonly load: Load };

const startCandidates = async (
  { path, bodies, settings }: Workload,
  directory: string,
  seconds: number,
): Promise<readonly Candidate[]> => {
  const file = join(directory, 'bodies');
  writeFileSync(file, bodies.map(body => JSON.stringify(body)).join('\n'));
  const load = { path, bodies: file, seconds };
  const { server, secret } = await startPennon(settings);
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify(bodies[0]),
  });
  const fixed = join(directory, 'response');
  writeFileSync(fixed, await response.text());
  const rivals = await Promise.all(
    RIVALS.map(async ({ name, file: script }) => ({
      name,
      server: await startServer([new URL(`servers/${script}`, import.meta.url).pathname, fixed]),
      load,
    })),
  );
  return [...rivals, { name: 'Pennon', server, load: { ...load, key: secret } }];
};

/** The rounds alternate between the servers, so other load on the machine affects all of them. */
const measureRounds = async (
  candidates: readonly Candidate[],
  rounds: number,
): Promise<readonly (readonly Round[])[]> => {
  const measured: Round[][] = [];
  // All warm up at once, which takes the time of one.
  await Promise.all(candidates.map(({ server, load }) => measure(server, load)));
  for (let round = 0; round < rounds; round += 1) {
    const results: Round[] = [];
    for (const { server, load } of candidates) results.push(await measure(server, load));
    measured.push(results);
  }
  return measured;
};

type Duration = { readonly rounds: number; readonly seconds: number };

/** The rounds of one workload. Each has a result for each server, the bare one first. */
type Measured = { readonly workload: Workload; readonly rounds: readonly (readonly Round[])[] };

const measureWorkload = async (
  workload: Workload,
  { rounds, seconds }: Duration,
): Promise<Measured> => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-bench-'));
  const candidates = await startCandidates(workload, directory, seconds);
  const measured = await measureRounds(candidates, rounds);
  for (const { server } of candidates) await server.stop();
  rmSync(directory, { recursive: true });
  return { workload, rounds: measured };
};

const NAMES = [...RIVALS.map(({ name }) => name), 'Pennon'];

/** Returns a value for each round of a server, which may be compared with the bare one of the same round. */
const valuesOf = (
  { rounds }: Measured,
  index: number,
  pick: (own: Round, bare: Round) => number,
): readonly number[] =>
  rounds.map(round => {
    const [bare] = round;
    const own = round[index];
    if (bare === undefined || own === undefined) throw new Error('a round has no results');
    return pick(own, bare);
  });

/** The table of one workload. */
const tableOf = (measured: Measured, { rounds, seconds }: Duration): Table => {
  const { name: title, goal } = measured.workload;
  const rows = NAMES.map((name, index) => {
    const values = (pick: (own: Round, bare: Round) => number) => valuesOf(measured, index, pick);
    const shares = values((own, bare) => own.perSecond / bare.perSecond);
    return [
      name,
      median(values(own => own.perSecond)).toFixed(0),
      median(shares).toFixed(2),
      Math.max(...shares).toFixed(2),
      median(values(own => own.cpuMicros)).toFixed(0),
      median(values((own, bare) => own.p99 / bare.p50)).toFixed(1),
      median(values(own => own.p99)).toFixed(1),
    ];
  });
  return {
    title: `HTTP: ${title}`,
    columns: ['server', 'requests/s', '÷ bare', 'best', 'CPU µs', 'p99 ÷ p50 of bare', 'p99 ms'],
    rows,
    notes: [
      `To reach: ${goal} of bare; p99 at most 5 times the p50 of bare.`,
      `${rounds} × ${seconds} s for each server, in turn; medians, ratios within a round.`,
      loadNote(),
    ],
  };
};

/** The table of all workloads, in CPU time, which other load on the machine affects least. */
const summaryOf = (all: readonly Measured[]): Table => ({
  title: 'HTTP: CPU time of a request in µs',
  columns: ['request', ...NAMES, 'bare ÷ Pennon', 'best', 'to reach'],
  rows: all.map(measured => {
    const times = NAMES.map((_, index) => median(valuesOf(measured, index, own => own.cpuMicros)));
    const pennon = NAMES.length - 1;
    const shares = valuesOf(measured, pennon, (own, bare) => bare.cpuMicros / own.cpuMicros);
    const { name, goal } = measured.workload;
    return [
      name,
      ...times.map(each => each.toFixed(0)),
      median(shares).toFixed(2),
      Math.max(...shares).toFixed(2),
      goal.toFixed(2),
    ];
  }),
  notes: ['Medians of the same rounds, and the best round. Ratios within a round.'],
});

/** Compares a request to Pennon with the same request to bare Node, Fastify and flagd-core, side by side. */
export const httpBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<Table[]> => {
  const duration = isQuick ? { rounds: 1, seconds: 1 } : { rounds: 7, seconds: 2 };
  const all: Measured[] = [];
  for (const workload of WORKLOADS.filter(({ isSlow = false }) => !(isQuick && isSlow)))
    all.push(await measureWorkload(workload, duration));
  return [...all.map(each => tableOf(each, duration)), summaryOf(all)];
};
