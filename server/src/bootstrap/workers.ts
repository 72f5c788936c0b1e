import cluster, { type Worker } from 'node:cluster';

import { AggregatorRegistry, type Registry } from 'prom-client';

import type { Clock } from '../clock.ts';

/** Several server processes on one port. The first process only starts them, and starts them again. */
export type Workers = {
  /** Asks each to drain, and resolves once all have ended. */
  readonly close: () => Promise<void>;
};

export type WorkersParts = {
  readonly count: number;
  /** The one port of all, also of those that are started later. */
  readonly port: number;
  readonly clock: Clock;
  /** Something that a person should read. */
  readonly onTrouble: (message: string) => void;
  /** A worker could not start, and no other one serves: another try would end alike. */
  readonly onHopeless: () => void;
};

const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 10_000;
/** A worker that lived for so long begins again with the shortest pause. */
const PROVED_MS = 60_000;
/** A worker that has not drained by then is ended, whatever it does. */
const DRAINED_MS = 9_000;

/** Set for the one worker that tells people where the server listens. */
export const ANNOUNCER_VARIABLE = 'PENNON_WORKER_SPEAKS';

export const startWorkers = (parts: WorkersParts): Workers => {
  const { count, port, clock, onTrouble, onHopeless } = parts;
  const running = new Map<number, Worker>();
  const serving = new Set<number>();
  let spoken = false;
  let closing = false;

  // The workers take connections themselves. Where the first process hands them out, as is the default,
  // it keeps what it gave to a worker that has just died, and whoever is at the other end waits for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  answerMetrics();

  const start = (number: number, pauseMs: number) => {
    const isAnnouncer = number === 1 && !spoken;
    const worker = cluster.fork({
      PORT: String(port),
      [ANNOUNCER_VARIABLE]: isAnnouncer ? '1' : '',
    });
    const startedAt = clock.now();
    let served = false;
    running.set(number, worker);
    worker.once('listening', () => {
      served = true;
      spoken ||= isAnnouncer;
      serving.add(number);
    });
    worker.once('exit', (code: number | null, signal: string | null) => {
      running.delete(number);
      serving.delete(number);
      if (closing) return;
      if (!served && code !== null && code !== 0 && serving.size === 0) return onHopeless();
      onTrouble(`worker ${number} ended (${signal ?? code}) and is started again`);
      const proved = clock.now() - startedAt >= PROVED_MS;
      startAfter(number, proved ? FIRST_RESTART_MS : pauseMs);
    });
  };

  const startAfter = (number: number, pauseMs: number) =>
    clock.after(pauseMs, () => {
      if (!closing) start(number, Math.min(pauseMs * 2, LAST_RESTART_MS));
    });

  for (let number = 1; number <= count; number += 1) start(number, FIRST_RESTART_MS);

  return {
    async close() {
      closing = true;
      await Promise.all([...running.values()].map(worker => end(worker, clock)));
    },
  };
};

const end = async (worker: Worker, clock: Clock): Promise<void> => {
  const gone = new Promise<void>(resolve => worker.once('exit', () => resolve()));
  worker.process.kill('SIGTERM');
  const cancel = clock.after(DRAINED_MS, () => worker.process.kill('SIGKILL'));
  await gone;
  cancel();
};

type MetricsMessage = { readonly type: typeof METRICS; readonly text?: string };
const METRICS = 'pennon:metrics';

const isMetricsMessage = (message: unknown): message is MetricsMessage =>
  typeof message === 'object' && message !== null && 'type' in message && message.type === METRICS;

/** Whichever worker is asked for metrics, it answers those of all: the first process adds them up. */
const answerMetrics = (): void => {
  const all = new AggregatorRegistry();
  cluster.on('message', (worker: Worker, message: unknown) => {
    if (!isMetricsMessage(message)) return;
    const send = (text: string) => worker.isConnected() && worker.send({ type: METRICS, text });
    all.clusterMetrics().then(send, () => send(''));
  });
};

/** In a worker: the metrics of all workers, or its own where the others do not answer. */
export const metricsOfAll = (own: Registry): (() => Promise<string>) => {
  const { worker } = cluster;
  if (worker === undefined) return () => own.metrics();
  // oxlint-disable-next-line eslint/no-new -- it is made to listen for the question of the first process
  new AggregatorRegistry();
  AggregatorRegistry.setRegistries(own);
  const waiting: ((text: string) => void)[] = [];
  worker.on('message', (message: unknown) => {
    if (isMetricsMessage(message))
      for (const resolve of waiting.splice(0)) resolve(message.text ?? '');
  });
  return async () => {
    const text = new Promise<string>(resolve => waiting.push(resolve));
    worker.send({ type: METRICS });
    return (await text) || own.metrics();
  };
};
