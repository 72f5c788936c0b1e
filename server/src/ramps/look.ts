import type { Metric, Ramp } from '@pennon/schema';

import type { Clock } from '../clock.ts';
import type { MomentsSource, RunHealth, RunMoments } from '../experiments/moments.ts';
import type { Analyst } from '../experiments/analysis/analyst.ts';
import type { AnalysisInput } from '../experiments/analysis/input.ts';
import type { ComputedGuardrails } from '../experiments/analysis/ramp.ts';
import { metricsOf, type Records } from '../experiments/design.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { variantsOf } from './rule.ts';

export type LookServices = {
  readonly momentsSource: MomentsSource;
  readonly analyst: Analyst;
  readonly clock: Clock;
};

/** What is known of the subjects of a ramp with guardrails. */
export type RampLook = ComputedGuardrails & {
  readonly input: AnalysisInput;
  readonly moments: RunMoments;
  readonly health: RunHealth;
};

/** Looks at a ramp that compares. */
export const lookAtRamp = async (
  { momentsSource, analyst, clock }: LookServices,
  live: LiveFlagSet,
  ramp: Ramp,
): Promise<RampLook> => {
  const { ledger, current } = live.replica;
  const ref = { ledger, run: ramp.run?.id ?? '' };
  const { moments, health } = await momentsSource.data(ref, clock.now());
  const input = inputOf(current().records, ramp, moments, health);
  return { ...(await analyst.compute('guardrails', input)), input, moments, health };
};

const inputOf = (
  records: Pick<Records, 'metrics'>,
  ramp: Ramp,
  moments: RunMoments,
  health: RunHealth,
): AnalysisInput => ({
  experiment: ramp.key,
  run: ramp.run?.id ?? '',
  state: 'running',
  control: ramp.control ?? '',
  variants: variantsOf(ramp),
  method: 'sequential',
  alpha: ramp.alpha,
  priorDeviation: null,
  plan: null,
  metrics: metricsOf(records, { metrics: ramp.guardrails }).map(metric => analysed(ramp, metric)),
  moments,
  health,
  decided: [],
  ended: false,
  final: false,
  isExternal: false,
});

const analysed = (
  ramp: Ramp,
  { key, kind, direction }: Metric,
): AnalysisInput['metrics'][number] => {
  const { tolerance, onHarm } = ramp.guardrails.find(({ metric }) => metric === key) ?? {};
  return {
    metric: key,
    role: 'guardrail',
    kind,
    direction,
    tolerance: tolerance ?? 0,
    onHarm: onHarm ?? 'rollback',
    covariate: 'off',
  };
};

/** Returns the units of both variants whose windows are over, of the metric that has the fewest. */
export const matureUnitsOf = (ramp: Ramp, { moments }: RampLook) => {
  const fewest = (variant: string): number =>
    Math.min(
      ...ramp.guardrails.map(({ metric }) => moments.metrics[metric]?.[variant]?.mature.n ?? 0),
    );
  return { control: fewest(ramp.control ?? ''), treatment: fewest(ramp.treatment) };
};

/** Returns the exposed units of both variants. */
export const unitsOf = ({ control, treatment }: Ramp, { moments: { units } }: RampLook) => ({
  control: units[control ?? ''] ?? 0,
  treatment: units[treatment] ?? 0,
});
