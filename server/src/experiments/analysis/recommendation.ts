import type {
  MetricComparison,
  MetricResults,
  Recommendation,
  Results,
  SampleRatio,
} from '@pennon/schema';

import type { AnalysisInput } from './input.ts';

/** A larger part of the units, or of the exposures, makes all numbers doubtful. */
const DOUBTFUL_SHARE = 0.01;

const DAY_MS = 86_400_000;

type Findings = Pick<Results, 'metrics' | 'guardrails'> & { readonly sampleRatio: SampleRatio };

/** Returns what to do, with the reason in a sentence. Doubt comes first, then harm, then what is decided. */
export const recommendationOf = (input: AnalysisInput, parts: Findings): Recommendation =>
  doubt(input, parts.sampleRatio) ??
  harm(parts) ??
  decision(parts.metrics) ??
  (isOver(input) ? undecidedAtEnd(input, parts.metrics) : waiting(input));

const doubt = (input: AnalysisInput, sampleRatio: SampleRatio): Recommendation | undefined => {
  const distrust = (reason: Recommendation['reason'], text: string): Recommendation => ({
    outcome: 'doNotTrust',
    variant: null,
    reason,
    text,
  });
  if (sampleRatio.mismatch)
    return distrust(
      'sampleRatio',
      'The variants do not have the units that their weights promise: find the cause before you read anything else.',
    );
  const units = sumOf(input.moments.units);
  const quarantined = sumOf(input.moments.quarantined);
  if (quarantined > DOUBTFUL_SHARE * units)
    return distrust(
      'quarantined',
      `${percent(quarantined / units)} of the units saw several variants, which must not happen.`,
    );
  const mismatched = sumOf(input.health.mismatched);
  const exposures = input.health.exposures + mismatched;
  if (mismatched > DOUBTFUL_SHARE * exposures)
    return distrust(
      'mismatched',
      `${percent(mismatched / exposures)} of the exposures have another variant than the rule gives: an SDK is wrong or has old flags.`,
    );
  return undefined;
};

export const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0);

export const percent = (share: number): string => `${Number((share * 100).toPrecision(2))} %`;

const harm = ({ guardrails, metrics }: Findings): Recommendation | undefined => {
  const harming = guardrails.filter(({ status }) => status === 'harming');
  const safe = winnersOf(metrics).filter(name => !harming.some(({ variant }) => variant === name));
  const [first] = harming;
  if (first === undefined || safe.length > 0) return undefined;
  const { variant, metric } = first;
  const text = `"${variant}" harms the guardrail "${metric}" more than is tolerated.`;
  return { outcome: 'doNotShip', variant, reason: 'guardrail', text };
};

type Primary = { readonly metric: string; readonly comparison: MetricComparison };

const primaries = (metrics: readonly MetricResults[]): Primary[] =>
  metrics
    .filter(({ role }) => role === 'primary')
    .flatMap(({ metric, comparisons }) => comparisons.map(comparison => ({ metric, comparison })));

/** Treatments that are better in a primary metric and worse in none, the largest effect first. */
const winnersOf = (metrics: readonly MetricResults[]): string[] => {
  const all = primaries(metrics).map(({ comparison }) => comparison);
  const losers = new Set(
    all.filter(({ outcome }) => outcome === 'worse').map(({ variant }) => variant),
  );
  const winners = all
    .filter(({ outcome, variant }) => outcome === 'better' && !losers.has(variant))
    .toSorted((a, b) => Math.abs(b.relative ?? 0) - Math.abs(a.relative ?? 0));
  return [...new Set(winners.map(({ variant }) => variant))];
};

const decision = (metrics: readonly MetricResults[]): Recommendation | undefined => {
  const all = primaries(metrics);
  const [winner] = winnersOf(metrics);
  if (winner !== undefined) {
    const found = all.find(
      ({ comparison }) => comparison.variant === winner && comparison.outcome === 'better',
    );
    const text = `"${winner}" is better than the control in "${found?.metric ?? ''}".`;
    return { outcome: 'ship', variant: winner, reason: 'better', text };
  }
  const treatments = new Set(all.map(({ comparison }) => comparison.variant));
  const worse = all.filter(({ comparison }) => comparison.outcome === 'worse');
  const losers = new Set(worse.map(({ comparison }) => comparison.variant));
  const [first] = worse;
  if (first === undefined || losers.size < treatments.size) return undefined;
  const { metric, comparison } = first;
  const text = `"${comparison.variant}" is worse than the control in "${metric}".`;
  return { outcome: 'doNotShip', variant: comparison.variant, reason: 'worse', text };
};

const isOver = ({ state, ended }: AnalysisInput): boolean =>
  ended || state === 'ended' || state === 'stopped';

const undecidedAtEnd = (
  { ended }: AnalysisInput,
  metrics: readonly MetricResults[],
): Recommendation => {
  const result = (reason: Recommendation['reason'], text: string): Recommendation => ({
    outcome: 'noDifference',
    variant: null,
    reason,
    text,
  });
  if (!ended) return result('stopped', 'The run was stopped before a difference was found.');
  const isNone = primaries(metrics).every(
    ({ comparison }) => comparison.outcome === 'noMeaningfulDifference',
  );
  return isNone
    ? result(
        'noMeaningfulDifference',
        'The variants differ by less than the smallest effect that matters.',
      )
    : result(
        'inconclusive',
        'No difference was found, and one that matters cannot be excluded either.',
      );
};

const waiting = ({ plan, moments }: AnalysisInput): Recommendation => {
  const days = plan === null ? undefined : Math.ceil((Date.parse(plan.end) - moments.at) / DAY_MS);
  return {
    outcome: 'wait',
    variant: null,
    reason: 'collecting',
    text: `Nothing is decided yet${toGo(days)}.`,
  };
};

const toGo = (days: number | undefined): string => {
  if (days === undefined) return '';
  if (days <= 0) return '; enrolment is over, and windows are still open';
  return days === 1 ? '; 1 day to go' : `; ${days} days to go`;
};
