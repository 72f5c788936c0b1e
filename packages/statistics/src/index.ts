export { adjust, type AdjustedPValues } from './adjust.ts';
export {
  betaBinomial,
  normalPosterior,
  relativeEffect,
  type BetaBinomial,
  type NormalPosterior,
} from './bayesian.ts';
export { compareMeans, compareRatios, type Comparison, type Intervals } from './compare.ts';
export { adjustForCovariate, type AdjustedComparison } from './covariate.ts';
export { beta, chiSquare, normal, t } from './distributions.ts';
export { groupSequential } from './group-sequential.ts';
export { guardrail, type Guardrail } from './guardrail.ts';
export { exactHarm, meanHarm, type Direction, type ExactHarm, type MeanHarm } from './harm.ts';
export { hybrid, type Hybrid } from './hybrid.ts';
export {
  sampleOf,
  type CovariateMoments,
  type MeanMoments,
  type RatioMoments,
  type Sample,
} from './moments.ts';
export {
  detectableEffect,
  sampleSize,
  type DetectableEffect,
  type SampleSize,
} from './planning.ts';
export { relativeInterval, type Estimate, type RelativeInterval } from './relative-interval.ts';
export { sampleRatio, type Phase, type SampleRatio } from './sample-ratio.ts';
export { confidenceSequence, type ConfidenceSequence } from './sequence.ts';
export {
  verdicts,
  type InsufficientReason,
  type Outcome,
  type PlannedComparison,
  type Verdict,
} from './verdicts.ts';
