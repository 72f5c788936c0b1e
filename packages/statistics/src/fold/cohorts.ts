import { cohortOf, dayOf, settledMs, type Cohort, type FoldedExperiment } from './experiment.ts';
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

const isDay = ({ fromMs, untilMs }: Cohort): boolean =>
  untilMs - fromMs === dayOf({ fromMs, untilMs }).untilMs - dayOf({ fromMs, untilMs }).fromMs;

/** Moves cohorts that no event can change any more into their days. Returns what to remove, and days as they are then. */
export const rollUp = (
  experiment: FoldedExperiment,
  cohorts: readonly CohortSums[],
  untilMs: number,
): { readonly removed: CohortSums[]; readonly days: CohortSums[] } => {
  const removed = cohorts.filter(each => !isDay(each) && settledMs(experiment, each) <= untilMs);
  const known = new Map(cohorts.map(each => [cohortName(each), each]));
  const days = new Map<string, CohortSums>();
  for (const each of removed) {
    const day = { ...each, ...dayOf(each) };
    const name = cohortName(day);
    days.set(name, addCohort(days.get(name) ?? known.get(name), day));
  }
  return { removed, days: [...days.values()] };
};
