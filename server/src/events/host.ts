import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { StoreEvents } from '../store/event-store.ts';
import type { EventsLocation } from '../store/events-location.ts';
import { startThread, type Thread } from '../thread-calls.ts';
import { CLOSE, createEventsEngine, type EventsEngine } from './engine.ts';
import { fromSentError } from './thread-errors.ts';

export type OperationName = keyof EventsEngine;
export type Input<Name extends OperationName> = Parameters<EventsEngine[Name]>[0];
export type Output<Name extends OperationName> = Awaited<ReturnType<EventsEngine[Name]>>;

/** An engine in this process or in a thread. It lasts as long as its knowledge of what is measured. */
export type Connection = {
  call<Name extends OperationName>(
    name: Name,
    input: Input<Name>,
    transfer?: readonly ArrayBuffer[],
  ): Promise<Output<Name>>;
};

/** Where the engine of the events runs. */
export type EventsHost = {
  /** Starts the engine if it does not run. Throws SERVICE_UNAVAILABLE while it cannot. */
  connect(): Connection;
  /** Whether the thread has ended, and does not start again yet. */
  isDown(): boolean;
  /** How often the thread has ended by an error. */
  failures(): number;
  close(): Promise<void>;
};

export type HostDeps = {
  readonly clock: Clock;
  /** Called with the reason if the thread has ended. */
  readonly onEnd: (reason: unknown) => void;
};

/** What is in memory is worked on in this process, and all else in a thread. */
export const createEventsHost = (events: StoreEvents, deps: HostDeps): EventsHost =>
  'store' in events ? hostHere(events.store) : hostThread(events.location, deps);

const hostHere = (store: Extract<StoreEvents, { store: unknown }>['store']): EventsHost => {
  const engine = createEventsEngine(store);
  const connection: Connection = {
    call(name, input) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the input is that of the operation
      return engine[name](input as never) as never;
    },
  };
  return {
    connect: () => connection,
    isDown: () => false,
    failures: () => 0,
    close: async () => {},
  };
};

/** The sources run as TypeScript, the build as JavaScript. */
const THREAD_MAIN = import.meta.url.endsWith('.ts') ? './thread-main.ts' : './events-thread.js';

const MIN_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;
/** A thread that has lived so long starts again without further delay. */
const STABLE_MS = 60_000;

const hostThread = (location: EventsLocation, { clock, onEnd }: HostDeps): EventsHost => {
  let running: { readonly thread: Thread; readonly connection: Connection } | undefined;
  let failures = 0;
  let delayMs = 0;
  let retryAt = Number.NEGATIVE_INFINITY;
  let isClosed = false;

  const start = (): { readonly thread: Thread; readonly connection: Connection } => {
    const bornAt = clock.monotonic();
    const thread = startThread({
      main: new URL(THREAD_MAIN, import.meta.url),
      name: 'pennon-events',
      workerData: location,
      // Node 22 warns that SQLite is experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      busy,
      errorFrom: fromSentError,
      onEnd(reason) {
        const livedMs = clock.monotonic() - bornAt;
        if (livedMs > STABLE_MS) delayMs = 0;
        delayMs = Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, 2 * delayMs));
        retryAt = clock.monotonic() + delayMs;
        failures += 1;
        onEnd(reason);
        return down(delayMs, reason);
      },
    });
    const connection: Connection = {
      async call(name, input, transfer) {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread replies with the output
        return (await thread.call(name, input, transfer)) as never;
      },
    };
    return { thread, connection };
  };
  const waitMs = (): number => Math.max(0, retryAt - clock.monotonic());

  return {
    connect() {
      if (running?.thread.isAlive() === true) return running.connection;
      if (isClosed || waitMs() > 0) throw down(waitMs());
      running = start();
      return running.connection;
    },
    isDown: () => waitMs() > 0,
    failures: () => failures,
    async close() {
      isClosed = true;
      if (running?.thread.isAlive() !== true) return;
      await running.thread.call(CLOSE, undefined).catch(() => {});
      await running.thread.close();
    },
  };
};

const MS_PER_SECOND = 1_000;

const down = (ms: number, cause?: unknown): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    'events are not received or counted now; evaluations continue. Try again',
    { retryAfterSeconds: Math.max(1, Math.ceil(ms / MS_PER_SECOND)) },
    { cause },
  );

const busy = (): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    'too many events are being received: send the batch again',
    {
      retryAfterSeconds: 1,
    },
  );
