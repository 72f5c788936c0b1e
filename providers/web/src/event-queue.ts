import { bytesOf, inParts, isJsonObject, trueWithin } from '@pennon/sync';
import type { EventStatus, LastError, Runtime } from '@pennon/sync';

import type { Batch, OpenLane } from './delivery.ts';
import {
  FLUSH_EVENTS,
  FLUSH_MS,
  FLUSH_TIMEOUT_MS,
  MAX_BATCH_BYTES,
  MAX_BATCH_EVENTS,
  MAX_EVENT_BYTES,
  MAX_QUEUED,
  MAX_STORED,
  MAX_STORED_MS,
} from './limits.ts';
import type { EventOptions } from './options.ts';
import { listOf, objectOf, readJson, writeJson } from './storage.ts';
import type { ValueStorage } from './storage.ts';

export type PageEvent = { readonly type: 'exposure' | 'track' } & Readonly<Record<string, unknown>>;

/** `at` is when the batch was made, in milliseconds since 1970. */
type Events = {
  readonly at: number;
  readonly events: PageEvent[];
  readonly dropped?: Lost | undefined;
};

/** How many events of each type were dropped. */
type Lost = { readonly exposures: number; readonly tracks: number };

/** Sends events in batches. What the server has not accepted is in the storage, from which the next page sends it. */
export type EventQueue = {
  add(event: PageEvent): void;
  /** Counts an event that is not sent, and records the reason. */
  lose(type: PageEvent['type'], reason: string): void;
  /** Also sends what earlier pages have stored. */
  restore(): void;
  readonly status: () => EventStatus;
  /** Sends what waits. Resolves to whether the server has accepted it within 2 s. */
  flush(): Promise<boolean>;
  /** Passes the rest on to the browser, because the page is left. */
  readonly leave: () => void;
  /** Sends the rest. Waits for the server, but at most 2 s. */
  close(): Promise<void>;
};

/** `slot` is the one of the storage. Pages of the same site share it. */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const createEventQueue = (
  { hashUnits, flushMs = FLUSH_MS, queue = MAX_QUEUED }: EventOptions,
  openLane: OpenLane,
  storage: ValueStorage | undefined,
  slot: string,
  { now, setTimer }: Runtime,
): EventQueue => {
  /** The events that are in no batch. */
  let open: PageEvent[] = [];
  let openBytes = 0;
  let sent = 0;
  let dropped = 0;
  /** Dropped since the last batch. */
  let lost: { exposures: number; tracks: number } | undefined;
  let lastError: LastError | undefined;
  let isDue = false;
  let isEnded = false;
  let cancelTimer = () => {};

  const recordError = (message: string, status?: number) => {
    lastError = { message, status, at: now() };
  };
  const lose = (type: PageEvent['type'], reason?: string) => {
    dropped += 1;
    lost ??= { exposures: 0, tracks: 0 };
    lost[`${type}s`] += 1;
    if (reason !== undefined) recordError(reason);
  };

  const stored = () => listOf(readJson(storage, slot)).filter(batch => isStored(batch, now()));
  /** Changes what the next page sends. */
  const store = (added: readonly Batch<Events>[], removed?: Batch<Events>) => {
    const rest = stored().filter(
      ({ instance, sequence }) => instance !== removed?.instance || sequence !== removed?.sequence,
    );
    const latest = [...rest, ...added];
    while (JSON.stringify(latest).length > MAX_STORED) latest.shift();
    writeJson(storage, slot, latest.length > 0 ? latest : undefined);
  };

  const lane = openLane<Events>({
    route: 'events',
    canWait: true,
    bodyOf: ({ events, ...fields }) => ({
      ...fields,
      at: undefined,
      sentAtMs: now(),
      ...(hashUnits && { hashedUnits: true }),
      events,
    }),
    onAccepted(batch, rejected) {
      if (rejected.length > 0)
        recordError(`an event was rejected: ${String(objectOf(rejected[0])['message'])}`);
      dropped += rejected.length;
      sent += batch.events.length - rejected.length;
      store([], batch);
    },
    onGivenUp(batch, { message, status }, isFinal) {
      recordError(message, status);
      // The next page tries again.
      if (storage && !isFinal) return;
      for (const { type } of batch.events) lose(type);
      if (lost && batch.dropped) {
        lost.exposures += batch.dropped.exposures;
        lost.tracks += batch.dropped.tracks;
      }
      store([], batch);
    },
    onIdle() {
      if (open.length > 0) schedule(isFull() ? 0 : flushMs);
    },
  });
  const { waiting } = lane;

  const queued = () => {
    let size = open.length;
    for (const { events } of waiting) size += events.length;
    return size;
  };
  const isFull = () => open.length >= FLUSH_EVENTS || openBytes >= MAX_BATCH_BYTES;
  const schedule = (ms: number) => {
    cancelTimer();
    if (!isEnded) cancelTimer = setTimer(ms, tick);
  };
  const tick = () => {
    isDue = false;
    // While a batch is on its way, only whole ones are made. The others follow when it has arrived.
    if (!lane.isSending() || isFull()) seal();
    void lane.start();
  };
  /** Makes batches of the events that are in none. */
  const seal = () => {
    cancelTimer();
    isDue = false;
    const batches = inParts(open, JSON.stringify, MAX_BATCH_EVENTS, MAX_BATCH_BYTES).map(events => {
      const batch = lane.enqueue({ at: now(), events, dropped: lost });
      lost = undefined;
      return batch;
    });
    open = [];
    openBytes = 0;
    if (batches.length > 0) store(batches);
  };
  /** Removes the oldest tracking event or, if there is none, the oldest exposure. The first batch may be on its way. */
  const makeRoom = () => {
    const batches = [...waiting].slice(1);
    const lists = [...batches.map(({ events }) => events), open];
    for (const type of ['track', 'exposure'] as const)
      for (const list of lists) {
        const index = list.findIndex(event => event.type === type);
        if (index < 0) continue;
        list.splice(index, 1);
        for (const batch of batches) if (batch.events.length === 0) waiting.delete(batch);
        return lose(type);
      }
  };

  return {
    add(event) {
      const text = JSON.stringify(event);
      if (bytesOf(text).length > MAX_EVENT_BYTES)
        return lose(event.type, `an event has more than ${MAX_EVENT_BYTES} bytes`);
      if (isEnded) return;
      open.push(event);
      openBytes += text.length;
      // Also for what earlier pages have stored.
      for (let excess = queued() - queue; excess > 0; excess -= 1) makeRoom();
      if (isFull()) {
        if (!isDue) schedule(0);
        isDue = true;
      } else if (open.length === 1) schedule(flushMs);
    },
    lose,
    restore() {
      const batches = stored();
      for (const batch of batches) waiting.add(batch);
      if (batches.length > 0) schedule(flushMs);
    },
    status: () => ({ queued: queued(), sent, dropped, lastError }),
    flush() {
      seal();
      // What is added during the flush is sent later.
      const isEmpty = lane.start(true).then(() => waiting.size === 0);
      return trueWithin(isEmpty, FLUSH_TIMEOUT_MS, setTimer);
    },
    leave() {
      seal();
      lane.passOn();
    },
    async close() {
      if (isEnded) return;
      seal();
      isEnded = true;
      // The `fetch` of an application may not end what is aborted.
      await trueWithin(
        lane.end().then(() => true),
        FLUSH_TIMEOUT_MS,
        setTimer,
      );
    },
  };
};

const isStored = (batch: unknown, now: number): batch is Batch<Events> =>
  isJsonObject(batch) &&
  // Earlier versions stored the text of each event.
  listOf(batch['events']).some(event => objectOf(event)['type']) &&
  Math.abs(now - Number(batch['at'])) < MAX_STORED_MS;
