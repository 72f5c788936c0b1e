import type {
  AnalysisMethod,
  ExperimentMetric,
  ExperimentPlan,
  ExperimentState,
  MetricDirection,
  MetricKind,
  SplitEntry,
} from '@pennon/schema';

import type { EventHealth, RunHealth, RunMoments } from '../moments.ts';

/** A metric of an experiment, with what results need of its definition. */
export type AnalysedMetric = ExperimentMetric & {
  readonly kind: MetricKind;
  readonly direction: MetricDirection;
  /** Whether the covariate is used, and why not. */
  readonly covariate: 'used' | 'off' | 'warmingUp';
};

/** A first look at which a comparison was decided. */
export type Decided = {
  readonly metric: string;
  readonly variant: string;
  /** In milliseconds since 1970. */
  readonly at: number;
};

/** What results are computed from: plain data, which a thread can receive. */
export type AnalysisInput = {
  readonly experiment: string;
  readonly run: string;
  readonly state: ExperimentState;
  readonly control: string;
  readonly variants: readonly SplitEntry[];
  readonly method: AnalysisMethod;
  readonly alpha: number;
  /** The standard deviation of the prior of relative effects; null if it is flat. */
  readonly priorDeviation: number | null;
  readonly plan: ExperimentPlan | null;
  readonly metrics: readonly AnalysedMetric[];
  readonly moments: RunMoments;
  readonly health: Pick<RunHealth, 'exposures' | 'late' | 'mismatched' | 'withoutValue'>;
  readonly decided: readonly Decided[];
  /** Whether this is the look at the planned end. There is one. */
  readonly ended: boolean;
  readonly final: boolean;
  readonly isExternal: boolean;
};

export type HealthInput = Pick<AnalysisInput, 'experiment' | 'run' | 'variants'> & {
  readonly units: RunMoments['units'];
  readonly lagMs: number;
  readonly health: RunHealth;
  readonly environment: EventHealth;
};

/** The treatments of an experiment, in the order of its split. */
export const treatmentsOf = ({
  variants,
  control,
}: Pick<AnalysisInput, 'variants' | 'control'>): SplitEntry[] =>
  variants.filter(({ variant }) => variant !== control);

/** Returns the weight of a variant; 0 if it has none. */
export const weightOf = ({ variants }: Pick<AnalysisInput, 'variants'>, name: string): number =>
  variants.find(({ variant }) => variant === name)?.weight ?? 0;

/** Returns the part of the units of a treatment and the control that has the treatment. */
export const shareOf = (input: AnalysisInput, variant: string): number => {
  const [treatment, control] = [weightOf(input, variant), weightOf(input, input.control)];
  return treatment / (treatment + control);
};
