import type { LastError } from './follower-state.ts';
import type { Address } from './synced-resource.ts';

/** An event as JSON, so that later changes of the objects of the application have no effect on it. */
export type QueuedEvent = {
  readonly text: string;
  /** Identifies an exposure. Undefined for a tracking event. */
  readonly exposure?: string | undefined;
};

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

type StatusSource = () => { readonly status: () => EventStatus } | undefined;

/** Adds the state of the events of a provider to its emitter. `source` returns undefined before the first event. */
export function withEventStatus<Emitter extends object>(
  emitter: Emitter,
  source: StatusSource,
): Emitter & EventStatus;
export function withEventStatus(emitter: object, source: StatusSource): object {
  for (const [name, value] of Object.entries(NOTHING_SENT))
    Object.defineProperty(emitter, name, {
      get: () => ({ [name]: value, ...source()?.status() })[name],
    });
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
