import { ageOf, type Clock } from '../clock.ts';
import type { Folded } from './engine.ts';
import { REJECTION_CODES, type EventsResult, type RejectionCode } from './read-batch.ts';

/** What one process has done with events since it started. */
export type EventCounts = {
  readonly accepted: number;
  readonly rejected: ReadonlyMap<RejectionCode, number>;
  /** Entries of the log that this process has folded. */
  readonly foldedEntries: number;
  /** How old the oldest entry is that is not folded. */
  readonly lagMs: number;
  /** Whether the thread of the events has ended, and does not run yet. */
  readonly isDown: boolean;
  /** How often it has ended by an error. */
  readonly failures: number;
};

export const createEventCounters = (clock: Pick<Clock, 'now'>) => {
  let accepted = 0;
  let foldedEntries = 0;
  let oldest = Number.POSITIVE_INFINITY;
  const rejected = new Map(REJECTION_CODES.map(code => [code, 0]));
  return {
    addResult: (result: EventsResult): void => {
      accepted += result.accepted;
      for (const { code } of result.rejected) rejected.set(code, (rejected.get(code) ?? 0) + 1);
    },
    addFolded: ({ entries, oldestAt }: Folded): void => {
      foldedEntries += entries;
      oldest = oldestAt ?? Number.POSITIVE_INFINITY;
    },
    read: (): Omit<EventCounts, 'isDown' | 'failures'> => ({
      accepted,
      rejected,
      foldedEntries,
      lagMs: Number.isFinite(oldest) ? ageOf(clock, oldest) : 0,
    }),
  };
};
