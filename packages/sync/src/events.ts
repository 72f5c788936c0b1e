import {
  CLOSE_TIMEOUT_MS,
  createDelivery,
  inParts,
  newInstance,
  sha256,
  VERSION,
} from './delivery.ts';
import type { EventBatch, EventQueueOptions, EventStatus, QueuedEvent } from './event-queue.ts';
import type { LastError } from './follower-state.ts';
import type { RequestSpec } from './http.ts';
import { isJsonObject, parseJsonObject } from './json.ts';
import { parseMeasured, unitOf } from './measured.ts';
import type { Measured, MeasuredEnvelope, RunningExperiment } from './measured.ts';
import { trueWithin } from './refresh.ts';
import type { Runtime } from './runtime.ts';

export type EventsOptions = EventQueueOptions & {
  /** If false, nothing is sent. */
  readonly isEnabled: boolean;
  /** Returns the flag set or the values that are in use, or undefined before the first. */
  readonly envelope: () => MeasuredEnvelope | undefined;
  /** Returns whether it was called with the same exposure before, and remembers it. */
  readonly isRepeated: (exposure: string) => boolean;
};

/** What was served. */
type Result = { readonly ruleId?: string | undefined; readonly variant?: string | undefined };

/** Sends exposures and tracking events. Never throws. */
export type Events = {
  /**
   * Returns the key of the running experiment whose rule has served the result, if there is one. Also sends the
   * exposure of the unit, unless it was sent before.
   */
  expose(flagKey: string, result: Result, context: unknown): string | undefined;
  /** Sends an event if it is measured. Until it is known what is measured, the event waits. */
  track(name: string, context: unknown, details: object): void;
  /** Sends the events that have waited, if it is known what is measured, and takes over what earlier pages have stored. */
  release(): void;
  readonly status: () => EventStatus;
  /** Sends what waits. Resolves to whether the server has accepted it within 2 s. */
  flush(): Promise<boolean>;
  /** Passes on all that waits, as `Delivery` does. */
  readonly handOver: (send: (request: RequestSpec, text: string) => boolean) => void;
  close(): Promise<void>;
};

/** An event whose units are not known yet. */
type HeldEvent = { readonly name: string; readonly text: string; readonly context: unknown };

type Units = readonly (readonly [name: string, unit: string])[];

const MAX_NAME_LENGTH = 100;
const MAX_UNIT_LENGTH = 256;
const MAX_ATTRIBUTES = 20;
const MAX_EVENT_BYTES = 4_096;

/** The parts share variables instead of passing objects to each other, because pages load this. */
export const createEvents = (options: EventsOptions, runtime: Runtime): Events => {
  const { isEnabled, hashUnits, limits, storage } = options;
  const { now, setTimer } = runtime;
  const sdk = `${options.sdk} ${VERSION}`;
  const instance = newInstance();
  let sequence = 0;
  /** Tracking events, until it is known what is measured. */
  let held: HeldEvent[] = [];
  /** Resolves when the units of all events so far are hashed. */
  let hashed: Promise<unknown> = Promise.resolve();
  /** The events that are in no batch. */
  let open: QueuedEvent[] = [];
  let openBytes = 0;
  /** Of all events that wait. */
  let size = 0;
  let tracks = 0;
  let sent = 0;
  let dropped = 0;
  /** Dropped since the last batch. */
  let lost = { exposures: 0, tracks: 0 };
  let lastError: LastError | undefined;
  let isClosed = false;
  let isDue = false;
  let isRestored = false;
  let cancelTimer: () => void = () => undefined;

  const recordError = (message: string, status?: number) => {
    lastError = { message, status, at: now() };
  };
  const enter = (events: readonly QueuedEvent[], sign = 1) => {
    for (const { exposure } of events) {
      size += sign;
      if (exposure === undefined) tracks += sign;
    }
  };
  const lose = (exposure: string | undefined, canRepeat?: boolean) => {
    dropped += 1;
    lost[exposure === undefined ? 'tracks' : 'exposures'] += 1;
    if (canRepeat && exposure !== undefined) options.onLost?.(exposure);
  };
  /** Records an event that cannot be sent. */
  const drop = (exposure: string | undefined, reason: string) => {
    lose(exposure);
    recordError(reason);
  };

  const delivery = createDelivery<EventBatch>(
    {
      ...options,
      route: 'events',
      problem: 'events are not sent',
      textOf({ events, ...batch }, fields) {
        const hashes = hashUnits && { hashedUnits: true };
        const sending = { at: undefined, sentAtMs: now(), sdk, ...hashes };
        const head = JSON.stringify({ ...fields, ...batch, ...sending });
        return `${head.slice(0, -1)},"events":[${events.map(({ text }) => text).join()}]}`;
      },
      onAccepted(batch, response) {
        const rejected = parseJsonObject(response)?.['rejected'];
        const count = Array.isArray(rejected) ? rejected.length : 0;
        if (Array.isArray(rejected) && count > 0) {
          const first: unknown = rejected[0];
          const reason = isJsonObject(first) ? first['message'] : undefined;
          recordError(`an event was rejected: ${String(reason)}`);
        }
        enter(batch.events, -1);
        dropped += count;
        sent += batch.events.length - count;
        storage?.remove([batch]);
      },
      onGivenUp(batch, { message, status }, isFinal) {
        recordError(message, status);
        enter(batch.events, -1);
        // The next page tries again.
        if (storage && !isFinal) return;
        for (const { exposure } of batch.events) lose(exposure, !isFinal);
        lost.exposures += batch.dropped?.exposures ?? 0;
        lost.tracks += batch.dropped?.tracks ?? 0;
        storage?.remove([batch]);
      },
    },
    runtime,
  );
  const { waiting } = delivery;

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
      const batch = { instance, sequence, at: now(), events };
      if (lost.exposures + lost.tracks === 0) return batch;
      const withLost = { ...batch, dropped: lost };
      lost = { exposures: 0, tracks: 0 };
      return withLost;
    });
    open = [];
    openBytes = 0;
    for (const batch of batches) waiting.add(batch);
    if (batches.length > 0) storage?.add(batches);
  };
  const sealAndSend = async (): Promise<void> => {
    seal();
    await delivery.start();
    if (open.length > 0) schedule(isFull() ? 0 : limits.flushMs);
  };
  const tick = () => {
    isDue = false;
    // While a batch is on its way, only whole ones are made. The others follow when it has arrived.
    if (!delivery.isActive()) void sealAndSend();
    else if (isFull()) seal();
  };

  /** Removes the oldest tracking event or, if there is none, the oldest exposure. The first batch may be on its way. */
  const makeRoom = () => {
    const batches = [...waiting].slice(1);
    const isOldest = ({ exposure }: QueuedEvent) => tracks === 0 || exposure === undefined;
    const list = [...batches.map(({ events }) => events), open].find(each => each.some(isOldest));
    const removed = (list ?? open).splice(Math.max(0, (list ?? open).findIndex(isOldest)), 1);
    enter(removed, -1);
    for (const { exposure } of removed) lose(exposure, true);
    for (const batch of batches) if (batch.events.length === 0) waiting.delete(batch);
  };

  /** Adds an event to the queue. `text` is the JSON of all but the units. */
  const add = (exposure: string | undefined, text: string, units: Units) => {
    const byName = Object.fromEntries(units);
    const whole = `${text.slice(0, -1)},${JSON.stringify(exposure === undefined ? { units: byName } : byName).slice(1)}`;
    if (new TextEncoder().encode(whole).length > MAX_EVENT_BYTES)
      return drop(exposure, `an event has more than ${MAX_EVENT_BYTES} bytes`);
    if (isClosed) return;
    const event = { text: whole, exposure };
    enter([event]);
    open.push(event);
    openBytes += whole.length;
    while (size > limits.queue) makeRoom();
    if (isFull()) {
      if (!isDue) schedule(0);
      isDue = true;
    } else if (open.length === 1) schedule(limits.flushMs);
  };
  const addHashed = (exposure: string | undefined, text: string, units: Units) => {
    const hashes = units.map(async ([name, unit]) => [name, await sha256(unit)] as const);
    const added = Promise.all(hashes).then(
      all => add(exposure, text, all),
      () => drop(exposure, 'units can be hashed in secure contexts only'),
    );
    hashed = Promise.all([hashed, added]);
  };
  const addUnits = hashUnits ? addHashed : add;

  /** How often an experiment has ended, for servers that do not identify runs. */
  const endings = new Map<string, number>();
  let source: MeasuredEnvelope = {};
  let measured: Measured | undefined;
  /** Reads what is measured, once for each envelope that differs. Returns undefined before the first. */
  const readMeasured = (): Measured | undefined => {
    const next = options.envelope();
    const isSame = next?.experiments === source.experiments && next?.tracked === source.tracked;
    if (next === undefined || (measured && isSame)) return measured;
    const previous = measured;
    measured = parseMeasured(next);
    source = next;
    for (const key of previous?.experiments ?? [])
      if (!measured.experiments.has(key)) endings.set(key, (endings.get(key) ?? 0) + 1);
    return measured;
  };

  const sendExposure = ({ key, run }: RunningExperiment, variant: string, unit: string) => {
    // The exposures of another run are not repetitions.
    const runOf = typeof run === 'string' ? run : `${key} ${endings.get(key) ?? 0}`;
    const exposure = `${runOf} ${variant} ${unit}`;
    if (options.isRepeated(exposure)) return;
    const event = { type: 'exposure', experiment: key, variant, timeMs: now() };
    if (hashUnits || unit.length <= MAX_UNIT_LENGTH)
      addUnits(exposure, JSON.stringify(event), [['unit', unit]]);
    else drop(exposure, `a unit has more than ${MAX_UNIT_LENGTH} characters`);
  };
  const release = () => {
    const current = readMeasured();
    if (!current) return;
    if (isEnabled && !isRestored) {
      isRestored = true;
      const stored = storage?.load() ?? [];
      for (const batch of stored) {
        waiting.add(batch);
        enter(batch.events);
      }
      if (stored.length > 0) schedule(limits.flushMs);
    }
    const events = held;
    held = [];
    for (const { name, text, context } of events) {
      const units = current.isTracked(name) ? unitsIn(context, current.units) : [];
      if (units.length > 0) addUnits(undefined, text, units);
    }
  };
  /** An application must not fail because of what it passes, such as an object that contains itself. */
  const guard = (exposure: string | undefined, act: () => void) => {
    try {
      act();
    } catch (error) {
      drop(exposure, `an event cannot be sent: ${String(error)}`);
    }
  };

  return {
    expose(flagKey, { ruleId, variant }, context) {
      if (ruleId === undefined || variant === undefined) return undefined;
      const experiment = readMeasured()?.experimentOf(flagKey, ruleId);
      if (isEnabled && experiment)
        guard(flagKey, () => {
          const unit = unitOf(context, experiment.unit);
          if (unit !== undefined) sendExposure(experiment, variant, unit);
        });
      return experiment?.key;
    },
    track(name, context, details) {
      if (!isEnabled) return;
      guard(undefined, () => {
        const event = toTracked(name, details, now());
        if (typeof event === 'string') return drop(undefined, event);
        held.push({ name, text: JSON.stringify(event), context: { ...Object(context) } });
        if (held.length > limits.queue) {
          held.shift();
          drop(undefined, 'too many events have waited for the first flags');
        }
        release();
      });
    },
    release,
    status: () => ({ queued: size, sent, dropped, lastError }),
    async flush() {
      await hashed;
      delivery.hurry();
      const isEmpty = sealAndSend().then(() => waiting.size === 0);
      return trueWithin(isEmpty, CLOSE_TIMEOUT_MS, setTimer);
    },
    handOver(send) {
      seal();
      const passed = delivery.handOver(send);
      for (const { events } of passed) {
        enter(events, -1);
        sent += events.length;
      }
      storage?.remove(passed);
    },
    async close() {
      held = [];
      await hashed;
      if (isClosed) return;
      seal();
      isClosed = true;
      await delivery.close();
    },
  };
};

/** Returns a tracking event without units, or why it cannot be sent. */
const toTracked = (name: string, details: object, timeMs: number): object | string => {
  const { value, ...attributes }: { readonly value?: unknown } = details;
  const count = Object.keys(attributes).length;
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH)
    return `the name of an event must have 1 to ${MAX_NAME_LENGTH} characters`;
  if (count > MAX_ATTRIBUTES)
    return `the event "${name}" has more than ${MAX_ATTRIBUTES} attributes`;
  return {
    type: 'track',
    name,
    timeMs,
    ...(Number.isFinite(value) && { value }),
    ...(count > 0 && { attributes }),
  };
};

const unitsIn = (context: unknown, names: readonly string[]): Units =>
  names
    .map(name => [name, unitOf(context, name) ?? ''] as const)
    .filter(([, unit]) => unit !== '' && unit.length <= MAX_UNIT_LENGTH);

const DAY_MS = 86_400_000;

/** Remembers the most recent exposures of a day in UTC. */
export const createDailyMemory = (
  maxExposures: number,
  { now }: Pick<Runtime, 'now'>,
): Required<Pick<EventsOptions, 'isRepeated' | 'onLost'>> => {
  const seen = new Set<string>();
  let day = 0;
  return {
    isRepeated(exposure) {
      const today = Math.floor(now() / DAY_MS);
      if (today !== day) seen.clear();
      day = today;
      // The order matters only when it decides which one is removed.
      if (seen.size < maxExposures && seen.has(exposure)) return true;
      const isRepeated = seen.delete(exposure);
      seen.add(exposure);
      // A set iterates in the order of insertion, so the first one is the least recently used.
      for (const oldest of seen) {
        if (seen.size <= maxExposures) break;
        seen.delete(oldest);
      }
      return isRepeated;
    },
    onLost: exposure => void seen.delete(exposure),
  };
};
