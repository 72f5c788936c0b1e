import { setTimeout as sleep } from 'node:timers/promises';

import { z } from 'zod';

import { KEY, startMeasured, type MeasuredServer, type Settings } from '../hold/server.ts';
import { exportOf } from '../many/flags.ts';
import type { Table } from '../table.ts';

/** The peak of a million users a day: ten times the mean, if each reports three times. */
const REPORTS_A_SECOND = 350;
const TURNS_A_SECOND = 10;
const FLAGS = 1_000;
/** Of them, client keys see 50. */
const VISIBLE_EVERY = FLAGS / 50;
const COUNTS = 20;

type Duration = { readonly warmUpSeconds: number; readonly seconds: number };

const FULL: Duration = { warmUpSeconds: 30, seconds: 40 };
const QUICK: Duration = { warmUpSeconds: 5, seconds: 10 };

const CreatedKey = z.object({ secret: z.string() });

/** Sends a report to the server, with the key. */
type Send = (url: string, key: string, report: object) => Promise<Response>;

const KINDS: Readonly<Record<string, Send>> = {
  'beacon of a page': (url, key, report) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'text/plain;charset=UTF-8', origin: 'https://example.com' },
      body: JSON.stringify({ ...report, key }),
    }),
  'request of a provider': (url, key, report) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify(report),
    }),
};

/** Each report is of another page. */
const reportOf = (index: number): object => {
  const now = Date.now();
  const counts = Array.from({ length: COUNTS }, (_, at) => {
    const flag = ((index + at) * VISIBLE_EVERY) % FLAGS;
    return [`flag-${flag}`, at % 2 === 0 ? 'on' : 'off', at % 3 === 0 ? 'SPLIT' : 'DEFAULT', 3];
  });
  return {
    instance: `page-${index}`.padEnd(22, '0'),
    sequence: 1,
    from: new Date(now - 60_000).toISOString(),
    until: new Date(now).toISOString(),
    counts,
    unknown: [],
    sdk: '@pennon/web-provider 0.1.0',
  };
};

const postAsAdmin = async (server: MeasuredServer, path: string, body: string): Promise<string> => {
  const response = await fetch(`${server.url}/api/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body,
  });
  if (!response.ok) throw new Error(await response.text());
  return response.text();
};

/** Sends reports at the rate of the peak. Returns the next index. */
const sendFor = async (
  seconds: number,
  first: number,
  send: (report: object) => Promise<Response>,
): Promise<number> => {
  const perTurn = REPORTS_A_SECOND / TURNS_A_SECOND;
  const turns = seconds * TURNS_A_SECOND;
  for (let turn = 0; turn < turns; turn += 1) {
    const due = sleep(1_000 / TURNS_A_SECOND);
    const sent = Array.from({ length: perTurn }, async (_, at) => {
      const response = await send(reportOf(first + turn * perTurn + at));
      if (response.status !== 202) throw new Error(await response.text());
      await response.arrayBuffer();
    });
    await Promise.all([...sent, due]);
  }
  return first + turns * perTurn;
};

const rowOf = async (
  [kind, send]: readonly [string, Send],
  settings: Settings,
  { warmUpSeconds, seconds }: Duration,
): Promise<string[]> => {
  await using server = await startMeasured({ PENNON_RATE_LIMIT: '0', ...settings });
  await postAsAdmin(server, 'import?overwrite=true', exportOf(FLAGS));
  const created = await postAsAdmin(
    server,
    'keys',
    JSON.stringify({ name: 'bench', role: 'client', environment: 'production' }),
  );
  const { secret } = CreatedKey.parse(JSON.parse(created));
  const sendOne = (report: object) => send(`${server.url}/api/v1/usage`, secret, report);
  const start = await sendFor(warmUpSeconds, 0, sendOne);
  const before = await server.report();
  const end = await sendFor(seconds, start, sendOne);
  const after = await server.report();
  const microseconds = (1_000 * (after.cpuMs - before.cpuMs)) / (end - start);
  const core = (microseconds * REPORTS_A_SECOND) / 1_000_000;
  return [kind, microseconds.toFixed(0), core.toFixed(3), after.longestCpuMs.toFixed(1)];
};

const measure = async (store: string, settings: Settings, duration: Duration): Promise<Table> => {
  const rows: string[][] = [];
  for (const kind of Object.entries(KINDS)) rows.push(await rowOf(kind, settings, duration));
  return {
    title: `${REPORTS_A_SECOND} usage reports a second with ${COUNTS} counts each, ${store}`,
    columns: ['report', 'CPU µs', 'cores', 'longest turn, CPU ms'],
    rows,
    notes: ['All threads of the server, flushes to the store included; not the CPU time of Redis.'],
  };
};

/** What the reports of a million users a day cost the server at their peak. */
export const usageBenchmark = async ({
  isQuick,
  redis,
}: {
  readonly isQuick: boolean;
  readonly redis: string | undefined;
}): Promise<Table[]> => {
  const duration = isQuick ? QUICK : FULL;
  const embedded = await measure('embedded store', {}, duration);
  if (redis === undefined) return [embedded];
  const settings = { REDIS_URL: redis, PENNON_REDIS_PREFIX: `pennon-bench-${process.pid}` };
  return [embedded, await measure('Redis', settings, duration)];
};
