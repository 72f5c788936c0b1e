import type { MomentsSource, RunHealth } from '../../src/experiments/moments.ts';

const HEALTH: RunHealth = {
  exposures: 0,
  repeats: 0,
  late: 0,
  outside: 0,
  quarantined: 0,
  switchedLater: 0,
  withoutValue: 0,
  mismatched: {},
  unverified: {},
  unitsBySdk: {},
  unitsByDay: {},
};

const sumsAt = (at: number) => ({ at, lagMs: 0, units: {}, quarantined: {}, metrics: {} });

/** The source of a server that receives no events. */
export const NO_EVENTS: MomentsSource = {
  moments: async (_, at) => sumsAt(at),
  data: async (_, at) => ({ moments: { ...sumsAt(at), lastExposureAt: null }, health: HEALTH }),
  environmentHealth: async () => ({
    rejected: {},
    dropped: { exposures: 0, tracks: 0 },
    unknownEvents: [],
    lagMs: 0,
  }),
  seenEvents: async () => new Map(),
  unit: async () => ({ assigned: null, exposure: null, metrics: [] }),
};
