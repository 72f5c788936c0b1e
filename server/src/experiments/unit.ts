import type { UnitInRun } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { findRun, refOf, type ResultsKey, type ResultsServices } from './results.ts';

/** Returns what is known of one unit in the current run. */
export const readUnit = async (
  services: Pick<ResultsServices, 'registry' | 'momentsSource'>,
  caller: Caller,
  { unit, ...key }: ResultsKey & { readonly unit: string },
): Promise<UnitInRun> => {
  const started = await findRun(services, caller, key);
  const { experiment, run } = started;
  const found = await services.momentsSource.unit(refOf(started), unit);
  return {
    experiment: experiment.key,
    run: run.id,
    attribute: run.unit,
    assigned: found.assigned,
    exposure: found.exposure && {
      variant: found.exposure.variant,
      firstAt: formatInstant(found.exposure.firstMs),
      quarantined: found.exposure.quarantined,
      settled: found.exposure.settled,
    },
    metrics: found.metrics.map(({ countsFromMs, ...metric }) => ({
      ...metric,
      countsFrom: formatInstant(countsFromMs),
    })),
  };
};
