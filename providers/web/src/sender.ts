import {
  buildRequest,
  bytesOf,
  createConnectionScope,
  inParts,
  isAuthError,
  isJsonObject,
  isRequestError,
  newInstance,
  parseJsonObject,
  RESPONSE_TIMEOUT_MS,
  retryDelay,
  sha256,
  toSyncError,
  trueWithin,
  unitOf,
  VERSION,
} from '@pennon/sync';
import type { EventStatus, LastError, Outcome, Runtime, SyncError, Values } from '@pennon/sync';

import {
  FLUSH_EVENTS,
  FLUSH_TIMEOUT_MS,
  GIVE_UP_MS,
  MAX_ATTRIBUTES,
  MAX_BATCH_BYTES,
  MAX_BATCH_EVENTS,
  MAX_COUNT,
  MAX_EVENT_BYTES,
  MAX_NAME_LENGTH,
  MAX_OUTCOMES,
  MAX_REMEMBERED,
  MAX_STORED,
  MAX_STORED_MS,
  MAX_UNIT_LENGTH,
  MAX_USAGE_ENTRIES,
  USAGE_INTERVAL_MS,
} from './limits.ts';
import type { OnlineOptions } from './options.ts';
import type { ServerOptions } from './shared-follower.ts';
import { browserStorage, listOf, objectOf, readJson, writeJson } from './storage.ts';
import type { ValueStorage } from './storage.ts';
import { hashOf } from './subject.ts';

const SDK = `@pennon/web-provider ${VERSION}`;

type PageEvent = { readonly type: 'exposure' | 'track' } & Readonly<Record<string, unknown>>;
type Units = Readonly<Record<string, string>>;

/**
 * What one request has: events, or else counts. One that is sent again has the same sequence, so that it counts once.
 * `at` is when it was made, in milliseconds since 1970.
 */
type Batch = { readonly instance: string; readonly sequence: number } & (
  | { readonly events: PageEvent[]; readonly at: number; readonly dropped?: Lost | undefined }
  | { readonly events?: undefined; readonly counts: unknown; readonly [field: string]: unknown }
);

/** How many events of each type were dropped. */
type Lost = { readonly exposures: number; readonly tracks: number };

/** How often the page got a variant of a flag for a reason, or a key that is not that of a flag. */
type Count = readonly [flagKey: string, variant: string | null, reason: string, count: number];

/** A tracking event whose units are not known yet. */
type HeldEvent = readonly [event: PageEvent, name: string, context: unknown];

/** What the server has not accepted, the oldest first. The first one may be on its way. */
type Lane = readonly [
  waiting: Set<Batch>,
  /** Sends what waits. Resolves when nothing does. If it is urgent, does not wait, unless the server requires it. */
  start: (isUrgent?: boolean) => Promise<void>,
  isSending: () => boolean,
  /** Sends the rest once. */
  end: () => Promise<unknown>,
];

/** Sends what a page reports: exposures, tracking events, and how often it got each variant. Never throws. */
export type Sender = {
  /** Counts what the page got. */
  count(flagKey: string, outcome: Outcome): void;
  /**
   * Returns the key of the running experiment whose rule has served the result, if there is one. Also sends the
   * exposure of the unit, unless it was sent before.
   */
  expose(flagKey: string, ruleId: string, variant: string, context: unknown): string | undefined;
  /** Sends an event if it is measured. Until it is known what is measured, the event waits. */
  track(name: string, context: unknown, details: object): void;
  /** Sends the events that have waited, if it is known what is measured, and what earlier pages have stored. */
  release(): void;
  readonly status: () => EventStatus;
  /** Sends what waits. Resolves to whether the server has accepted it within 2 s. */
  flush(): Promise<boolean>;
  /** Sends what waits when the page is left, from now on. */
  listen(): void;
  /** Sends the rest. Waits for the server, but at most 2 s. */
  close(): Promise<void>;
};

/** `values` returns those that are in use. */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const createSender = (
  options: OnlineOptions,
  server: ServerOptions,
  storage: ValueStorage | undefined,
  values: () => Values | undefined,
  onProblem: (message: string) => void,
  runtime: Runtime,
): Sender => {
  const { now, monotonic, random, setTimer } = runtime;
  const { usage: isCounting = true, events } = options;
  const { enabled: isEnabled = true, hashUnits, flushMs = 2_000, queue = 500 } = { ...events };
  const site = hashOf(JSON.stringify([server.url, server.key, server.headers]));
  const slot = `pennon:events:${site}`;
  const sessionSlot = `pennon:exposures:${site}`;
  const session = storage && browserStorage('sessionStorage');
  const instance = newInstance();
  const closing = new AbortController();

  /** The events that are in no batch. */
  let open: PageEvent[] = [];
  let openBytes = 0;
  let held: HeldEvent[] = [];
  /** Resolves when the units of all events so far are hashed. */
  let hashed: Promise<unknown> = Promise.resolve();
  let sequence = 0;
  let sent = 0;
  let dropped = 0;
  /** Dropped since the last batch. */
  let lost: { exposures: number; tracks: number } | undefined;
  let lastError: LastError | undefined;
  let isRestored = false;
  let measured: Values | undefined;
  let isDue = false;
  let isEnded = false;
  let cancelTimer = () => {};

  const counts = new Map<string, Count>();
  let reports = 0;
  let countedFrom = 0;
  let cancelReport: (() => void) | undefined;

  const recordError = (message: string, status?: number) => {
    lastError = { message, status, at: now() };
  };
  const lose = (type: PageEvent['type'], reason?: string) => {
    dropped += 1;
    lost ??= { exposures: 0, tracks: 0 };
    lost[`${type}s`] += 1;
    if (reason !== undefined) recordError(reason);
  };
  const queued = () => {
    let size = open.length;
    for (const batch of waiting) size += batch.events?.length ?? 0;
    return size;
  };

  /** Changes what the next page sends. Pages of the same site share the storage. */
  const store = (added: readonly Batch[], removed?: Batch) => {
    const rest = listOf(readJson(storage, slot)).filter(
      batch =>
        isStored(batch, now()) &&
        (batch.instance !== removed?.instance || batch.sequence !== removed.sequence),
    );
    const latest = [...rest, ...added];
    while (JSON.stringify(latest).length > MAX_STORED) latest.shift();
    writeJson(storage, slot, latest.length > 0 ? latest : undefined);
  };

  const bodyOf = (batch: Batch, key?: string): string => {
    const { events: all, ...fields } = batch;
    const body = all
      ? {
          ...fields,
          at: undefined,
          sentAtMs: now(),
          ...(hashUnits && { hashedUnits: true }),
          events: all,
        }
      : fields;
    return JSON.stringify({ ...body, key, sdk: SDK });
  };
  const requestOf = (batch: Batch) => buildRequest(server, routeOf(batch), { body: bodyOf(batch) });
  const accept = (batch: Batch, rejected: number) => {
    if (!batch.events) return;
    dropped += rejected;
    sent += batch.events.length - rejected;
    store([], batch);
  };

  /** Sends the batches of one route, one after the other. The failures of a route do not delay the other one. */
  const createLane = (onIdle: () => void): Lane => {
    const scope = createConnectionScope(runtime);
    const waiting = new Set<Batch>();
    let running: Promise<void> | undefined;
    let isAsleep = false;
    let isRefused = false;

    /** Sends a batch once. Resolves to the error, if there is one. */
    const send = async (
      batch: Batch,
      connection: typeof scope,
      timeoutMs: number,
    ): Promise<SyncError | undefined> => {
      let response = '';
      const error = await connection
        .send(requestOf(batch), timeoutMs, text => void (response += text))
        .then(() => undefined, toSyncError);
      if (error || !waiting.delete(batch)) return error;
      isRefused = false;
      const rejected = listOf(parseJsonObject(response)?.['rejected']);
      if (rejected.length > 0)
        recordError(`an event was rejected: ${String(objectOf(rejected[0])['message'])}`);
      accept(batch, rejected.length);
      return undefined;
    };
    const giveUp = (batch: Batch, { message, status }: SyncError, isFinal: boolean) => {
      waiting.delete(batch);
      if (!isRefused) onProblem(`the server does not accept ${routeOf(batch)}: ${message}`);
      isRefused = true;
      if (!batch.events) return;
      recordError(message, status);
      // The next page tries again.
      if (storage && !isFinal) return;
      for (const { type } of batch.events) lose(type);
      if (lost && batch.dropped) {
        lost.exposures += batch.dropped.exposures;
        lost.tracks += batch.dropped.tracks;
      }
      store([], batch);
    };
    /** Sends a batch until it is accepted or given up, or until the browser is responsible for it. */
    const deliver = async (batch: Batch): Promise<void> => {
      const giveUpAt = monotonic() + GIVE_UP_MS;
      for (let failures = 0; waiting.has(batch) && !scope.isClosed(); failures += 1) {
        const error = await send(batch, scope, RESPONSE_TIMEOUT_MS);
        if (!error || !waiting.has(batch) || scope.isClosed()) return;
        const delay = Math.max(scope.retryAfterMs(), retryDelay(failures, random));
        const isFinal = isAuthError(error) || isRequestError(error);
        if (isFinal || monotonic() + delay > giveUpAt) return giveUp(batch, error, isFinal);
        isAsleep = true;
        await scope.sleep(delay);
        isAsleep = false;
      }
    };
    const deliverAll = async () => {
      for (const batch of waiting) await deliver(batch);
      running = undefined;
      onIdle();
    };
    return [
      waiting,
      async isUrgent => {
        if (isUrgent && isAsleep) scope.interrupt();
        // Without a batch, the delivery would end before it is known to run.
        if (waiting.size > 0) await (running ??= deliverAll());
      },
      () => running !== undefined,
      () => {
        scope.close();
        const last = createConnectionScope(runtime);
        return Promise.all([...waiting].map(batch => send(batch, last, FLUSH_TIMEOUT_MS)));
      },
    ];
  };
  const [waiting, start, isSending, end] = createLane(() => {
    if (open.length > 0) schedule(isFull() ? 0 : flushMs);
  });
  const [reportsWaiting, startReports, isReporting, endReports] = createLane(() => {});

  const schedule = (ms: number) => {
    cancelTimer();
    if (!isEnded) cancelTimer = setTimer(ms, tick);
  };
  const isFull = () => open.length >= FLUSH_EVENTS || openBytes >= MAX_BATCH_BYTES;
  /** Makes batches of the events that are in none. */
  const seal = () => {
    cancelTimer();
    isDue = false;
    const batches = inParts(open, JSON.stringify, MAX_BATCH_EVENTS, MAX_BATCH_BYTES).map(part => {
      const batch = { instance, sequence: (sequence += 1), at: now(), events: part, dropped: lost };
      lost = undefined;
      return batch;
    });
    open = [];
    openBytes = 0;
    for (const batch of batches) waiting.add(batch);
    if (batches.length > 0) store(batches);
  };
  const tick = () => {
    isDue = false;
    // While a batch is on its way, only whole ones are made. The others follow when it has arrived.
    if (!isSending() || isFull()) seal();
    void start();
  };

  /** Removes the oldest tracking event or, if there is none, the oldest exposure. The first batch may be on its way. */
  const makeRoom = () => {
    const batches = [...waiting].slice(1);
    const lists = [...batches.map(batch => batch.events ?? []), open];
    for (const type of ['track', 'exposure'] as const)
      for (const list of lists) {
        const index = list.findIndex(event => event.type === type);
        if (index < 0) continue;
        list.splice(index, 1);
        for (const batch of batches) if (batch.events?.length === 0) waiting.delete(batch);
        return lose(type);
      }
  };
  const add = (event: PageEvent, units: Units) => {
    const whole = { ...event, ...(event.type === 'track' ? { units } : units) };
    const text = JSON.stringify(whole);
    if (bytesOf(text).length > MAX_EVENT_BYTES)
      return lose(event.type, `an event has more than ${MAX_EVENT_BYTES} bytes`);
    if (isEnded) return;
    open.push(whole);
    openBytes += text.length;
    // Also for what earlier pages have stored.
    for (let excess = queued() - queue; excess > 0; excess -= 1) makeRoom();
    if (isFull()) {
      if (!isDue) schedule(0);
      isDue = true;
    } else if (open.length === 1) schedule(flushMs);
  };
  const addUnits = (event: PageEvent, units: Units) => {
    if (!hashUnits) return add(event, units);
    const hashes = Object.entries(units).map(async ([name, unit]): Promise<[string, string]> => [
      name,
      await sha256(unit),
    ]);
    const added = Promise.all(hashes).then(
      all => add(event, Object.fromEntries(all)),
      () => lose(event.type, 'units can be hashed in secure contexts only'),
    );
    hashed = Promise.all([hashed, added]);
  };

  const seen = new Set<string>();
  /** Remembers the exposures of this tab, as hashes, because units may be personal data. */
  const isRepeated = (exposure: string): boolean => {
    if (seen.has(exposure)) return true;
    if (seen.size === MAX_REMEMBERED) seen.clear();
    seen.add(exposure);
    const hash = hashOf(exposure);
    const stored = listOf(readJson(session, sessionSlot));
    if (stored.includes(hash)) return true;
    writeJson(session, sessionSlot, [...stored, hash].slice(-MAX_REMEMBERED));
    return false;
  };

  /** Returns the last values that were in use: a new context has none at first, and the same is measured. */
  const latest = () => (measured = values() ?? measured);
  /** Returns the running experiments, by key. */
  const experiments = () =>
    Object.entries(objectOf(latest()?.experiments)).map(
      ([key, experiment]) => [key, objectOf(experiment)] as const,
    );
  const release = () => {
    const current = latest();
    if (!current) return;
    if (isEnabled && !isRestored) {
      isRestored = true;
      const stored = listOf(readJson(storage, slot)).filter(batch => isStored(batch, now()));
      for (const batch of stored) waiting.add(batch);
      if (stored.length > 0) schedule(flushMs);
    }
    const { tracked } = current;
    // What was done before an experiment belongs to the targeting key.
    const names = new Set(['targetingKey', ...experiments().map(([, { unit }]) => String(unit))]);
    const released = held;
    held = [];
    for (const [event, name, context] of released) {
      const units = [...names].flatMap((unitName): [string, string][] => {
        const unit = unitOf(context, unitName);
        return unit === undefined || unit.length > MAX_UNIT_LENGTH ? [] : [[unitName, unit]];
      });
      const isTracked = current.experiments && (!Array.isArray(tracked) || tracked.includes(name));
      if (isTracked && units.length > 0) addUnits(event, Object.fromEntries(units));
    }
  };
  /** An application must not fail because of what it passes, such as an object that contains itself. */
  const guard = (type: PageEvent['type'], act: () => void) => {
    try {
      if (isEnabled) act();
    } catch (error) {
      lose(type, `an event cannot be sent: ${String(error)}`);
    }
  };

  const scheduleReport = () => {
    if (!closing.signal.aborted)
      cancelReport ??= setTimer(USAGE_INTERVAL_MS * (0.8 + 0.4 * random()), () => {
        cancelReport = undefined;
        // What the server does not accept must not become more and more.
        if (isReporting()) return scheduleReport();
        report();
        void startReports();
      });
  };
  /** Makes reports of what was counted. What exceeds the limit of a count remains for the next one. */
  const report = () => {
    cancelReport?.();
    cancelReport = undefined;
    const until = now();
    const taken = [...counts].map(([id, [key, variant, reason, count]]): Count => {
      const rest = count - MAX_COUNT;
      if (rest > 0) counts.set(id, [key, variant, reason, rest]);
      else counts.delete(id);
      return [key, variant, reason, Math.min(count, MAX_COUNT)];
    });
    for (const part of inParts(taken, JSON.stringify, MAX_USAGE_ENTRIES, MAX_BATCH_BYTES))
      reportsWaiting.add({
        instance,
        sequence: (reports += 1),
        // The clock may have been set back.
        from: new Date(Math.min(countedFrom, until)),
        until: new Date(until),
        counts: part.filter(([, , reason]) => reason !== ''),
        unknown: part.filter(([, , reason]) => reason === '').map(([key]) => key),
      });
    countedFrom = until;
    if (counts.size > 0) scheduleReport();
  };

  const hasBeacons =
    !options.fetch &&
    Object.keys(server.headers).length === 0 &&
    'sendBeacon' in (globalThis.navigator ?? {});
  /** Passes a batch on to the browser, which sends it although the page may not live until the response. */
  const pass = (batch: Batch) => {
    const { url, init } = requestOf(batch);
    // Plain text with the key, because a browser requests permission before it sends JSON, for which there is no time.
    const isPassed =
      hasBeacons && navigator.onLine && navigator.sendBeacon(url, bodyOf(batch, server.key));
    // What a beacon has no room for, or no network, waits in the storage for the next page.
    if (!isPassed && hasBeacons && batch.events) return;
    // The page may be gone before the response, so a failure has no consequence.
    if (!isPassed) runtime.fetch(url, { ...init, keepalive: true }).catch(() => {});
    (batch.events ? waiting : reportsWaiting).delete(batch);
    accept(batch, 0);
  };
  const leave = () => {
    seal();
    // Before usage, because beacons have little room.
    for (const batch of waiting) pass(batch);
    leaveUsage();
  };
  const leaveUsage = () => {
    report();
    for (const batch of reportsWaiting) pass(batch);
  };
  const onHidden = () => {
    if (document.hidden) leave();
  };

  return {
    count(flagKey, { variant, reason = '', errorCode }) {
      const isUnknown = errorCode === 'FLAG_NOT_FOUND';
      const known = REASON.test(reason) ? reason : 'UNKNOWN';
      const entry = [flagKey, variant ?? null, isUnknown ? '' : known] as const;
      const id = JSON.stringify(entry);
      const count = counts.get(id)?.[3] ?? 0;
      if (
        !isCounting ||
        (count === 0 &&
          (counts.size === MAX_OUTCOMES ||
            !isName(flagKey) ||
            (variant !== undefined && !isName(variant))))
      )
        return;
      if (counts.size === 0) countedFrom = now();
      counts.set(id, [...entry, count + 1]);
      scheduleReport();
    },
    expose(flagKey, ruleId, variant, context) {
      const [key, experiment] =
        experiments().find(([, { flag, rule }]) => flag === flagKey && rule === ruleId) ?? [];
      if (experiment)
        guard('exposure', () => {
          const unit = unitOf(context, String(experiment['unit']));
          // The exposures of another run are not repetitions. Servers of earlier versions do not identify it.
          const exposure = JSON.stringify([experiment['run'] ?? key, variant, unit]);
          if (unit === undefined || isRepeated(exposure)) return;
          if (hashUnits || unit.length <= MAX_UNIT_LENGTH)
            addUnits({ type: 'exposure', experiment: key, variant, timeMs: now() }, { unit });
          else lose('exposure', `a unit has more than ${MAX_UNIT_LENGTH} characters`);
        });
      return key;
    },
    track(name, context, details) {
      guard('track', () => {
        const { value, ...attributes }: { readonly value?: unknown } = details;
        const size = Object.keys(attributes).length;
        if (!isName(name) || size > MAX_ATTRIBUTES)
          return lose(
            'track',
            `an event must have a name of 1 to ${MAX_NAME_LENGTH} characters, and at most ${MAX_ATTRIBUTES} attributes`,
          );
        // Later changes of the objects of the application have no effect on it.
        const copy = JSON.stringify({
          name,
          timeMs: now(),
          ...(Number.isFinite(value) && { value }),
          ...(size > 0 && { attributes }),
        });
        const event = { type: 'track', ...parseJsonObject(copy) } as const;
        held.push([event, name, { ...Object(context) }]);
        if (held.length > queue) {
          held.shift();
          lose('track', 'too many events wait for the first flags');
        }
        release();
      });
    },
    release,
    status: () => ({ queued: queued(), sent, dropped, lastError }),
    async flush() {
      await hashed;
      seal();
      // What is added during the flush is sent later.
      const isEmpty = start(true).then(() => waiting.size === 0);
      return trueWithin(isEmpty, FLUSH_TIMEOUT_MS, setTimer);
    },
    listen() {
      if (typeof document === 'undefined') return;
      // Phones end hidden pages without another event.
      document.addEventListener('visibilitychange', onHidden, closing);
      addEventListener('pagehide', leave, closing);
    },
    async close() {
      held = [];
      closing.abort();
      leaveUsage();
      await hashed;
      if (isEnded) return;
      seal();
      isEnded = true;
      // The `fetch` of an application may not end what is aborted.
      await trueWithin(
        Promise.all([end(), endReports()]).then(() => true),
        FLUSH_TIMEOUT_MS,
        setTimer,
      );
    },
  };
};

const routeOf = ({ events }: Batch): string => (events ? 'events' : 'usage');

/** The reasons that the server knows. Values that a newer server evaluated may have others. */
const REASON = /^(STATIC|DEFAULT|TARGETING_MATCH|SPLIT|CACHED|DISABLED|STALE|ERROR)$/;

/** Whether the server would accept the text. A character may be two units. */
const isName = (text: unknown): boolean => typeof text === 'string' && /^[^]{1,100}$/u.test(text);

type StoredBatch = Extract<Batch, { events: unknown[] }>;

const isStored = (batch: unknown, now: number): batch is StoredBatch =>
  isJsonObject(batch) &&
  // Earlier versions stored the text of each event.
  listOf(batch['events']).some(event => objectOf(event)['type']) &&
  Math.abs(now - Number(batch['at'])) < MAX_STORED_MS;
