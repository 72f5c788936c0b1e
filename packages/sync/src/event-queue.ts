import { CLOSE_TIMEOUT_MS, createDelivery, inParts, newInstance, VERSION } from './delivery.ts';
import type { LastError } from './follower-state.ts';
import type { RequestSpec } from './http.ts';
import { isJsonObject, parseJsonObject } from './json.ts';
import { trueWithin } from './refresh.ts';
import type { Runtime } from './runtime.ts';
import type { Address } from './synced-resource.ts';

/** An event as JSON, so that later changes of the objects of the application have no effect on it. */
export type QueuedEvent = {
  readonly text: string;
  /** Identifies an exposure. Undefined for a tracking event. */
  readonly exposure?: string | undefined;
};

const isExposure = ({ exposure }: QueuedEvent): boolean => exposure !== undefined;

/** How many events of each type were dropped. */
type Dropped = { readonly exposures: number; readonly tracks: number };

/** What one request has. One that is sent again has the same sequence, so its events count once. */
export type EventBatch = {
  readonly instance: string;
  readonly sequence: number;
  /** When it was made, in milliseconds since 1970. */
  readonly at: number;
  readonly events: QueuedEvent[];
  readonly dropped?: Dropped;
};

/** Keeps a copy of batches that the server has not accepted, beyond the life of a page. */
export type BatchStorage = {
  load(): readonly EventBatch[];
  add(batches: readonly EventBatch[]): void;
  remove(batches: readonly EventBatch[]): void;
};

export type EventLimits = {
  /** How many events may wait. */
  readonly queue: number;
  /** How long the first event waits at most. */
  readonly flushMs: number;
  /** So many events are sent at once. */
  readonly flushEvents: number;
  /** The most events, and bytes of them, in one request. So many bytes are also sent at once. */
  readonly batchEvents: number;
  readonly batchBytes: number;
};

/** The state of the events of a provider. */
export type EventStatus = {
  /** How many events wait, or are on their way. */
  readonly queued: number;
  /** How many events the server has accepted, or the browser has taken over as a page was left. */
  readonly sent: number;
  /** How many events are lost: there were too many, or the server has not accepted them. */
  readonly dropped: number;
  readonly lastError: LastError | undefined;
};

const NOTHING_SENT: EventStatus = { queued: 0, sent: 0, dropped: 0, lastError: undefined };

type StatusSource = () => Pick<EventQueue, 'status'> | undefined;

/** Adds the state of the events of a provider to its emitter. `source` returns undefined before the first event. */
export function withEventStatus<Emitter extends object>(
  emitter: Emitter,
  source: StatusSource,
): Emitter & EventStatus;
export function withEventStatus(emitter: object, source: StatusSource): object {
  for (const name of ['queued', 'sent', 'dropped', 'lastError'] as const)
    Object.defineProperty(emitter, name, { get: () => (source()?.status() ?? NOTHING_SENT)[name] });
  return emitter;
}

export type EventQueueOptions = Address & {
  /** The name of the provider. */
  readonly sdk: string;
  readonly limits: EventLimits;
  /** Whether events have the SHA-256 of units. The server cannot verify the variants of exposures then. */
  readonly hashUnits: boolean;
  readonly storage?: BatchStorage | undefined;
  /** Called with an exposure that is lost, and that may be sent again. */
  readonly onLost?: ((exposure: string) => void) | undefined;
  readonly onProblem: (message: string) => void;
};

/** Collects events and sends them in batches. Never throws. */
export type EventQueue = {
  add(event: QueuedEvent): void;
  /** Takes over what earlier pages have stored. Does nothing if it was called before. */
  restore(): void;
  /** Records events that cannot be sent. */
  drop(event: Omit<QueuedEvent, 'text'>, reason: string): void;
  readonly status: () => EventStatus;
  /** Sends what waits. Resolves to whether the server has accepted it within 2 s. */
  flush(): Promise<boolean>;
  /** Passes on all that waits, as `Delivery` does. */
  handOver(send: (request: RequestSpec, text: string) => boolean): void;
  close(): Promise<void>;
};

export const createEventQueue = (options: EventQueueOptions, runtime: Runtime): EventQueue => {
  const { limits, hashUnits, storage } = options;
  const { now, setTimer } = runtime;
  const sdk = `${options.sdk} ${VERSION}`;
  const instance = newInstance();
  let sequence = 0;
  let open: QueuedEvent[] = [];
  let openBytes = 0;
  /** Of all events that wait. */
  let size = 0;
  let tracks = 0;
  let sent = 0;
  let dropped = 0;
  /** Dropped since the last batch. */
  let unreported = NOTHING;
  let lastError: LastError | undefined;
  let isClosed = false;
  let isDue = false;
  let isRestored = false;
  let cancelTimer: () => void = () => undefined;

  const recordError = (message: string, status?: number) => {
    lastError = { message, status, at: now() };
  };
  const enter = (events: readonly QueuedEvent[], sign = 1) => {
    size += sign * events.length;
    tracks += sign * events.filter(event => !isExposure(event)).length;
  };
  const leave = (events: readonly QueuedEvent[]) => enter(events, -1);
  const lose = (event: Omit<QueuedEvent, 'text'>, canRepeat: boolean) => {
    dropped += 1;
    const exposures = event.exposure === undefined ? 0 : 1;
    unreported = sumOf(unreported, { exposures, tracks: 1 - exposures });
    if (canRepeat && event.exposure !== undefined) options.onLost?.(event.exposure);
  };

  const delivery = createDelivery<EventBatch>(
    {
      ...options,
      route: 'events',
      problem: 'events are not sent',
      textOf({ instance: id, sequence: number, dropped: lost, events }, fields) {
        const head = {
          ...fields,
          instance: id,
          sequence: number,
          sentAtMs: now(),
          sdk,
          ...(hashUnits && { hashedUnits: true }),
          dropped: lost,
        };
        const texts = events.map(({ text }) => text);
        return `${JSON.stringify(head).slice(0, -1)},"events":[${texts.join()}]}`;
      },
      onAccepted(batch, response) {
        leave(batch.events);
        const rejected = rejectedIn(response);
        if (rejected.message !== undefined) recordError(rejected.message);
        dropped += rejected.count;
        sent += batch.events.length - rejected.count;
        storage?.remove([batch]);
      },
      onGivenUp(batch, { message, status }, isFinal) {
        recordError(message, status);
        leave(batch.events);
        // The next page tries again.
        if (storage !== undefined && !isFinal) return;
        for (const event of batch.events) lose(event, !isFinal);
        unreported = sumOf(unreported, batch.dropped);
        storage?.remove([batch]);
      },
    },
    runtime,
  );

  const schedule = (ms: number) => {
    cancelTimer();
    if (!isClosed) cancelTimer = setTimer(ms, tick);
  };
  const isFull = () => open.length >= limits.flushEvents || openBytes >= limits.batchBytes;

  /** Makes batches of the events that are in none. */
  const seal = () => {
    cancelTimer();
    isDue = false;
    const parts = inParts(open, ({ text }) => text, limits.batchEvents, limits.batchBytes);
    const batches = parts.map((events): EventBatch => {
      sequence += 1;
      const lost = unreported.exposures + unreported.tracks > 0 ? { dropped: unreported } : {};
      unreported = NOTHING;
      return { instance, sequence, at: now(), events, ...lost };
    });
    open = [];
    openBytes = 0;
    for (const batch of batches) delivery.waiting.add(batch);
    if (batches.length > 0) storage?.add(batches);
  };
  const tick = () => {
    isDue = false;
    // While a batch is on its way, only whole ones are made. The others follow when it has arrived.
    if (!delivery.isActive()) void sealAndSend();
    else if (isFull()) seal();
  };
  const sealAndSend = async (): Promise<void> => {
    seal();
    await delivery.start();
    if (open.length > 0) schedule(isFull() ? 0 : limits.flushMs);
  };

  /** Removes the oldest tracking event or, if there is none, the oldest exposure. The first batch may be on its way. */
  const makeRoom = () => {
    const batches = [...delivery.waiting].slice(1);
    const lists = [...batches.map(({ events }) => events), open];
    const isOldest = (event: QueuedEvent) => tracks === 0 || !isExposure(event);
    const list = lists.find(events => events.some(isOldest)) ?? open;
    const [event] = list.splice(Math.max(0, list.findIndex(isOldest)), 1);
    if (event === undefined) return;
    leave([event]);
    lose(event, true);
    for (const batch of batches) if (batch.events.length === 0) delivery.waiting.delete(batch);
  };

  return {
    add(event) {
      if (isClosed) return;
      enter([event]);
      open.push(event);
      openBytes += event.text.length;
      while (size > limits.queue) makeRoom();
      if (isFull()) {
        if (!isDue) schedule(0);
        isDue = true;
      } else if (open.length === 1) schedule(limits.flushMs);
    },
    restore() {
      if (isRestored) return;
      isRestored = true;
      const stored = storage?.load() ?? [];
      for (const batch of stored) {
        delivery.waiting.add(batch);
        enter(batch.events);
      }
      if (stored.length > 0) schedule(limits.flushMs);
    },
    drop(event, reason) {
      lose(event, false);
      recordError(reason);
    },
    status: () => ({ queued: size, sent, dropped, lastError }),
    flush() {
      delivery.hurry();
      return trueWithin(
        sealAndSend().then(() => delivery.waiting.size === 0),
        CLOSE_TIMEOUT_MS,
        setTimer,
      );
    },
    handOver(send) {
      seal();
      const passed = delivery.handOver(send);
      for (const { events } of passed) {
        leave(events);
        sent += events.length;
      }
      storage?.remove(passed);
    },
    async close() {
      if (isClosed) return;
      seal();
      isClosed = true;
      await delivery.close();
    },
  };
};

const NOTHING: Dropped = { exposures: 0, tracks: 0 };

const sumOf = (a: Dropped, b = NOTHING): Dropped => ({
  exposures: a.exposures + b.exposures,
  tracks: a.tracks + b.tracks,
});

/** Returns how many events of a batch the server has rejected, and the reason of the first. */
const rejectedIn = (response: string): { readonly count: number; readonly message?: string } => {
  const rejected = parseJsonObject(response)?.['rejected'];
  if (!Array.isArray(rejected) || rejected.length === 0) return { count: 0 };
  const first: unknown = rejected[0];
  const reason = isJsonObject(first) ? first['message'] : undefined;
  return { count: rejected.length, message: `an event was rejected: ${String(reason)}` };
};
