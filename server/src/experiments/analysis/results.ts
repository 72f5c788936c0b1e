import type { Results, ResultsHealth } from '@pennon/schema';

import { metricResultsOf } from './comparisons.ts';
import { guardrailResultsOf } from './guardrails.ts';
import type { AnalysisInput, HealthInput } from './input.ts';
import { recommendationOf, sumOf } from './recommendation.ts';
import { sampleRatioOf } from './sample-ratio.ts';
import { warningsOf } from './warnings.ts';

const SECOND_MS = 1_000;

/** Results before they have an id. */
export type Computed = Omit<Results, 'id'>;

/** Returns the results of a run at one look. */
export const computeResults = (input: AnalysisInput): Computed => {
  const { moments, plan } = input;
  const parts = {
    sampleRatio: sampleRatioOf(input, moments.units),
    metrics: metricResultsOf(input),
    guardrails: guardrailResultsOf(input),
  };
  return {
    experiment: input.experiment,
    run: input.run,
    state: input.state,
    asOf: new Date(moments.at).toISOString(),
    lagSeconds: Math.round(moments.lagMs / SECOND_MS),
    final: input.final,
    method: input.method,
    alpha: input.alpha,
    planned: plan && {
      ...plan,
      progress: Math.min(1, sumOf(moments.units) / plan.units),
    },
    recommendation: recommendationOf(input, parts),
    variants: variantsOf(input),
    ...parts,
    warnings: warningsOf(input, parts.metrics),
  };
};

const variantsOf = ({ variants, control, moments }: AnalysisInput): Results['variants'] =>
  variants.map(({ variant, weight }) => ({
    variant,
    role: variant === control ? 'control' : 'treatment',
    weight,
    units: moments.units[variant] ?? 0,
    quarantined: moments.quarantined[variant] ?? 0,
  }));

/** Returns the health of a run, with the sample ratio by SDK and by day, which helps to find a cause. */
export const computeHealth = (input: HealthInput): ResultsHealth => {
  const { unitsBySdk, unitsByDay, ...health } = input.health;
  const { lagMs: _, ...environment } = input.environment;
  const ratios = (groups: Readonly<Record<string, Readonly<Record<string, number>>>>) =>
    Object.fromEntries(
      Object.entries(groups).map(([name, units]) => [name, sampleRatioOf(input, units)]),
    );
  return {
    experiment: input.experiment,
    run: input.run,
    ...health,
    mismatched: { ...health.mismatched },
    unverified: { ...health.unverified },
    dropped: { ...environment.dropped },
    rejected: { ...environment.rejected },
    unknownEvents: [...environment.unknownEvents],
    units: { bySdk: countsOf(unitsBySdk), byDay: countsOf(unitsByDay) },
    lagSeconds: Math.round(input.lagMs / SECOND_MS),
    sampleRatio: {
      all: sampleRatioOf(input, input.units),
      bySdk: ratios(unitsBySdk),
      byDay: ratios(unitsByDay),
    },
  };
};

const countsOf = (
  groups: Readonly<Record<string, Readonly<Record<string, number>>>>,
): Record<string, Record<string, number>> =>
  Object.fromEntries(Object.entries(groups).map(([name, units]) => [name, { ...units }]));
