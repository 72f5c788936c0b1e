import { isSourceStale, staleSourceError } from '@pennon/sync';
import type { Runtime, SyncError } from '@pennon/sync';

import type { Freshness } from './sources.ts';

/** How current the servers are that evaluate, by the source age that they send with their responses. */
export type RemoteSource = {
  /** Why results may be out of date, or undefined while the servers are current. */
  readonly staleError: () => SyncError | undefined;
  /** What differs from the freshness of the flag set, or undefined while the servers are current. */
  readonly freshness: () => Omit<ResponseFreshness, 'source'> | undefined;
  /** The freshness of results from servers that respond, for a key that cannot read the flag set. */
  readonly responseFreshness: () => ResponseFreshness;
  /** Takes the source age of a response. */
  readonly report: (ageMs: number | undefined) => void;
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

/** While the servers are not current, `probe` is called at intervals, so that no evaluation is needed to notice it. */
export const createRemoteSource = (
  { monotonic, setTimer, random }: Runtime,
  probe: () => Promise<void>,
  onChange: () => void,
): RemoteSource => {
  let stale: Stale | undefined;
  let last: LastResponse | undefined;
  let recoveredAt = -Infinity;
  let isStopped = false;
  let cancelTimer: () => void = () => undefined;

  const checkLater = () => {
    if (stale === undefined || isStopped) return;
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
  const ageOf = ({ at, ageMs = 0 }: LastResponse): number => monotonic() - at + ageMs;

  return {
    staleError: () => stale?.error,
    freshness() {
      if (stale === undefined) return undefined;
      return { mode: 'stale', dataAgeMs: ageOf(stale), sourceAgeMs: stale.ageMs };
    },
    responseFreshness: () => ({
      mode: 'polling',
      source: 'poll',
      dataAgeMs: last && ageOf(last),
      sourceAgeMs: last?.ageMs,
    }),
    report(ageMs) {
      if (isStopped) return;
      last = { at: monotonic(), ageMs };
      if (isSourceStale(ageMs)) enter(ageMs);
      else if (stale !== undefined) leave(stale);
    },
    stop() {
      isStopped = true;
      cancelTimer();
    },
  };
};
