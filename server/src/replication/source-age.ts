import { ageOf, type Clock } from '../clock.ts';
import type { Outage } from './outage.ts';

/** Data that are older than this may be out of date: a replica is compared with its store every 5 s. */
export const SOURCE_STALE_MS = 15_000;

/** How long ago a replica was last known to have the current state of its store. */
export type SourceAge = {
  readonly ms: () => number;
  /**
   * Confirms the replica by a request to the store that was sent at `sentAt`, by the monotonic clock. So a
   * request that hangs confirms nothing, and a slow one only what was true when it was sent.
   */
  readonly confirm: (sentAt: number) => void;
};

/** The age before the first confirmation. What a replica has during an outage may be out of date. */
const initialAge = (clock: Clock, outage: Outage | undefined): number =>
  outage === undefined
    ? 0
    : Math.max(ageOf(clock, outage.snapshotAt ?? clock.now()), SOURCE_STALE_MS + 1);

/** `outage` is the one that the replica starts in, if it does. */
export const createSourceAge = (clock: Clock, outage: Outage | undefined): SourceAge => {
  let confirmedAt = clock.monotonic() - initialAge(clock, outage);
  return {
    ms: () => clock.monotonic() - confirmedAt,
    confirm(sentAt) {
      confirmedAt = Math.max(confirmedAt, sentAt);
    },
  };
};

/** The age for a store that is part of this server: only an outage separates both. */
export const createEmbeddedSourceAge = (
  clock: Clock,
  outage: () => Outage | undefined,
): SourceAge => ({
  ms() {
    const since = outage()?.since;
    return since === undefined ? 0 : clock.monotonic() - since;
  },
  confirm: () => undefined,
});
