export { addCohort, cohortName, rollUp, type CohortSums } from './cohorts.ts';
export { decimalOf, isEqual, ONE, plus, toNumber, ZERO, type Decimal } from './decimal.ts';
export {
  cohortMsOf,
  cohortOf,
  longestWindowMs,
  matureMs,
  settledMs,
  type Attributes,
  type Cohort,
  type ExposureEvent,
  type FoldedExperiment,
  type FoldEvent,
  type FoldMetric,
  type Source,
  type TrackEvent,
} from './experiment.ts';
export {
  amountOf,
  fits,
  fold,
  inOrder,
  type FoldChanges,
  type FoldCounts,
  type UnitState,
} from './fold.ts';
export { hasBegun, momentsAt, unitsOf, type MatureMoments, type VariantUnits } from './mature.ts';
export { profileAt, withAmount, type Profile } from './profile.ts';
export { receive, type ReplayWindow } from './replay-window.ts';
export type { Sums } from './sums.ts';
