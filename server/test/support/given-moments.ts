import type {
  EventHealth,
  MetricMoments,
  MomentsSource,
  RunHealth,
  RunMoments,
  RunUnit,
} from '../../src/experiments/moments.ts';
import { NO_EVENTS } from './no-events.ts';

type Given = {
  moments: Partial<RunMoments>;
  health: Partial<RunHealth>;
  environment: Partial<EventHealth>;
  units: Readonly<Record<string, RunUnit>>;
};

/** A source of moments that a test sets. `of` computes them by the time of the look. */
export const givenMoments = () => {
  const given: Given & { of?: (at: number) => Partial<RunMoments>; fails?: boolean } = {
    moments: {},
    health: {},
    environment: {},
    units: {},
  };
  const data: MomentsSource['data'] = async (ref, at) => {
    if (given.fails === true) throw new Error('no events');
    const { moments, health } = await NO_EVENTS.data(ref, at);
    return {
      moments: { ...moments, ...(given.of?.(at) ?? given.moments) },
      health: { ...health, ...given.health },
    };
  };
  const source: MomentsSource = {
    moments: async (ref, at) => (await data(ref, at)).moments,
    data,
    environmentHealth: async ledger => ({
      ...(await NO_EVENTS.environmentHealth(ledger)),
      ...(given.moments.lagMs !== undefined && { lagMs: given.moments.lagMs }),
      ...given.environment,
    }),
    seenEvents: async ledger => NO_EVENTS.seenEvents(ledger),
    unit: async (ref, unit) => given.units[unit] ?? NO_EVENTS.unit(ref, unit),
  };
  return { given, source };
};

/** The moments of a conversion that so many of all units have. */
export const conversion = (n: number, converted: number): MetricMoments => ({
  mature: { n, sum: converted, sumSquares: converted, nonZero: converted },
  soFar: converted,
});
