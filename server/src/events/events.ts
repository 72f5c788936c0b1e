import type { EraseUnit } from '@pennon/schema';

import type { Clock } from '../clock.ts';
import type { MeasuredRecords } from '../experiments/design.ts';
import type { MomentsSource } from '../experiments/moments.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Random } from '../random.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { StoreEvents } from '../store/event-store.ts';
import type { Ledger } from '../store/store.ts';
import type { AcceptServices } from './accept.ts';
import { createEventCounters, type EventCounts } from './counts.ts';
import {
  createEventsHost,
  type Connection,
  type Input,
  type OperationName,
  type Output,
} from './host.ts';
import { measuredRecords, sameRecords } from './measured-records.ts';

type FlagSetLedger = Ledger<'flagSet'>;

/** The events of all environments. The work on them is done by an engine, in a thread unless they are in memory. */
export type Events = MomentsSource &
  AcceptServices['events'] & {
    /** Returns lines of JSON. */
    exportLog(
      environment: string,
      query: { readonly after: string | undefined; readonly limit: number },
    ): Promise<string>;
    erase(environment: string, unit: EraseUnit): Promise<void>;
    /** Folds everything that has been held long enough. */
    fold(): Promise<void>;
    /** What this process has done, for the metrics. */
    counts(): EventCounts;
    /** Removes what is known of the units of a deleted environment. */
    clear(ledger: FlagSetLedger): Promise<void>;
    close(): Promise<void>;
  };

type EventsDeps = {
  readonly events: StoreEvents;
  readonly registry: Registry;
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly keepsUnits?: boolean;
  readonly onError: (error: unknown, message: string) => void;
};

/** How often held events are folded. */
const FOLD_MS = 1_000;
/** How often an environment without a metric is folded. */
const UNMEASURED_MS = 3_600_000;
/** More than the hold of events, and than a store is away for a moment. */
const ERASING_MS = 10 * 60_000;
const INSTANCE_LENGTH = 20;

/** Receives events, has them folded, and returns the moments of runs. */
export const createEvents = (deps: EventsDeps): Events => {
  const { registry, control, clock, random, onError, keepsUnits = false } = deps;
  const host = createEventsHost(deps.events, {
    clock,
    onEnd: reason => onError(reason, 'the thread of the events has ended; it starts again'),
  });
  const counters = createEventCounters(clock);
  const measure = createMeasuring();
  const secretOf = ({ id }: FlagSetLedger): string => `${cursorSecret(control)} ${id}`;

  /** Calls the engine, which then has what is measured in the environment now. */
  const callFor = async <Name extends OperationName>(
    live: LiveFlagSet | undefined,
    name: Name,
    input: Input<Name>,
    transfer?: readonly ArrayBuffer[],
  ): Promise<Output<Name>> => {
    const connection = host.connect();
    if (live !== undefined) measure(connection, live);
    return connection.call(name, input, transfer);
  };
  const liveOf = ({ id }: FlagSetLedger): LiveFlagSet | undefined =>
    registry.all().find(({ replica }) => replica.ledger.id === id);

  /** Until when, on the monotonic clock, the logs of environments are read for an erasure, by ledger. */
  const erasing = new Map<string, number>();
  const isErasing = ({ id }: FlagSetLedger): boolean => (erasing.get(id) ?? 0) > clock.monotonic();

  const isMeasured = ({ replica }: LiveFlagSet): boolean =>
    replica.current().records.metrics.size > 0 || isErasing(replica.ledger);
  const nextUnmeasured = createUnmeasured(clock);

  /** Without a metric nothing is measured, and nothing is read but erasures and, now and then, what is unused. */
  const foldMeasured = async (): Promise<void> => {
    const all = registry.all();
    const unmeasured = nextUnmeasured(all.filter(live => !isMeasured(live)));
    const measured = [...all.filter(isMeasured), ...(unmeasured === undefined ? [] : [unmeasured])];
    if (measured.length === 0) return;
    const connection = host.connect();
    for (const live of measured) measure(connection, live);
    const ledgers = measured.map(({ replica }) => replica.ledger);
    counters.addFolded(await connection.call('fold', { ledgers, now: clock.now() }));
  };
  let folding: Promise<void> | undefined;
  const fold = (): Promise<void> => {
    folding ??= foldMeasured().finally(() => {
      folding = undefined;
    });
    return folding;
  };
  let isFailing = false;
  /** An outage is reported once. */
  const foldAndReport = async (): Promise<void> => {
    try {
      await fold();
      isFailing = false;
    } catch (error) {
      if (!isFailing && !isClosed) onError(error, 'events are not folded now');
      isFailing = true;
    }
  };
  let isClosed = false;
  let cancel = (): void => {};
  const schedule = (): void => {
    if (isClosed) return;
    cancel = clock.after(FOLD_MS, () => void foldAndReport().finally(schedule));
  };
  schedule();

  return {
    async accept(environment, { source, visibleOnly }) {
      const live = registry.find(environment);
      const { ledger } = live.replica;
      const secret = secretOf(ledger);
      const input = { ledger, source, visibleOnly, now: clock.now(), secret, keepsUnits };
      const transfer = 'bytes' in source ? [source.bytes.buffer] : [];
      const result = await callFor(live, 'accept', input, transfer);
      counters.addResult(result);
      return result;
    },
    async exportLog(environment, query) {
      const live = registry.find(environment);
      return callFor(live, 'exportLog', { ledger: live.replica.ledger, ...query });
    },
    async erase(environment, { attribute, unit }) {
      const live = registry.find(environment);
      const { ledger } = live.replica;
      const instance = random(INSTANCE_LENGTH);
      const secret = secretOf(ledger);
      const now = clock.now();
      await callFor(live, 'erase', { ledger, attribute, unit, secret, instance, now });
      erasing.set(ledger.id, clock.monotonic() + ERASING_MS);
    },
    fold,
    counts: () => ({ ...counters.read(), isDown: host.isDown(), failures: host.failures() }),
    moments: (ref, at) => callFor(liveOf(ref.ledger), 'moments', { ref, at, now: clock.now() }),
    data: (ref, at) => callFor(liveOf(ref.ledger), 'data', { ref, at, now: clock.now() }),
    environmentHealth: ledger =>
      callFor(liveOf(ledger), 'environmentHealth', { ledger, now: clock.now() }),
    seenEvents: ledger => callFor(liveOf(ledger), 'seenEvents', { ledger }),
    unit: (ref, unit) =>
      callFor(liveOf(ref.ledger), 'unit', { ref, unit, secret: secretOf(ref.ledger) }),
    clear: ledger => callFor(undefined, 'clear', { ledger }),
    async close() {
      isClosed = true;
      cancel();
      await folding?.catch(() => {});
      await host.close();
    },
  };
};

/**
 * Returns how to choose an environment without a metric that is folded next, so that what it has of units is removed.
 * Each is chosen once an hour, only one at a time, and the one that waits longest first.
 */
const createUnmeasured = (clock: Clock) => {
  const started = clock.monotonic();
  const folded = new WeakMap<LiveFlagSet, number>();
  const foldedAt = (live: LiveFlagSet): number => folded.get(live) ?? started;
  return (environments: readonly LiveFlagSet[]): LiveFlagSet | undefined => {
    const [next] = environments.toSorted((a, b) => foldedAt(a) - foldedAt(b));
    if (next === undefined || clock.monotonic() - foldedAt(next) < UNMEASURED_MS) return undefined;
    folded.set(next, clock.monotonic());
    return next;
  };
};

/** Returns how to send an engine what is measured in an environment, unless it has the same. */
const createMeasuring = () => {
  const sent = new WeakMap<Connection, Map<string, MeasuredRecords>>();
  const recordsOf = createRecordsCache();
  return (connection: Connection, live: LiveFlagSet): void => {
    const { ledger } = live.replica;
    const records = recordsOf(live);
    const known = sent.get(connection) ?? new Map<string, MeasuredRecords>();
    sent.set(connection, known);
    const before = known.get(ledger.id);
    if (before === records) return;
    known.set(ledger.id, records);
    if (before !== undefined && sameRecords(before, records)) return;
    // If the thread ends, the call for which this is has the error, too.
    connection.call('measure', { ledger, records }).catch(() => {});
  };
};

/** Returns how to read what is measured, once for each state of an environment. */
const createRecordsCache = () => {
  const known = new WeakMap<object, MeasuredRecords>();
  return ({ replica }: LiveFlagSet): MeasuredRecords => {
    const snapshot = replica.current();
    const records = known.get(snapshot) ?? measuredRecords(snapshot.records);
    known.set(snapshot, records);
    return records;
  };
};
