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
  readonly clock: Clock;
  /** Something that a person should read. */
  readonly onTrouble: (message: string) => void;
  /** A worker ended before it ever served: another try would end alike. */
  readonly onHopeless: () => void;
};

const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 10_000;
/** A worker that served for so long begins again with the shortest pause. */
const PROVED_MS = 60_000;

/** The number that a worker has among its siblings, also after it was started again. */
export const WORKER_VARIABLE = 'PENNON_WORKER_NUMBER';

export const startWorkers = ({ count, clock, onTrouble, onHopeless }: WorkersParts): Workers => {
  const running = new Map<number, Worker>();
  let closing = false;
  answerMetrics();

  const start = (number: number, pauseMs: number) => {
    const worker = cluster.fork({ [WORKER_VARIABLE]: String(number) });
    const startedAt = clock.now();
    let served = false;
    running.set(number, worker);
    worker.once('listening', () => {
      served = true;
    });
    worker.once('exit', (code: number | null, signal: string | null) => {
      running.delete(number);
      if (closing) return;
      if (!served && code !== null && code !== 0) return onHopeless();
      onTrouble(`worker ${number} ended (${signal ?? code}) and is started again`);
      const next = clock.now() - startedAt >= PROVED_MS ? FIRST_RESTART_MS : pauseMs;
      clock.after(next, () => {
        if (!closing) start(number, Math.min(next * 2, LAST_RESTART_MS));
      });
    });
  };

  for (let number = 1; number <= count; number += 1) start(number, FIRST_RESTART_MS);

  return {
    async close() {
      closing = true;
      await Promise.all([...running.values()].map(end));
    },
  };
};

const end = async (worker: Worker): Promise<void> => {
  const gone = new Promise<void>(resolve => worker.once('exit', () => resolve()));
  worker.process.kill('SIGTERM');
  await gone;
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
