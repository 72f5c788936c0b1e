import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { z } from 'zod';

import { KEY, startMeasured, type MeasuredServer, type Settings } from '../hold/server.ts';
import type { Table } from '../table.ts';
import { conditionsOf, exportOf, SEGMENT } from './flags.ts';
import { openReaders, readUntil } from './readers.ts';

type Size = { readonly flags: number; readonly readers: number };

const FULL: Size = { flags: 10_000, readers: 300 };
const QUICK: Size = { flags: 1_000, readers: 50 };
const ROUNDS = 20;

const requestOf =
  (server: MeasuredServer, key = KEY) =>
  async (method: string, path: string, body?: string): Promise<string> => {
    const response = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text;
  };

type Request = ReturnType<typeof requestOf>;

/** Work of which the cost is measured. It is repeated, and `round` is different each time. */
type Work = {
  readonly name: string;
  readonly run: (request: Request, round: number) => Promise<unknown>;
  readonly rounds?: number;
};

const P = 'environment=production';
const KEY_OF = { name: 'bench', role: 'client', environment: 'production' };
const Key = z.object({ secret: z.string() });

const evaluate = (request: Request, key: string) =>
  request(
    'POST',
    `/evaluations?${P}`,
    JSON.stringify({ context: { targetingKey: key, plan: 'pro', country: 'DE' } }),
  );

const patch = (request: Request, round: number) =>
  request('PATCH', `/flags/flag-77?${P}`, JSON.stringify({ enabled: round % 2 === 0 }));

const WORKS: readonly Work[] = [
  { name: 'first bulk evaluation of all', run: request => evaluate(request, 'first'), rounds: 1 },
  { name: 'bulk evaluation of all', run: (request, round) => evaluate(request, `user-${round}`) },
  { name: 'page of 50 flags', run: request => request('GET', `/flags?${P}`) },
  { name: 'page of the audit log', run: request => request('GET', `/audit?${P}`) },
  { name: 'search', run: (request, round) => request('GET', `/flags?${P}&search=number+${round}`) },
  {
    name: '20 searches at once',
    run: request =>
      Promise.all(
        Array.from({ length: 20 }, (_, at) => request('GET', `/flags?${P}&search=nothing-${at}`)),
      ),
  },
  { name: 'PATCH of a flag', run: patch },
];

/** Returns the row of some work: time, CPU time of the server, and its longest turn. */
const rowOf = async (
  server: MeasuredServer,
  name: string,
  run: (round: number) => Promise<unknown>,
  rounds = ROUNDS,
): Promise<string[]> => {
  const before = await server.report();
  const start = performance.now();
  for (let round = 0; round < rounds; round += 1) await run(round);
  const ms = performance.now() - start;
  const after = await server.report();
  const cpuMs = (after.cpuMs - before.cpuMs) / rounds;
  const figures = [ms / rounds, cpuMs, after.longestMs, after.longestCpuMs];
  return [name, ...figures.map(figure => figure.toFixed(1))];
};

const startRow = async (name: string, settings: Settings): Promise<string[]> => {
  const start = performance.now();
  await using server = await startMeasured(settings);
  const ms = performance.now() - start;
  const { cpuMs, longestMs, longestCpuMs } = await server.report();
  return [name, ...[ms, cpuMs, longestMs, longestCpuMs].map(figure => figure.toFixed(1))];
};

/** Edits while streams of a client key, or of the flag set, are open. */
const streamRows = async (
  server: MeasuredServer,
  request: Request,
  { secret, readers: count }: { readonly secret: string; readonly readers: number },
): Promise<string[][]> => {
  const follower = await openReaders(server.url, KEY, 1);
  const change = await rowOf(server, 'change, until a follower has it', async round => {
    const received = readUntil(follower, 'change');
    await patch(request, round);
    await received;
  });
  const readers = await openReaders(server.url, secret, count);
  const edit = await rowOf(
    server,
    `edit of a segment of all flags, ${count} value streams`,
    async round => {
      const received = readUntil(readers, 'change');
      const conditions = conditionsOf(round % 2 === 0 ? 'free' : 'pro');
      await request('PATCH', `/segments/${SEGMENT}?${P}`, JSON.stringify({ conditions }));
      await received;
    },
    3,
  );
  for (const each of [...follower, ...readers]) each.close();
  return [change, edit];
};

const measure = async (
  store: string,
  settings: Settings,
  { flags, readers }: Size,
): Promise<Table> => {
  const rows: string[][] = [];
  {
    await using server = await startMeasured(settings);
    await requestOf(server)('POST', '/import?overwrite=true', exportOf(flags));
  }
  rows.push(await startRow('start without flags', {}), await startRow('start', settings));
  await using server = await startMeasured(settings);
  const request = requestOf(server);
  for (const { name, run, rounds } of WORKS)
    rows.push(await rowOf(server, name, round => run(request, round), rounds));
  const { secret } = Key.parse(JSON.parse(await request('POST', '/keys', JSON.stringify(KEY_OF))));
  const asClient = requestOf(server, secret);
  rows.push(
    await rowOf(server, 'bulk evaluation for a client that sees 50', round =>
      evaluate(asClient, `user-${round}`),
    ),
    ...(await streamRows(server, request, { secret, readers })),
  );
  return {
    title: `${flags} flags in one environment, ${store}`,
    columns: ['work', 'ms', 'CPU ms', 'longest turn ms', 'its CPU ms'],
    rows,
    notes: [
      'CPU time and turns are those of the server. The longest turn of a start loads the modules, before it listens.',
    ],
  };
};

/** What an environment with many flags costs: time, CPU time of the server, and its longest turn. */
export const manyBenchmark = async ({
  isQuick,
  redis,
}: {
  readonly isQuick: boolean;
  readonly redis: string | undefined;
}): Promise<readonly Table[]> => {
  const size = isQuick ? QUICK : FULL;
  const directory = mkdtempSync(join(tmpdir(), 'pennon-bench-'));
  try {
    const embedded = await measure(
      'embedded store',
      { PENNON_DATA: join(directory, 'embedded') },
      size,
    );
    if (redis === undefined) return [embedded];
    const settings = {
      PENNON_DATA: join(directory, 'redis'),
      REDIS_URL: redis,
      PENNON_REDIS_PREFIX: `bench-${process.pid}`,
      PENNON_INIT: 'empty',
    };
    return [embedded, await measure('Redis', settings, size)];
  } finally {
    rmSync(directory, { recursive: true });
  }
};
