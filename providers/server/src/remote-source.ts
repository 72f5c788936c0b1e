import { HEARTBEAT_MS, isSourceStale, pausedError, staleSourceError } from '@pennon/sync';
import type { Pause, Runtime, SyncError } from '@pennon/sync';

import type { Freshness } from './sources.ts';

/** How current the servers are that evaluate, by the source age that they send with their responses. */
export type RemoteSource = {
  /** Why results may be out of date, or undefined while the servers are current. */
  readonly staleError: () => SyncError | undefined;
  /** What differs from the freshness of the flag set, or undefined while the servers are current. */
  readonly freshness: () => Omit<ResponseFreshness, 'source'> | undefined;
  /** Whether no server has responded for as long as a stream may be silent between two heartbeats. */
  readonly isSilent: () => boolean;
  /** The freshness of results from servers that respond, for a key that cannot read the flag set. */
  readonly responseFreshness: () => ResponseFreshness;
  /**
   * Must be called for each request. Returns a function that takes the source age of the response, and ignores one
   * that was requested before a pause.
   */
  readonly expectResponse: () => (ageMs: number | undefined) => void;
  /** Requires a response after a pause before results count as current. */
  readonly afterPause: (pause: Pause) => void;
  stop(): void;
};

type ResponseFreshness = Pick<Freshness, 'mode' | 'dataAgeMs' | 'sourceAgeMs' | 'source'>;

/** The servers are cut off again so soon if a load balancer alternates between them. */
const REPEATED_MS = 30_000;
/** One current response is not enough then. */
const CALM_MS = 5_000;
const CHECK_MS = 5_000;

type LastResponse = { readonly at: number; readonly ageMs: number | undefined };

type Stale = LastResponse & {
  readonly error: SyncError;
  readonly ageMs: number;
  /** Whether they were current for a short time only. */
  readonly isRepeated: boolean;
};

/** While results do not count as current, `probe` is called at intervals, so that no evaluation is needed to notice it. */
export const createRemoteSource = (
  { monotonic, setTimer, random }: Runtime,
  probe: () => Promise<void>,
  onChange: () => void,
): RemoteSource => {
  let stale: Stale | undefined;
  let unconfirmed: SyncError | undefined;
  let pauses = 0;
  let last: LastResponse | undefined;
  let recoveredAt = -Infinity;
  let isStopped = false;
  let cancelTimer: () => void = () => undefined;

  const staleError = () => stale?.error ?? unconfirmed;
  const checkLater = () => {
    if (staleError() === undefined || isStopped) return;
    cancelTimer();
    cancelTimer = setTimer((CHECK_MS / 2) * (1 + random()), () => void probe().then(checkLater));
  };
  const enter = (ageMs: number) => {
    const at = monotonic();
    const isChange = stale === undefined;
    const isRepeated = stale?.isRepeated ?? at - recoveredAt < REPEATED_MS;
    stale = { error: staleSourceError(ageMs), at, ageMs, isRepeated };
    if (!isChange) return;
    onChange();
    checkLater();
  };
  const leave = ({ at, isRepeated }: Stale) => {
    if (isRepeated && monotonic() - at < CALM_MS) return;
    stale = undefined;
    recoveredAt = monotonic();
    cancelTimer();
    onChange();
  };
  const receive = (ageMs: number | undefined) => {
    last = { at: monotonic(), ageMs };
    const wasUnconfirmed = unconfirmed !== undefined;
    unconfirmed = undefined;
    if (isSourceStale(ageMs)) enter(ageMs);
    else if (stale !== undefined) leave(stale);
    if (wasUnconfirmed) onChange();
  };
  const ageOf = ({ at, ageMs = 0 }: LastResponse): number => monotonic() - at + ageMs;

  return {
    staleError,
    freshness() {
      if (stale === undefined) return undefined;
      return { mode: 'stale', dataAgeMs: ageOf(stale), sourceAgeMs: stale.ageMs };
    },
    isSilent: () => last !== undefined && monotonic() - last.at >= HEARTBEAT_MS,
    responseFreshness: () => ({
      mode: unconfirmed === undefined ? 'polling' : 'connecting',
      source: 'poll',
      dataAgeMs: last && ageOf(last),
      sourceAgeMs: last?.ageMs,
    }),
    expectResponse() {
      const pausesBefore = pauses;
      return ageMs => {
        if (!isStopped && pauses === pausesBefore) receive(ageMs);
      };
    },
    afterPause(pause) {
      pauses += 1;
      last = last && { ...last, at: last.at - pause.unmeasuredMs };
      stale = stale && { ...stale, at: stale.at - pause.unmeasuredMs };
      unconfirmed = pausedError(pause);
      onChange();
      void probe().then(checkLater);
    },
    stop() {
      isStopped = true;
      cancelTimer();
    },
  };
};
