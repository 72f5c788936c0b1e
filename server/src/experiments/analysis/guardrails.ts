import type { GuardrailResults } from '@pennon/schema';
import { guardrail, type Guardrail } from '@pennon/statistics';

import { isRatio, pairsOf, type Pair } from './comparisons.ts';
import { shareOf, type AnalysisInput } from './input.ts';

/** Returns whether each treatment harms each guardrail. All of them share alpha. */
export const guardrailResultsOf = (input: AnalysisInput): GuardrailResults[] => {
  const guarded = input.metrics.filter(({ role }) => role === 'guardrail');
  const pairs = guarded.flatMap(metric => pairsOf(input, metric));
  return pairs.map(pair => resultOf(input, pair, input.alpha / pairs.length));
};

const resultOf = (input: AnalysisInput, pair: Pair, alpha: number): GuardrailResults => {
  const { metric, variant, control, treatment } = pair;
  const soFar = soFarOf(input, pair);
  const common = { direction: metric.direction, tolerance: metric.tolerance ?? 0, alpha };
  const tested =
    soFar === undefined || isRatio(control) || isRatio(treatment)
      ? guardrail({
          ...common,
          kind: metric.kind === 'ratio' ? 'ratio' : 'sum',
          control,
          treatment,
        })
      : guardrail({
          ...common,
          kind: 'conversion',
          control,
          treatment,
          soFar,
          share: shareOf(input, variant),
        });
  return {
    metric: metric.metric,
    variant,
    status: tested.harming ? 'harming' : 'watching',
    evidence: evidenceOf(tested),
    needed: tested.needed ?? 1 / alpha,
    treatmentUnits: soFar?.treatment ?? treatment.n,
    controlUnits: soFar?.control ?? control.n,
    tolerance: common.tolerance,
    onHarm: metric.onHarm ?? null,
  };
};

/** Returns the units that converted, whose windows may be open. */
const soFarOf = ({ moments, control }: AnalysisInput, { metric, variant }: Pair) => {
  if (metric.kind !== 'conversion') return undefined;
  const of = (name: string) => moments.metrics[metric.metric]?.[name]?.soFar ?? 0;
  return { control: of(control), treatment: of(variant) };
};

/** The evidence of the test that found harm, otherwise that of the first test. */
const evidenceOf = ({ exact, sequence, harming }: Guardrail): number | null => {
  const bySequence = sequence.pValue === null ? null : bounded(1 / sequence.pValue);
  if (exact === null) return bySequence;
  const byRate = exact.logEvidence === null ? null : bounded(Math.exp(exact.logEvidence));
  return harming ? Math.max(byRate ?? 0, bySequence ?? 0) : byRate;
};

const bounded = (evidence: number): number => Math.min(evidence, Number.MAX_VALUE);
