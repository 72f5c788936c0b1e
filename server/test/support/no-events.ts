import type { MomentsSource } from '../../src/experiments/moments.ts';

/** The source of a server that receives no events. */
export const NO_EVENTS: MomentsSource = {
  moments: async (_, at) => ({
    at,
    lagMs: 0,
    units: {},
    quarantined: {},
    metrics: {},
    lastExposureAt: null,
  }),
  health: async () => ({
    exposures: 0,
    repeats: 0,
    late: 0,
    quarantined: 0,
    switchedLater: 0,
    withoutValue: 0,
    mismatched: {},
    unitsBySdk: {},
    unitsByDay: {},
  }),
  environmentHealth: async () => ({
    rejected: {},
    dropped: { exposures: 0, tracks: 0 },
    unknownEvents: [],
    lagMs: 0,
  }),
  unit: async () => ({ assigned: null, exposure: null, metrics: [] }),
};
