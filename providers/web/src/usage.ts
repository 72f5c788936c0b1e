import { inParts } from '@pennon/sync';
import type { Outcome, Runtime } from '@pennon/sync';

import { isName } from './delivery.ts';
import type { OpenLane } from './delivery.ts';
import {
  MAX_BATCH_BYTES,
  MAX_COUNT,
  MAX_OUTCOMES,
  MAX_USAGE_ENTRIES,
  USAGE_INTERVAL_MS,
} from './limits.ts';

/** How often the page got a variant of a flag for a reason, or a key that is not that of a flag. */
type Count = readonly [flagKey: string, variant: string | null, reason: string, count: number];

/** What was counted in a time. */
type Report = {
  readonly from: Date;
  readonly until: Date;
  readonly counts: readonly Count[];
  readonly unknown: readonly string[];
};

/** Counts what a page gets, and reports it to the server about once a minute. Never throws. */
export type Usage = {
  count(flagKey: string, outcome: Outcome): void;
  /** Passes the rest on to the browser, because the page is left. */
  leave(): void;
  /** Does the same for the last time. */
  close(): void;
};

/** The reasons that the server knows. Values that a newer server evaluated may have others. */
const REASON = /^(STATIC|DEFAULT|TARGETING_MATCH|SPLIT|CACHED|DISABLED|STALE|ERROR)$/;

export const createUsage = (
  isEnabled: boolean,
  openLane: OpenLane,
  { now, random, setTimer }: Runtime,
): Usage => {
  const lane = openLane<Report>({ route: 'usage' });
  const counts = new Map<string, Count>();
  let countedFrom = 0;
  let isClosed = false;
  let cancelTimer: (() => void) | undefined;

  const schedule = () => {
    if (!isClosed) cancelTimer ??= setTimer(USAGE_INTERVAL_MS * (0.8 + 0.4 * random()), tick);
  };
  const tick = () => {
    cancelTimer = undefined;
    // What the server does not accept must not become more and more.
    if (lane.isSending()) return schedule();
    report();
    void lane.start();
  };
  /** Makes reports of what was counted. What exceeds the limit of a count remains for the next one. */
  const report = () => {
    cancelTimer?.();
    cancelTimer = undefined;
    const until = now();
    const taken = [...counts].map(([id, [key, variant, reason, count]]): Count => {
      const rest = count - MAX_COUNT;
      if (rest > 0) counts.set(id, [key, variant, reason, rest]);
      else counts.delete(id);
      return [key, variant, reason, Math.min(count, MAX_COUNT)];
    });
    for (const part of inParts(taken, JSON.stringify, MAX_USAGE_ENTRIES, MAX_BATCH_BYTES))
      lane.enqueue({
        // The clock may have been set back.
        from: new Date(Math.min(countedFrom, until)),
        until: new Date(until),
        counts: part.filter(([, , reason]) => reason !== ''),
        unknown: part.filter(([, , reason]) => reason === '').map(([key]) => key),
      });
    countedFrom = until;
    if (counts.size > 0) schedule();
  };
  const leave = () => {
    report();
    lane.passOn();
  };

  return {
    count(flagKey, { variant, reason = '', errorCode }) {
      const isUnknown = errorCode === 'FLAG_NOT_FOUND';
      const known = REASON.test(reason) ? reason : 'UNKNOWN';
      const entry = [flagKey, variant ?? null, isUnknown ? '' : known] as const;
      const id = JSON.stringify(entry);
      const count = counts.get(id)?.[3] ?? 0;
      if (
        !isEnabled ||
        (count === 0 &&
          (counts.size === MAX_OUTCOMES ||
            !isName(flagKey) ||
            (variant !== undefined && !isName(variant))))
      )
        return;
      if (counts.size === 0) countedFrom = now();
      counts.set(id, [...entry, count + 1]);
      schedule();
    },
    leave,
    close() {
      isClosed = true;
      leave();
      void lane.end();
    },
  };
};
