import type { Experiment } from '@pennon/schema';
import { cohortMsOf, longestWindowMs } from '@pennon/statistics/fold';

import { auditDraft, SYSTEM } from '../audit/record.ts';
import { formatInstant } from '../clock.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { liveExperiments } from '../flag-set/measured.ts';
import { serverFieldsAfter } from '../resources/plan.ts';
import { metricsOf, type Records } from './design.ts';
import { look, type ResultsServices } from './results.ts';

const HOUR_MS = 3_600_000;

/** Returns when all windows of the units of a run are over, if it has a planned end. In milliseconds since 1970. */
export const endOf = (records: Records, experiment: Experiment): number | undefined => {
  const { plan } = experiment;
  if (plan == null) return undefined;
  const metrics = metricsOf(records, experiment);
  return Date.parse(plan.end) + longestWindowMs(metrics) + cohortMsOf(metrics) + HOUR_MS;
};

/** Returns an experiment as the time has left it: settling after its planned end, and ended after its windows. */
const due = (records: Records, experiment: Experiment, now: number): Experiment | undefined => {
  const { plan, run, state } = experiment;
  const endMs = endOf(records, experiment);
  if (run === undefined || plan == null || endMs === undefined) return undefined;
  const fields = serverFieldsAfter(experiment, now);
  if (now >= endMs && state === 'settling')
    return { ...experiment, ...fields, state: 'ended', run: { ...run, endedAt: iso(endMs) } };
  if (now >= Date.parse(plan.end) && state === 'running')
    return {
      ...experiment,
      ...fields,
      state: 'settling',
      run: { ...run, enrolmentEndedAt: plan.end },
    };
  return undefined;
};

const iso = (ms: number): string => formatInstant(ms);

const CHECK_MS = 15_000;

/** Ends enrolments and runs when their time has come. Each server does so; only one of them commits. */
export const startSchedule = (
  services: ResultsServices,
  onError: (error: unknown) => void,
): (() => void) =>
  services.clock.every(CHECK_MS, () => {
    for (const live of services.registry.all()) void advance(services, live, onError);
  });

/** Writes the experiments of a flag set whose time has come. */
const advance = async (
  services: ResultsServices,
  live: LiveFlagSet,
  onError: (error: unknown) => void,
): Promise<void> => {
  const { records } = live.replica.current();
  for (const { key } of liveExperiments(records.experiments)) {
    const next = dueIn(records, key, services.clock.now())?.next;
    if (next === undefined) continue;
    try {
      if (await isReady(services, live, next)) await advanceOne(live, key, services);
    } catch (error) {
      onError(error);
    }
  }
};

/** Whether the state may change: before a run ends, its events must be counted, and its final results kept. */
const isReady = async (
  services: ResultsServices,
  live: LiveFlagSet,
  experiment: Experiment,
): Promise<boolean> => {
  const { run, state, source } = experiment;
  if (state !== 'ended' || run?.endedAt === undefined) return true;
  const started = { live, experiment, run };
  const endMs = Date.parse(run.endedAt);
  if (source === 'events') {
    const { lagMs } = await services.momentsSource.environmentHealth(live.replica.ledger);
    // All windows were over an hour before the end.
    const time = services.clock.now();
    if (lagMs > HOUR_MS + (time - endMs)) return false;
  }
  await look(services, started);
  return true;
};

const dueIn = (records: Records, key: string, now: number) => {
  const current = records.experiments.get(key)?.document;
  const next = current && due(records, current, now);
  return current && next && { current, next };
};

const advanceOne = (
  live: LiveFlagSet,
  key: string,
  { clock }: Pick<ResultsServices, 'clock'>,
): Promise<void> =>
  live.write(({ snapshot }) => {
    const change = dueIn(snapshot.records, key, clock.now());
    if (change === undefined) return { writes: {}, audit: [], result: () => undefined };
    const { current, next } = change;
    const action = next.state === 'ended' ? 'experiment.end' : 'experiment.settle';
    const { environment } = live;
    return {
      writes: { experiments: new Map([[key, next]]) },
      audit: [
        auditDraft(SYSTEM, clock.now(), { action, environment, key, before: current, after: next }),
      ],
      result: () => undefined,
    };
  });
