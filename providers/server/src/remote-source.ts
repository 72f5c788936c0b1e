import { isSourceStale, staleSourceError } from '@pennon/sync';
import type { Runtime, SyncError } from '@pennon/sync';

import type { Freshness } from './sources.ts';

/** How current the servers are that evaluate, by the source age that they send with their responses. */
export type RemoteSource = {
  /** Why results may be out of date, or undefined while the servers are current. */
  readonly staleError: () => SyncError | undefined;
  /** What differs from the freshness of the flag set, or undefined while the servers are current. */
  readonly freshness: () => Pick<Freshness, 'mode' | 'dataAgeMs' | 'sourceAgeMs'> | undefined;
  /** Takes the source age of a response. */
  readonly report: (ageMs: number | undefined) => void;
  stop(): void;
};

/** A load balancer may alternate between servers, so one current response is not enough. */
const CALM_MS = 5_000;
const CHECK_MS = 15_000;

type Stale = { readonly error: SyncError; readonly at: number; readonly ageMs: number };

/** While the servers are not current, `probe` is called at intervals, so that no evaluation is needed to notice it. */
export const createRemoteSource = (
  { monotonic, setTimer, random }: Runtime,
  probe: () => Promise<void>,
  onChange: () => void,
): RemoteSource => {
  let stale: Stale | undefined;
  let isStopped = false;
  let cancelTimer: () => void = () => undefined;

  const checkLater = () => {
    if (stale === undefined || isStopped) return;
    cancelTimer = setTimer((CHECK_MS / 2) * (1 + random()), () => void probe().then(checkLater));
  };
  const enter = (next: Stale) => {
    const isChange = stale === undefined;
    stale = next;
    if (!isChange) return;
    onChange();
    checkLater();
  };
  const leave = () => {
    stale = undefined;
    cancelTimer();
    onChange();
  };

  return {
    staleError: () => stale?.error,
    freshness() {
      if (stale === undefined) return undefined;
      const { at, ageMs } = stale;
      return { mode: 'stale', dataAgeMs: monotonic() - at + ageMs, sourceAgeMs: ageMs };
    },
    report(ageMs) {
      if (isStopped) return;
      if (isSourceStale(ageMs)) enter({ error: staleSourceError(ageMs), at: monotonic(), ageMs });
      else if (stale !== undefined && monotonic() - stale.at >= CALM_MS) leave();
    },
    stop() {
      isStopped = true;
      cancelTimer();
    },
  };
};
