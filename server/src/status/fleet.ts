import type { Clock } from '../clock.ts';
import type { Alive, ServerReport, Store } from '../store/store.ts';

/** The servers that share the store, as this one last heard of them. */
export type Fleet = {
  readonly self: string;
  /** This server, now, and the others as they said last. */
  alive(): readonly Alive[];
  /** How many share the work; never less than one. */
  readonly size: () => number;
  /** Tells the others that this server is gone. */
  close(): Promise<void>;
};

export type FleetParts = {
  readonly store: Pick<Store, 'announce' | 'depart'>;
  readonly clock: Clock;
  readonly report: () => ServerReport;
};

const HEARTBEAT_MS = 2_000;
/** A server that was silent for so long is no longer counted. */
const LASTS_MS = 7_000;

/**
 * Says every other second that this server is alive. While the store is away nobody hears anybody, and
 * all are thought to be where they were: their streams and callers are.
 */
export const openFleet = async ({ store, clock, report }: FleetParts): Promise<Fleet> => {
  const self = report().id;
  let others: readonly Alive[] = [];
  let heardAt = clock.now();

  const beat = async () => {
    const alive = await store.announce(report(), LASTS_MS);
    others = alive.filter(each => each.report.id !== self);
    heardAt = clock.now();
  };
  const tryBeat = () => beat().catch(() => undefined);
  const stop = clock.every(HEARTBEAT_MS, () => void tryBeat());
  await tryBeat();

  return {
    self,
    size: () => others.length + 1,
    alive() {
      const passed = clock.now() - heardAt;
      return [
        { report: report(), ageMs: 0 },
        ...others.map(other => ({ ...other, ageMs: other.ageMs + passed })),
      ];
    },
    async close() {
      stop();
      await store.depart(self).catch(() => undefined);
    },
  };
};
