import {
  eventsOfMetric,
  hasCovariate,
  isAtWork,
  isCompared,
  isLive,
  type Experiment,
  type FlagSet,
  type Ramp,
} from '@pennon/schema';

import type { Snapshot, Writes } from '../store/store.ts';

type Records = Snapshot<'flagSet'>['records'];

/** What providers measure of a flag set. Has no fields if nothing is measured. */
export type Measured = Pick<FlagSet, 'experiments' | 'tracked'>;

/** The experiments of which units are enrolled, or windows are still open. */
export const liveExperiments = (
  experiments: ReadonlyMap<string, { readonly document: Experiment }>,
): Experiment[] =>
  experiments.size === 0
    ? []
    : Array.from(experiments.values(), ({ document }) => document).filter(isLive);

/** The ramps that have their rule. */
export const rampsAtWork = (ramps: ReadonlyMap<string, { readonly document: Ramp }>): Ramp[] =>
  ramps.size === 0 ? [] : Array.from(ramps.values(), ({ document }) => document).filter(isAtWork);

/** The ramps at work on one rule. */
export const rampsOn = (
  ramps: ReadonlyMap<string, { readonly document: Ramp }>,
  { flag, rule }: Pick<Ramp, 'flag' | 'rule'>,
): Ramp[] => rampsAtWork(ramps).filter(each => each.flag === flag && each.rule === rule);

/** A run that providers measure: of an experiment, or of a ramp with guardrails. */
export type MeasuredRun = Pick<Experiment, 'key' | 'flag' | 'rule' | 'run'> & {
  /** The keys of its metrics. */
  readonly metrics: readonly string[];
  /** Whether units are still enrolled. */
  readonly isEnrolling: boolean;
};

/** Returns the runs that providers measure. Their keys differ, because experiments and ramps share them. */
export const measuredRuns = ({
  experiments,
  ramps,
}: Pick<Records, 'experiments' | 'ramps'>): MeasuredRun[] => [
  ...liveExperiments(experiments)
    .filter(({ source }) => source === 'events')
    .map(({ key, flag, rule, run, metrics, state }) => ({
      key,
      flag,
      rule,
      run,
      metrics: metrics.map(({ metric }) => metric),
      isEnrolling: state === 'running',
    })),
  ...rampsAtWork(ramps)
    .filter(isCompared)
    .map(({ key, flag, rule, run, guardrails }) => ({
      key,
      flag,
      rule,
      run,
      metrics: guardrails.map(({ metric }) => metric),
      isEnrolling: true,
    })),
];

/** Returns the runs that enrol units, and the events of the metrics that are measured. */
export const measuredIn = (records: Records): Measured => {
  const running = measuredRuns(records).filter(
    ({ isEnrolling, run }) => isEnrolling && run !== undefined,
  );
  const tracked = trackedIn(records);
  if (running.length === 0 && tracked.length === 0) return {};
  return {
    experiments: Object.fromEntries(
      running.map(({ key, flag, rule, run }) => [
        key,
        { flag, rule, unit: run?.unit ?? '', run: run?.id },
      ]),
    ),
    tracked,
  };
};

/** A covariate is what units did before an experiment began, so its events are measured at any time. */
const trackedIn = (records: Records): string[] => trackedFor(records, measuredRuns(records));

/** Returns the events that are measured without one experiment or ramp. */
export const trackedBeside = (records: Records, key: string): string[] =>
  trackedFor(
    records,
    measuredRuns(records).filter(run => run.key !== key),
  );

const trackedFor = ({ metrics }: Records, runs: readonly MeasuredRun[]): string[] => {
  if (metrics.size === 0) return [];
  const used = new Set(runs.flatMap(each => each.metrics));
  const measured = Array.from(metrics.values(), ({ document }) => document).filter(
    metric => used.has(metric.key) || hasCovariate(metric),
  );
  return [...new Set(measured.flatMap(eventsOfMetric))].toSorted();
};

/** Returns what is measured after a change. */
export const measuredAfter = (
  { experiments, tracked }: Measured,
  writes: Writes<'flagSet'>,
  records: Records,
): Measured => {
  const { experiments: runs, metrics, ramps } = writes;
  if ([runs, metrics, ramps].some(each => each !== undefined)) return measuredIn(records);
  return experiments === undefined ? {} : { experiments, tracked };
};

/** Returns what is measured of the flags that a reader sees. */
export const measuredOf = (
  { experiments, tracked }: Measured,
  isVisible: (flag: string) => boolean,
): Measured =>
  experiments === undefined
    ? {}
    : {
        experiments: Object.fromEntries(
          Object.entries(experiments).filter(([, { flag }]) => isVisible(flag)),
        ),
        tracked,
      };

/** The flags whose results have, or had, a rule that a running experiment measures. */
export const remeasuredFlags = (before: Measured, after: Measured): string[] => {
  if (before.experiments === undefined && after.experiments === undefined) return [];
  const [previous, next] = [before, after].map(({ experiments }) =>
    Object.values(experiments ?? {}),
  );
  const texts = (all: readonly object[] = []) => new Set(all.map(each => JSON.stringify(each)));
  const [had, has] = [texts(previous), texts(next)];
  const differing = [...(previous ?? []), ...(next ?? [])].filter(each => {
    const text = JSON.stringify(each);
    return had.has(text) !== has.has(text);
  });
  return [...new Set(differing.map(({ flag }) => flag))];
};

/** Whether a result is that of a rule that a running experiment measures. */
export const isMeasured = ({ experiments }: Measured, flagKey: string, ruleId: string): boolean =>
  experiments !== undefined &&
  Object.values(experiments).some(({ flag, rule }) => flag === flagKey && rule === ruleId);

/** Returns what has changed, as a whole, for readers of the previous flag set. */
export const measuredChange = (before: Measured, after: Measured): Measured => {
  if (textOfMeasured(before) === textOfMeasured(after)) return {};
  return { experiments: after.experiments ?? {}, tracked: after.tracked ?? [] };
};

/** Equal texts mean that the same is measured. */
export const textOfMeasured = ({ experiments = {}, tracked = [] }: Measured): string =>
  JSON.stringify([experiments, tracked]);
