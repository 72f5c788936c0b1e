export type {
  Attributes,
  FoldedExperiment,
  FoldEvent,
  FoldMetric,
  Source,
  TrackEvent,
} from './experiment.ts';
export {
  fold,
  inOrder,
  type CohortSums,
  type FoldChanges,
  type FoldHealth,
  type UnitState,
} from './fold.ts';
export { momentsAt, unitsOf, type MatureMoments, type VariantUnits } from './mature.ts';
export { receive, type ReplayWindow } from './replay-window.ts';
export type { Sums } from './sums.ts';
