import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Server } from '@pennon/server';
import {
  createServer,
  openSqliteStore,
  readConfig,
  secureRandom,
  systemClock,
} from '@pennon/server';
import { inject } from 'light-my-request';
import { pino } from 'pino';

import type { Table } from '../table.ts';

const KEY = 'the-admin-key-of-a-benchmark';
const REQUESTS = 100;
const WARM_UP = 3;

type Post = (path: string, body: object) => Promise<unknown>;

const postTo =
  (server: Server): Post =>
  (path, body) =>
    inject(server.handle, {
      method: 'POST',
      url: `/api/v1/${path}?environment=production`,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });

const flag = (index: number) => ({
  key: `flag-${index}`,
  enabled: true,
  rules: [{ attribute: 'plan', operator: 'in', value: ['pro', 'max'], percentage: 50 }],
});

/** The mean time of a request in one round, in microseconds. */
const measureRound = async (post: Post, contextOf: (request: number) => object, round: number) => {
  const start = performance.now();
  for (let i = 0; i < REQUESTS; i += 1) {
    await post('evaluations', { context: contextOf(round * REQUESTS + i) });
  }
  return ((performance.now() - start) * 1_000) / REQUESTS;
};

/** Alternates the rounds, so other load on the machine affects all equally. The first rounds warm up. */
const compare = async (
  posts: readonly Post[],
  contextOf: (request: number) => object,
  rounds: number,
) => {
  const measured: number[][] = posts.map(() => []);
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    for (const [index, post] of posts.entries()) {
      const micros = await measureRound(post, contextOf, round);
      if (round >= WARM_UP) measured[index]?.push(micros);
    }
  }
  return measured.map(median);
};

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

const visitor = (index: number) => ({ targetingKey: `visitor-${index}`, plan: 'pro' });
const WORKLOADS = [
  { name: 'the same visitor every time', contextOf: () => visitor(0) },
  { name: 'ten visitors in turn', contextOf: (request: number) => visitor(request % 10) },
  { name: 'each visitor once (no cache hits)', contextOf: visitor },
] as const;

const start = async (directory: string, cachedEvaluations: number): Promise<Server> =>
  createServer({
    store: await openSqliteStore({ directory, random: secureRandom }),
    clock: systemClock,
    random: secureRandom,
    logger: pino({ level: 'silent' }),
    limits: { ...readConfig({}).limits, requestsPerSecond: 0, cachedEvaluations },
    signIn: readConfig({}).signIn,
    adminKey: KEY,
    firstAdminKey: () => KEY,
  });

const measure = async (flags: number, rounds: number): Promise<Table> => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-bench-'));
  const cached = await start(join(directory, 'cached'), 10_000);
  const uncached = await start(join(directory, 'uncached'), 0);
  for (const server of [cached, uncached]) {
    for (let i = 0; i < flags; i += 1) await postTo(server)('flags', flag(i));
  }
  const rows: string[][] = [];
  for (const { name, contextOf } of WORKLOADS) {
    const [on = 0, off = 0] = await compare([postTo(cached), postTo(uncached)], contextOf, rounds);
    rows.push([name, on.toFixed(0), off.toFixed(0), (off / on).toFixed(2)]);
  }
  for (const server of [cached, uncached]) await server.close();
  rmSync(directory, { recursive: true });
  return {
    title: `Bulk evaluation of ${flags} flags, whole requests without a socket`,
    columns: ['workload', 'cache on, µs', 'cache off, µs', 'off ÷ on'],
    rows,
  };
};

/** Measures what the one-minute cache of bulk evaluations saves, and what it costs if it never hits. */
export const bulkBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<Table[]> =>
  isQuick ? [await measure(100, 3)] : [await measure(100, 9), await measure(1_000, 9)];
