import {
  cohortOf,
  DAY_MS,
  HOUR_MS,
  settledMs,
  type Cohort,
  type FoldedExperiment,
} from './experiment.ts';
import type { UnitState } from './fold.ts';
import { addSums, subtractSums, sumsOfUnit, type Sums } from './sums.ts';

/** The units of one cohort of one variant, and the sums of each metric over them. */
export type CohortSums = Cohort & {
  readonly variant: string;
  readonly units: number;
  /** Units that are in no sums. */
  readonly quarantined: number;
  readonly sums: readonly Sums[];
};

/** Results have a point an hour for so long. */
const HOURLY_MS = 3 * DAY_MS;

/** Returns the name of a cohort in a store. */
export const cohortName = ({ variant, fromMs, untilMs }: Cohort & { variant: string }): string =>
  `${fromMs} ${untilMs} ${variant}`;

/** Adds the units of a cohort to those that are known of it. */
export const addCohort = (known: CohortSums | undefined, added: CohortSums): CohortSums => ({
  ...added,
  units: added.units + (known?.units ?? 0),
  quarantined: added.quarantined + (known?.quarantined ?? 0),
  sums: added.sums.map((sums, at) => addSums(known?.sums[at], sums)),
});

/** Returns what a unit is to its cohort. */
const memberOf = (experiment: FoldedExperiment, state: UnitState): CohortSums => {
  const { variant, exposedMs, isQuarantined, totals, covariates } = state;
  const { metrics } = experiment;
  return {
    ...cohortOf(experiment, exposedMs),
    variant,
    units: isQuarantined ? 0 : 1,
    quarantined: isQuarantined ? 1 : 0,
    sums: metrics.map((metric, at) =>
      isQuarantined ? [] : sumsOfUnit(metric, totals[at] ?? [], covariates[at]),
    ),
  };
};

const difference = (after: CohortSums, before: CohortSums | undefined): CohortSums => ({
  ...after,
  units: after.units - (before?.units ?? 0),
  quarantined: after.quarantined - (before?.quarantined ?? 0),
  sums: after.sums.map((sums, at) => subtractSums(sums, before?.sums[at])),
});

/** Returns what to add to each cohort after the states of units have changed. A unit never leaves its cohort. */
export const cohortChanges = (
  experiment: FoldedExperiment,
  before: ReadonlyMap<string, UnitState>,
  after: ReadonlyMap<string, UnitState>,
): CohortSums[] => {
  const cohorts = new Map<string, CohortSums>();
  for (const [unit, state] of after) {
    const previous = before.get(unit);
    const changed = difference(
      memberOf(experiment, state),
      previous && memberOf(experiment, previous),
    );
    const name = cohortName(changed);
    cohorts.set(name, addCohort(cohorts.get(name), changed));
  }
  return [...cohorts.values()];
};

/** Returns a name of the hour or the UTC day of a cohort. The first days are kept by the hour, for points in between. */
const periodOf = ({ startMs }: FoldedExperiment, { fromMs, variant }: CohortSums): string => {
  const lengthMs = fromMs < startMs + HOURLY_MS ? HOUR_MS : DAY_MS;
  return `${lengthMs} ${Math.floor(fromMs / lengthMs)} ${variant}`;
};

const mergeCohorts = (cohorts: readonly CohortSums[]): CohortSums[] => {
  const [first] = cohorts;
  if (first === undefined) return [];
  const sums = cohorts.slice(1).reduce(addCohort, first);
  const fromMs = Math.min(...cohorts.map(each => each.fromMs));
  const untilMs = Math.max(...cohorts.map(each => each.untilMs));
  return [{ ...sums, fromMs, untilMs }];
};

/**
 * Adds the cohorts of each UTC day that no event can change any more, and those of each hour in the first three days of
 * a run. Returns the cohorts to remove, and those that have their units then.
 */
export const rollUp = (
  experiment: FoldedExperiment,
  cohorts: readonly CohortSums[],
  untilMs: number,
): { readonly removed: CohortSums[]; readonly merged: CohortSums[] } => {
  const settled = cohorts.filter(each => settledMs(experiment, each) <= untilMs);
  const periods = [...Map.groupBy(settled, each => periodOf(experiment, each)).values()];
  const parts = periods.filter(({ length }) => length > 1);
  return { removed: parts.flat(), merged: parts.flatMap(mergeCohorts) };
};
