import type { ResultsMoments } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import {
  endedAtOf,
  findRun,
  instantOf,
  momentsOf,
  type ResultsInput,
  type ResultsServices,
} from './results.ts';
import { readRun } from './run-documents.ts';

/** Returns the counts and sums that the results of the current run are computed from. */
export const readMoments = async (
  services: ResultsServices,
  caller: Caller,
  { at, ...key }: ResultsInput,
): Promise<ResultsMoments> => {
  const started = await findRun(services, caller, key);
  const { experiment, run } = started;
  const time =
    at === undefined
      ? (endedAtOf(started) ?? services.clock.now())
      : instantOf(services, started, at);
  const recorded = await readRun(services, started);
  const {
    at: asOf,
    lagMs,
    units,
    quarantined,
    metrics,
  } = await momentsOf(services, started, recorded, time);
  return {
    experiment: experiment.key,
    run: run.id,
    asOf: formatInstant(asOf),
    lagSeconds: Math.round(lagMs / MS_PER_SECOND),
    units,
    quarantined,
    metrics,
  };
};

const MS_PER_SECOND = 1_000;
