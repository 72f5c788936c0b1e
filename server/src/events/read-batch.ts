import { createHmac } from 'node:crypto';

import { describeIssues, EventBatch, isJsonObject, LIMITS, TrackedEvent } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import type { MeasuredRecords } from '../experiments/design.ts';
import { parseMeasurements } from '../parse-json.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { EventStore, NewEntry } from '../store/event-store.ts';
import type { Ledger } from '../store/store.ts';
import type { LoggedEvent, LogRecord, Refused } from './log-record.ts';
import type { MeasuredRuns } from './measured-runs.ts';

/** Why an event was not accepted. */
export const REJECTION_CODES = [
  'INVALID',
  'TOO_LARGE',
  'TOO_OLD',
  'UNKNOWN_EXPERIMENT',
  'UNKNOWN_EVENT',
  'MISMATCH',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

export type EventsResult = {
  readonly accepted: number;
  readonly rejected: readonly {
    readonly index: number;
    readonly code: RejectionCode;
    readonly message: string;
  }[];
};

type Rejection = { readonly code: RejectionCode; readonly message: string };
type Read = { readonly events: readonly LoggedEvent[] } | Rejection;

/** A batch, or the bytes of a request that has one. */
export type BatchSource =
  | { readonly batch: EventBatch }
  | {
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Whether the JSON also has the key of the caller. */
      readonly hasKey: boolean;
    };

/** A request with what is known of its caller. */
export type AcceptInput = {
  readonly ledger: Ledger<'flagSet'>;
  readonly source: BatchSource;
  /** Whether the caller sees only flags that are `clientVisible`. */
  readonly visibleOnly: boolean;
  readonly now: number;
  /** The secret that units are hashed with. */
  readonly secret: string;
  /** Whether the log keeps the values of units beside their hashes. */
  readonly keepsUnits: boolean;
};

/** What is measured in an environment. */
export type MeasuredEnvironment = {
  readonly records: MeasuredRecords;
  readonly runs: MeasuredRuns;
};

type BatchScope = {
  readonly batch: EventBatch;
  readonly runs: MeasuredRuns;
  readonly now: number;
  readonly isVisible: (flag: string) => boolean;
  readonly flagOf: (experiment: string) => string | undefined;
  readonly hash: (attribute: string, unit: string) => string;
  readonly keepsUnits: boolean;
};

/** Events are sent again for so long. */
const MAX_AGE_MS = 24 * 3_600_000;
/** Until when an event may be folded. The clocks of servers differ by less than the hour beyond. */
export const LATEST_MS = MAX_AGE_MS + 3_600_000;

/** Adds the events of a request to the log. Resolves when the log has them. */
export const acceptBatch = async (
  store: EventStore,
  { records, runs }: MeasuredEnvironment,
  { ledger, source, visibleOnly, now, secret, keepsUnits }: AcceptInput,
): Promise<EventsResult> => {
  const batch = 'batch' in source ? source.batch : readBatch(source);
  const scope: BatchScope = {
    batch,
    runs,
    now,
    isVisible: key => {
      const flag = records.flags.get(key)?.document;
      return visibleOnly ? flag?.clientVisible === true : flag !== undefined;
    },
    flagOf: key => (records.experiments.get(key) ?? records.ramps.get(key))?.document.flag,
    hash: (attribute, unit) => hashUnit(secret, attribute, unit),
    keepsUnits,
  };
  const read = batch.events.map(event => readEvent(scope, event));
  const rejected = read.flatMap((each, index) => ('code' in each ? [{ index, ...each }] : []));
  const logged = read.flatMap(each => ('code' in each ? [] : each.events));
  const refused = refusedIn(scope, rejected);
  const entries = entriesOf(batch, { logged, refused, now }, store.partitions);
  if (entries.length > 0) await appendEvents(store, ledger, entries);
  return { accepted: batch.events.length - rejected.length, rejected };
};

const readBatch = ({
  bytes,
  hasKey,
}: Extract<BatchSource, { bytes: Uint8Array<ArrayBuffer> }>): EventBatch => {
  const json = parseMeasurements(bytes);
  const { key, ...rest } = isJsonObject(json) ? json : {};
  requireFewEvents(rest['events']);
  return parseOrThrow(EventBatch, hasKey || key === undefined ? rest : { key, ...rest });
};

/** Throws PAYLOAD_TOO_LARGE for a list of more events than a batch may have. */
const requireFewEvents = (events: unknown): void => {
  if (!Array.isArray(events) || events.length <= LIMITS.eventsPerBatch) return;
  const message = `must have at most ${LIMITS.eventsPerBatch} entries: send the others in a batch of their own`;
  throw new PennonError('PAYLOAD_TOO_LARGE', `events ${message}`, {
    details: [{ path: 'events', message }],
  });
};

const RETRY_AFTER_SECONDS = 5;

/** Adds entries to the log. Throws SERVICE_UNAVAILABLE if that fails. */
export const appendEvents = async (
  store: EventStore,
  ledger: Ledger<'flagSet'>,
  entries: readonly NewEntry[],
): Promise<void> => {
  try {
    await store.append(ledger, entries);
  } catch (cause) {
    throw new PennonError(
      'SERVICE_UNAVAILABLE',
      'the log of events cannot be written; send the batch again',
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
      { cause },
    );
  }
};

/** Returns why a value does not have the form of an event. */
const formProblem = (input: unknown): string | undefined => {
  if (!isJsonObject(input))
    return 'the event must be a JSON object such as {"type": "exposure", …} or {"type": "track", …}';
  const { type } = input;
  return type === 'exposure' || type === 'track' ? undefined : 'type must be "exposure" or "track"';
};

const readEvent = (scope: BatchScope, input: unknown): Read => {
  const problem = formProblem(input);
  if (problem !== undefined) return { code: 'INVALID', message: problem };
  const parsed = TrackedEvent.safeParse(input);
  if (!parsed.success) {
    const [{ path, message } = { path: '', message: 'is not an event' }] = describeIssues(
      parsed.error,
    );
    return { code: 'INVALID', message: `${path} ${message}`.trim() };
  }
  const event = parsed.data;
  if (Buffer.byteLength(JSON.stringify(event)) > LIMITS.eventBytes)
    return { code: 'TOO_LARGE', message: `must have at most ${LIMITS.eventBytes} bytes` };
  const timeMs = correctedTime(scope, event.timeMs);
  if (scope.now - timeMs > MAX_AGE_MS)
    return { code: 'TOO_OLD', message: 'is more than 24 hours old' };
  return event.type === 'exposure'
    ? readExposure(scope, { ...event, timeMs })
    : readTracked(scope, { ...event, timeMs });
};

/** The clocks of phones are wrong, but the time between an event and its sending is right. */
const correctedTime = ({ batch, now }: BatchScope, timeMs: number): number =>
  Math.min(now, timeMs + (now - batch.sentAtMs));

const readExposure = (
  scope: BatchScope,
  event: Extract<TrackedEvent, { type: 'exposure' }>,
): Read => {
  const { experiment, variant, unit, timeMs } = event;
  const run = scope.runs.byExperiment.get(experiment);
  const flag = scope.flagOf(experiment);
  if (run === undefined || flag === undefined || !scope.isVisible(flag))
    return { code: 'UNKNOWN_EXPERIMENT', message: `no experiment "${experiment}" is running` };
  const isKnown = run.variants.includes(variant);
  if (!isKnown || (scope.batch.hashedUnits !== true && !run.serves(unit, variant)))
    return {
      code: 'MISMATCH',
      message: `the rule of experiment "${experiment}" does not serve this unit the variant "${variant}"`,
    };
  return {
    events: [
      {
        type: 'exposure',
        experiment,
        run: run.run,
        variant,
        unit: scope.hash(run.attribute, unit),
        timeMs,
        ...(scope.keepsUnits && { clear: unit }),
      },
    ],
  };
};

const readTracked = (scope: BatchScope, event: Extract<TrackedEvent, { type: 'track' }>): Read => {
  const { name, timeMs, value, attributes, units } = event;
  if (!scope.runs.eventNames.has(name))
    return { code: 'UNKNOWN_EVENT', message: `no metric has the event "${name}"` };
  return {
    events: Object.entries(units).map(([attribute, unit]) => ({
      type: 'track',
      name,
      timeMs,
      ...(value !== undefined && { value }),
      ...(attributes !== undefined && { attributes }),
      attribute,
      unit: scope.hash(attribute, unit),
      ...(scope.keepsUnits && { clear: unit }),
    })),
  };
};

const UNIT_BYTES = 8;

/** Returns what stands for a unit in the log and in its state. */
export const hashUnit = (secret: string, attribute: string, unit: string): string =>
  createHmac('sha256', secret)
    .update(`${attribute}\0${unit}`)
    .digest()
    .subarray(0, UNIT_BYTES)
    .toString('base64url');

const DEFAULT_SDK = 'unknown';

const refusedIn = (
  { batch, runs }: BatchScope,
  rejected: EventsResult['rejected'],
): Refused | undefined => {
  const { dropped = { exposures: 0, tracks: 0 }, sdk = DEFAULT_SDK, events } = batch;
  if (rejected.length === 0 && batch.dropped === undefined) return undefined;
  const count = (names: readonly string[]): Record<string, number> => {
    const counts = new Map<string, number>();
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    return Object.fromEntries(counts);
  };
  const fieldOf = (index: number, name: string): string[] => {
    const value: unknown = Reflect.get(Object(events[index]), name);
    return typeof value === 'string' ? [value] : [];
  };
  const indexes = (code: RejectionCode): number[] =>
    rejected.flatMap(each => (each.code === code ? [each.index] : []));
  return {
    rejected: count(rejected.map(({ code }) => code)),
    mismatched: count(
      indexes('MISMATCH')
        .flatMap(index => fieldOf(index, 'experiment'))
        .flatMap(experiment => runs.byExperiment.get(experiment)?.run ?? [])
        .map(run => `${run} ${sdk}`),
    ),
    dropped,
    unknownEvents: [
      ...new Set(indexes('UNKNOWN_EVENT').flatMap(index => fieldOf(index, 'name'))),
    ].slice(0, MAX_NAMES),
  };
};

const MAX_NAMES = 100;

type Accepted = {
  readonly logged: readonly LoggedEvent[];
  readonly refused: Refused | undefined;
  readonly now: number;
};

/** Returns one entry for each partition that has events of the batch. */
const entriesOf = (
  { instance, sequence, sdk = DEFAULT_SDK, hashedUnits }: EventBatch,
  { logged, refused, now }: Accepted,
  partitions: number,
): NewEntry[] => {
  const byPartition = Map.groupBy(logged, ({ unit }) => partitionOf(unit, partitions));
  if (refused !== undefined && !byPartition.has(0)) byPartition.set(0, []);
  return Array.from(byPartition, ([number, events]) => {
    const record: LogRecord = {
      instance,
      sequence,
      sdk,
      ...(hashedUnits === true && { hashedUnits }),
      events,
      ...(number === 0 && refused !== undefined && { refused }),
    };
    return { number, at: now, text: JSON.stringify(record) };
  });
};

const HEX_DIGITS_OF_BYTE = 256;

export const partitionOf = (unit: string, partitions: number): number =>
  (Buffer.from(unit, 'base64url')[0] ?? 0) % Math.min(partitions, HEX_DIGITS_OF_BYTE);
