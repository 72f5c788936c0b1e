import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { liveExperiments } from '../flag-set/measured.ts';
import { look, type ResultsServices } from './results.ts';

const LOOK_MS = 3_600_000;

/**
 * Looks at all running experiments each hour, so that the first look at which something is decided does not depend on
 * when people read results. Each server does so; what they keep is the same.
 */
export const startLooks = (
  services: ResultsServices,
  onError: (error: unknown) => void,
): (() => void) =>
  services.clock.every(LOOK_MS, () => {
    for (const live of services.registry.all()) void lookAtAll(services, live).catch(onError);
  });

const lookAtAll = async (services: ResultsServices, live: LiveFlagSet): Promise<void> => {
  for (const experiment of liveExperiments(live.replica.current().records.experiments)) {
    const { run } = experiment;
    if (run !== undefined) await look(services, { live, experiment, run });
  }
};
