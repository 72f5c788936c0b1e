import cluster, { type Worker } from 'node:cluster';

import { AggregatorRegistry, type Registry } from 'prom-client';

import type { Clock } from '../clock.ts';

/** Several server processes on one port. The primary process only starts and restarts them. */
export type Workers = {
  /** Stops all workers, without a grace period if it is 0. Resolves once they have exited. */
  readonly close: (graceMs: number) => Promise<void>;
};

export type WorkersOptions = {
  readonly count: number;
  /** The port of all workers, including those that are restarted. */
  readonly port: number;
  readonly clock: Clock;
  /** A worker that has not exited this long after its signal is killed. */
  readonly exitTimeoutMs: number;
  readonly onWarning: (message: string) => void;
  /** Called when a worker cannot start and no other worker serves, because a retry would fail as well. */
  readonly onStartFailed: () => void;
  /** The folder of the console, which the primary process builds. */
  readonly consoleFolder: string | undefined;
};

const MIN_RESTART_MS = 100;
const MAX_RESTART_MS = 10_000;
/** Any interval keeps the primary process alive until the restart, even if no worker is running. */
const KEEP_ALIVE_MS = 60_000;
/** A worker that has run for this long is restarted with the shortest delay. */
const STABLE_MS = 60_000;

/** The folder of the console that a worker serves. Unset without a console. */
export const CONSOLE_VARIABLE = 'PENNON_WORKER_CONSOLE';

/** Set for the one worker that prints the start-up lines. */
export const ANNOUNCER_VARIABLE = 'PENNON_WORKER_ANNOUNCES';

export const startWorkers = (options: WorkersOptions): Workers => {
  const {
    count,
    port,
    clock,
    exitTimeoutMs,
    onWarning,
    onStartFailed,
    consoleFolder = '',
  } = options;
  const pool: WorkerPool = {
    running: new Map(),
    online: new Set(),
    serving: new Set(),
    isClosing: false,
  };
  let hasAnnounced = false;
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
  useOwnSockets();
  serveWorkerMetrics();

  const start = (number: number, restartMs: number) => {
    const announces = number === 1 && !hasAnnounced;
    const worker = cluster.fork({
      PORT: port,
      [ANNOUNCER_VARIABLE]: announces ? '1' : '',
      [CONSOLE_VARIABLE]: consoleFolder,
    });
    pool.running.set(number, worker);
    const startedAt = clock.monotonic();
    worker.once('online', () => pool.online.add(number));
    worker.once('listening', () => {
      hasAnnounced ||= announces;
      pool.serving.add(number);
    });
    worker.once('exit', (code: number | null, signal: string | null) => {
      const hasServed = leavePool(pool, number);
      if (pool.isClosing) return;
      if (!hasServed && (code ?? 0) !== 0 && pool.serving.size === 0) return onStartFailed();
      const isStable = clock.monotonic() - startedAt >= STABLE_MS;
      const delayMs = isStable ? MIN_RESTART_MS : restartMs;
      onWarning(`worker ${number} exited (${signal ?? code}); restarting in ${delayMs} ms`);
      restart(number, delayMs);
    });
  };

  const restart = (number: number, delayMs: number) =>
    clock.after(delayMs, () => {
      if (!pool.isClosing) start(number, Math.min(delayMs * 2, MAX_RESTART_MS));
    });

  for (let number = 1; number <= count; number += 1) start(number, MIN_RESTART_MS);

  return {
    async close(graceMs) {
      pool.isClosing = true;
      clearInterval(keepAlive);
      const signalFor = (number: number) =>
        graceMs === 0 && pool.online.has(number) ? disconnect : terminate;
      await Promise.all(
        Array.from(pool.running, ([number, worker]) =>
          stop(worker, signalFor(number), clock, exitTimeoutMs),
        ),
      );
    },
  };
};

/** The workers of the primary process, by number from 1. */
type WorkerPool = {
  readonly running: Map<number, Worker>;
  /** Those that run. One that starts would report a connection that is cut as an error of its own. */
  readonly online: Set<number>;
  /** Those that accept connections. */
  readonly serving: Set<number>;
  isClosing: boolean;
};

/**
 * Makes workers accept connections themselves. If the primary process hands them out, which is the default, it
 * keeps those of a worker that has just been killed, and their clients wait indefinitely.
 */
const useOwnSockets = (): void => {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
};

/** Removes a worker that has exited. Returns whether it has accepted connections. */
const leavePool = ({ running, online, serving }: WorkerPool, number: number): boolean => {
  running.delete(number);
  online.delete(number);
  return serving.delete(number);
};

const terminate = (worker: Worker): void => void worker.process.kill('SIGTERM');
/** For the worker, the primary process has ended: see `onPrimaryEnd`. */
const disconnect = (worker: Worker): void => worker.process.disconnect();

/** Resolves once the worker has exited. */
const stop = async (
  worker: Worker,
  signal: (worker: Worker) => void,
  clock: Clock,
  exitTimeoutMs: number,
): Promise<void> => {
  const exited = new Promise<void>(resolve => worker.once('exit', () => resolve()));
  signal(worker);
  const cancelKill = clock.after(exitTimeoutMs, () => worker.process.kill('SIGKILL'));
  await exited;
  cancelKill();
};

/**
 * In a worker: calls `onEnd` when the primary process has ended without stopping the workers, or stops them without
 * a grace period. Node would exit at once, and cut off the requests that are pending.
 */
export const onPrimaryEnd = (onEnd: () => void): void => {
  const { worker } = cluster;
  worker?.once('disconnect', () => {
    worker.exitedAfterDisconnect = true;
    onEnd();
  });
};

type MetricsMessage = { readonly type: typeof METRICS; readonly text?: string };
const METRICS = 'pennon:metrics';

const isMetricsMessage = (message: unknown): message is MetricsMessage =>
  typeof message === 'object' && message !== null && 'type' in message && message.type === METRICS;

/** In the primary process: sends a worker the sum of the metrics of all workers on request. */
const serveWorkerMetrics = (): void => {
  const aggregator = new AggregatorRegistry();
  cluster.on('message', (worker: Worker, message: unknown) => {
    if (!isMetricsMessage(message)) return;
    const send = (text: string) => worker.isConnected() && worker.send({ type: METRICS, text });
    aggregator.clusterMetrics().then(send, () => send(''));
  });
};

/** In a worker: returns the metrics of all workers, or its own if the primary process has none. */
export const gatherWorkerMetrics = (own: Registry): (() => Promise<string>) => {
  const { worker } = cluster;
  if (worker === undefined) return () => own.metrics();
  // oxlint-disable-next-line eslint/no-new -- it registers the listener for requests of the primary process
  new AggregatorRegistry();
  AggregatorRegistry.setRegistries(own);
  const pending: ((text: string) => void)[] = [];
  worker.on('message', (message: unknown) => {
    if (isMetricsMessage(message))
      for (const resolve of pending.splice(0)) resolve(message.text ?? '');
  });
  return async () => {
    if (!worker.isConnected()) return own.metrics();
    const text = new Promise<string>(resolve => pending.push(resolve));
    worker.send({ type: METRICS });
    return (await text) || own.metrics();
  };
};
