import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { z } from 'zod';

import type { Settings } from '../hold/server.ts';
import type { Table } from '../table.ts';
import {
  batchOf,
  EVALUATION,
  EVENTS_OF_BATCH,
  startExperiment,
  type EventServer,
} from './experiment.ts';
import { insertMs, xaddMs } from './raw.ts';

/** The peak of a million users a day. */
const EVENTS_PER_SECOND = 6_000;
const EVALUATIONS_PER_SECOND = 200;
const TURNS_PER_SECOND = 20;
const IN_FLIGHT = 8;

type Scale = { readonly batches: number; readonly rounds: number; readonly roundSeconds: number };

const FULL: Scale = { batches: 2_500, rounds: 7, roundSeconds: 5 };
const QUICK: Scale = { batches: 300, rounds: 2, roundSeconds: 2 };

/** A store, and what adds the same texts to it without a server. */
type Target = {
  readonly name: string;
  /** For a server with no data. */
  readonly settings: () => Settings;
  readonly rawName: string;
  readonly rawMs: (texts: readonly string[]) => number | Promise<number>;
};

const sendAll = async (server: EventServer, kind: 'exposure' | 'track', batches: number) => {
  let next = 0;
  const start = performance.now();
  const send = async (): Promise<void> => {
    while (next < batches) {
      const index = next;
      next += 1;
      await server.post('/events', batchOf(index, kind));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  return performance.now() - start;
};

const SETTLE_MS = 500;
const POLL_MS = 500;

/** Resolves when everything is folded. What is sent waits for 15 s before that. */
const untilFolded = async (server: EventServer): Promise<void> => {
  do await sleep(POLL_MS);
  while (!(await server.isFolded()));
};

const rate = (count: number, ms: number): string =>
  Math.round((1_000 * count) / ms).toLocaleString('en-US');

/** Measures exposures of new units, and then what these did. */
const ingestRows = async (target: Target, { batches }: Scale): Promise<string[][]> => {
  await using server = await startExperiment(target.settings());
  const events = batches * EVENTS_OF_BATCH;
  const rows: string[][] = [];
  for (const kind of ['exposure', 'track'] as const) {
    const texts = Array.from({ length: batches }, (_, index) => batchOf(index, kind));
    const rawMs = await target.rawMs(texts);
    const before = await server.report();
    const sentMs = await sendAll(server, kind, batches);
    const sent = await server.report();
    await untilFolded(server);
    const folded = await server.report();
    rows.push([
      `${target.name}, ${kind === 'exposure' ? 'exposures of new units' : 'tracking events'}`,
      rate(events, rawMs),
      rate(events, sentMs),
      (sentMs / rawMs).toFixed(1),
      rate(events, sent.cpuMs - before.cpuMs),
      rate(events, folded.cpuMs - sent.cpuMs),
    ]);
  }
  return rows;
};

/** Returns the durations of evaluations in milliseconds. */
const evaluate = async (server: EventServer, seconds: number): Promise<number[]> => {
  const durations: number[] = [];
  const perTurn = EVALUATIONS_PER_SECOND / TURNS_PER_SECOND;
  for (let turn = 0; turn < seconds * TURNS_PER_SECOND; turn += 1) {
    const due = sleep(1_000 / TURNS_PER_SECOND);
    for (let i = 0; i < perTurn; i += 1) {
      const start = performance.now();
      await server.post('/evaluate', EVALUATION);
      durations.push(performance.now() - start);
    }
    await due;
  }
  return durations;
};

const MEDIAN = 0.5;
const HIGH = 0.99;
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;

/** The median of the rounds, with the smallest and the largest. */
const spread = (values: readonly number[]): string =>
  `${quantile(values, MEDIAN).toFixed(1)} (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`;

const PLAIN = fileURLToPath(new URL('plain.ts', import.meta.url));
const Address = z.object({ port: z.number() });

/** Starts a server that does nothing with what it receives. */
const startPlain = async () => {
  const child = fork(PLAIN);
  const address: unknown = (await once(child, 'message'))[0];
  return {
    url: `http://127.0.0.1:${Address.parse(address).port}`,
    [Symbol.dispose]: () => child.disconnect(),
  };
};

/** The rounds of each kind alternate, so that other work on the machine disturbs all. */
const latencyRows = async (
  { name, settings }: Target,
  { rounds, roundSeconds }: Scale,
): Promise<string[][]> => {
  await using server = await startExperiment(settings());
  using plain = await startPlain();
  const load = new Worker(new URL('load.ts', import.meta.url), {
    workerData: { eventsPerSecond: EVENTS_PER_SECOND },
  });
  const perSecond = `${EVENTS_PER_SECOND.toLocaleString('en-US')} events a second`;
  const kinds = [
    { title: 'without events', url: null },
    { title: `${perSecond} to a server that only reads them`, url: plain.url },
    { title: `${perSecond} to this server`, url: server.url },
  ].map(kind => ({ ...kind, durations: [] as number[][] }));
  for (let round = -1; round < rounds; round += 1) {
    for (const { url, durations } of kinds) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      load.postMessage(url);
      await sleep(SETTLE_MS);
      const measured = await evaluate(server, roundSeconds);
      // In the first round, code is compiled.
      if (round >= 0) durations.push(measured);
    }
  }
  await load.terminate();
  return kinds.map(({ title, durations }) => [
    `${name}, ${title}`,
    ...[MEDIAN, HIGH].map(share => spread(durations.map(each => quantile(each, share)))),
  ]);
};

/** What events cost, beside the plain writes of the stores, and whether they slow evaluations. */
export const eventsBenchmark = async ({
  isQuick,
  redis,
}: {
  readonly isQuick: boolean;
  readonly redis: string | undefined;
}): Promise<Table[]> => {
  const scale = isQuick ? QUICK : FULL;
  const targets: readonly Target[] = [
    { name: 'embedded', settings: () => ({}), rawName: 'INSERT', rawMs: insertMs },
    ...(redis === undefined
      ? []
      : [
          {
            name: 'Redis',
            settings: () => ({
              REDIS_URL: redis,
              PENNON_REDIS_PREFIX: `pennon-bench-${randomUUID()}`,
            }),
            rawName: 'XADD',
            rawMs: (texts: readonly string[]) => xaddMs(redis, texts),
          },
        ]),
  ];
  const ingest: string[][] = [];
  const latency: string[][] = [];
  for (const target of targets) ingest.push(...(await ingestRows(target, scale)));
  for (const target of targets) latency.push(...(await latencyRows(target, scale)));
  return [
    {
      title: `${scale.batches * EVENTS_OF_BATCH} events in batches of ${EVENTS_OF_BATCH}, one experiment of three metrics`,
      columns: [
        'events a second',
        targets.map(({ rawName }) => rawName).join(' or '),
        'POST /events',
        'times as long',
        'accepted a CPU second',
        'folded a CPU second',
      ],
      rows: ingest,
      notes: ['CPU seconds of the server, all threads; not those of Redis.'],
    },
    {
      title: `POST /evaluate, ${EVALUATIONS_PER_SECOND} a second, ${scale.rounds} alternating rounds of ${scale.roundSeconds} s`,
      columns: ['milliseconds: median of the rounds (least–most)', 'p50', 'p99'],
      rows: latency,
      notes: [
        'The events are sent by another thread of the client, on the same machine. The second row is what that costs.',
      ],
    },
  ];
};
