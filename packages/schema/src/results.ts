import { z } from 'zod';

import { AnalysisMethod, ExperimentState, MetricRole, OnHarm } from './experiment.ts';
import { LIMITS } from './limits.ts';
import { MetricDirection } from './metric.ts';
import { strictObject } from './strict-object.ts';
import { Instant, Key, Name, text } from './text.ts';

const number = z.number().nullable();
const counts = z.record(z.string(), z.int());

/** What to do about an experiment. */
export const ResultsOutcome = z
  .enum(['ship', 'doNotShip', 'noDifference', 'wait', 'doNotTrust'])
  .meta({ id: 'ResultsOutcome' });
export type ResultsOutcome = z.infer<typeof ResultsOutcome>;

/** Why a recommendation is what it is. */
export const ResultsReason = z
  .enum([
    'sampleRatio',
    'quarantined',
    'mismatched',
    'guardrail',
    'better',
    'worse',
    'noMeaningfulDifference',
    'inconclusive',
    'stopped',
    'collecting',
  ])
  .meta({ id: 'ResultsReason' });
export type ResultsReason = z.infer<typeof ResultsReason>;

export const Recommendation = strictObject({
  outcome: ResultsOutcome,
  variant: z.string().nullable().describe('The variant that the reason is about, if there is one.'),
  reason: ResultsReason,
  text: z.string().describe('The same as a sentence.'),
}).meta({ id: 'Recommendation' });
export type Recommendation = z.infer<typeof Recommendation>;

export const SampleRatio = strictObject({
  logEvidence: number,
  pValue: number.describe('Holds for all looks together.'),
  mismatch: z.boolean(),
  chiSquarePValue: number.describe('Holds for one look only.'),
}).meta({ id: 'SampleRatio' });
export type SampleRatio = z.infer<typeof SampleRatio>;

const arm = strictObject({ mean: number, standardError: number });

/** What is known of one comparison of a treatment with the control. */
export const ComparisonOutcome = z
  .enum(['insufficient', 'collecting', 'better', 'worse', 'noMeaningfulDifference', 'inconclusive'])
  .meta({ id: 'ComparisonOutcome' });
export type ComparisonOutcome = z.infer<typeof ComparisonOutcome>;

export const MetricComparison = strictObject({
  variant: z.string(),
  control: arm,
  treatment: arm,
  difference: number,
  lower: number,
  upper: number,
  relative: number,
  relativeLower: number,
  relativeUpper: number,
  pValue: number,
  adjustedPValue: number,
  outcome: ComparisonOutcome,
  reason: z
    .enum(['tooFewUnits', 'tooFewEvents', 'noVariance'])
    .nullable()
    .describe('Why the data is insufficient.'),
  decidedAt: Instant.nullable().describe('The first look at which it was better or worse.'),
  covariate: strictObject({
    used: z.boolean(),
    why: z.enum(['off', 'warmingUp', 'tooFewUnits', 'notMeasured']).nullable(),
    varianceReduction: number,
  }),
  bayesian: strictObject({
    chanceToWin: number.describe('The probability that the treatment is better than the control.'),
    expectedLossTreatment: number,
    expectedLossControl: number,
  })
    .nullable()
    .describe('Only of the method "bayesian".'),
}).meta({ id: 'MetricComparison' });
export type MetricComparison = z.infer<typeof MetricComparison>;

export const MetricResults = strictObject({
  metric: z.string(),
  role: MetricRole,
  direction: MetricDirection,
  matureUnits: counts.describe('Units whose window is over, by variant.'),
  comparisons: z.array(MetricComparison),
}).meta({ id: 'MetricResults' });
export type MetricResults = z.infer<typeof MetricResults>;

export const GuardrailResults = strictObject({
  metric: z.string(),
  variant: z.string(),
  status: z.enum(['watching', 'harming']),
  evidence: number.describe('How much speaks for harm; harm is found at "needed".'),
  needed: number,
  treatmentUnits: z.int(),
  controlUnits: z
    .int()
    .describe('Units that converted so far if the metric is a conversion, otherwise mature units.'),
  tolerance: z.number(),
  onHarm: OnHarm.nullable(),
}).meta({ id: 'GuardrailResults' });
export type GuardrailResults = z.infer<typeof GuardrailResults>;

const warning = strictObject({ code: z.string(), text: z.string() });

/** The results of a run of an experiment. */
export const Results = strictObject({
  id: z.string().describe('The same for the same data and method.'),
  experiment: z.string(),
  run: z.string(),
  state: ExperimentState,
  asOf: Instant,
  lagSeconds: z.int(),
  final: z.boolean().describe('Whether they never change again.'),
  method: AnalysisMethod,
  alpha: z.number(),
  planned: strictObject({
    end: Instant,
    units: z.int(),
    progress: z.number().describe('The part of the planned units that there are; at most 1.'),
  }).nullable(),
  recommendation: Recommendation,
  variants: z.array(
    strictObject({
      variant: z.string(),
      role: z.enum(['control', 'treatment']),
      weight: z.number(),
      units: z.int(),
      quarantined: z.int().describe('Units that saw several variants, and count in no metric.'),
    }),
  ),
  sampleRatio: SampleRatio,
  metrics: z.array(MetricResults),
  guardrails: z.array(GuardrailResults),
  warnings: z.array(warning),
}).meta({ id: 'Results' });
export type Results = z.infer<typeof Results>;

const interval = MetricComparison.pick({
  variant: true,
  difference: true,
  lower: true,
  upper: true,
  relative: true,
  relativeLower: true,
  relativeUpper: true,
  outcome: true,
}).meta({ id: 'ResultsInterval' });

/** The intervals of a run over time. */
export const ResultsSeries = strictObject({
  experiment: z.string(),
  run: z.string(),
  points: z.array(
    strictObject({
      at: Instant,
      units: counts,
      metrics: z.array(strictObject({ metric: z.string(), comparisons: z.array(interval) })),
    }),
  ),
}).meta({ id: 'ResultsSeries' });
export type ResultsSeries = z.infer<typeof ResultsSeries>;

/** What happened to the events of a run, and to those of its environment. */
export const ResultsHealth = strictObject({
  experiment: z.string(),
  run: z.string(),
  exposures: z.int(),
  repeats: z.int(),
  late: z.int(),
  outside: z.int().describe('Exposures outside of the enrolment, which enrol no unit.'),
  quarantined: z.int(),
  switchedLater: z.int(),
  withoutValue: z.int(),
  mismatched: counts.describe('Exposures whose variant the server computes otherwise, by SDK.'),
  unverified: counts.describe(
    'Exposures whose variant the server could not check, because the provider sent hashed units, by SDK.',
  ),
  dropped: strictObject({ exposures: z.int(), tracks: z.int() }).describe(
    'Events that providers could not send: all of the environment, also those of other experiments and before this run.',
  ),
  rejected: counts.describe(
    'Events that the server refused, by code: all of the environment, also those of other experiments and before this run.',
  ),
  lagSeconds: z
    .int()
    .describe('The age of the oldest event of the environment that is not counted yet.'),
  unknownEvents: z
    .array(z.string())
    .describe('Names of tracking events of the environment that no metric has.'),
  units: strictObject({
    bySdk: z.record(z.string(), counts),
    byDay: z.record(z.string(), counts).describe('By the UTC day of the first exposure.'),
  }).describe('Units by what they were first exposed with, and by variant.'),
  sampleRatio: strictObject({
    all: SampleRatio,
    bySdk: z.record(z.string(), SampleRatio),
    byDay: z.record(z.string(), SampleRatio),
  }),
}).meta({ id: 'ResultsHealth' });
export type ResultsHealth = z.infer<typeof ResultsHealth>;

/** A unit whose part in a run is looked up. It is in the body, so that no log of requests has it. */
export const UnitLookup = strictObject({
  unit: text(1, LIMITS.unitLength).describe('The value of the attribute that is randomised.'),
}).meta({ id: 'UnitLookup' });
export type UnitLookup = z.infer<typeof UnitLookup>;

/** What is known of one unit in the current run of an experiment. */
export const UnitInRun = strictObject({
  experiment: z.string(),
  run: z.string(),
  attribute: z.string().describe('The attribute that is randomised.'),
  assigned: z
    .string()
    .nullable()
    .describe('The variant for this unit if the conditions hold; null: not in the percentage.'),
  exposure: strictObject({
    variant: z.string(),
    firstAt: Instant,
    quarantined: z
      .boolean()
      .describe('Whether it saw several variants, so it counts in no metric.'),
    settled: z.boolean().describe('Whether its windows are over, so its values are not kept.'),
  })
    .nullable()
    .describe('Null: no exposure of it was folded.'),
  metrics: z.array(
    strictObject({
      metric: z.string(),
      value: z.number().describe('What it counts: capped, and of a ratio the numerator.'),
      denominator: z.number().nullable().describe('Only of a ratio.'),
      countsFrom: Instant.describe('When its window is over, and it is part of the results.'),
    }),
  ),
}).meta({ id: 'UnitInRun' });
export type UnitInRun = z.infer<typeof UnitInRun>;

const finite = z.number();
const atLeast0 = z.number().min(0, 'must be at least 0');
const unitsMessage = 'must be a whole number, at least 0';
const unitCount = z.int(unitsMessage).min(0, unitsMessage).max(LIMITS.plannedUnits);

/** The number of units of a variant, and the sums of their values. */
export const ExternalMoments = strictObject({
  n: unitCount,
  sum: finite.optional(),
  sumSquares: atLeast0.optional(),
  nonZero: unitCount.optional().describe('Units whose value is not 0.'),
  sumCovariate: finite.optional(),
  sumSquaresCovariate: atLeast0.optional(),
  sumProductsCovariate: finite.optional(),
  sumNumerator: finite.optional(),
  sumDenominator: finite.optional(),
  sumSquaresNumerator: atLeast0.optional(),
  sumSquaresDenominator: atLeast0.optional(),
  sumProducts: finite.optional(),
}).meta({ id: 'ExternalMoments' });
export type ExternalMoments = z.infer<typeof ExternalMoments>;

/** The data of an experiment with the source "external", such as a warehouse has computed them. */
export const ExternalStatistics = strictObject({
  asOf: Instant.optional().describe('When the data was complete. By default now.'),
  units: z.record(Name, unitCount).describe('Units by their first variant.'),
  quarantined: z
    .record(Name, unitCount)
    .optional()
    .describe('Units that saw several variants, by the first one. They count in no metric.'),
  metrics: z
    .record(
      Key,
      z.record(
        Name,
        strictObject({ mature: ExternalMoments, soFar: unitCount.nullish() }).meta({
          id: 'ExternalMetric',
        }),
      ),
    )
    .describe('By metric and variant.'),
}).meta({ id: 'ExternalStatistics' });
export type ExternalStatistics = z.infer<typeof ExternalStatistics>;

/** The counts and sums that the results of a run are computed from. */
export const ResultsMoments = strictObject({
  experiment: z.string(),
  run: z.string(),
  asOf: Instant.describe('The time that the windows are compared with.'),
  lagSeconds: z.int(),
  units: counts.describe('Units by their first variant, quarantined ones included.'),
  quarantined: counts.describe('Units that saw several variants, by the first one.'),
  metrics: z
    .record(
      z.string(),
      z.record(
        z.string(),
        strictObject({
          mature: ExternalMoments.describe('Of the units whose window is over.'),
          soFar: z
            .int()
            .nullable()
            .describe('Units with a value other than 0, mature or not. Only of conversions.'),
        }).meta({ id: 'VariantMoments' }),
      ),
    )
    .describe('By metric and variant, as POST /experiments/{key}/statistics accepts them.'),
}).meta({ id: 'ResultsMoments' });
export type ResultsMoments = z.infer<typeof ResultsMoments>;

const positive = (most: number) => {
  const message = `must be more than 0 and at most ${most}`;
  return z.number().gt(0, message).max(most, message).nullish();
};
const MOST_DAYS = 3_650;
const daysMessage = `must be a whole number of days from 1 to ${MOST_DAYS}`;
const weightMessage = `must be more than 0 and at most ${LIMITS.splitWeight}`;
const alphaMessage = 'must be more than 0 and at most 0.5';
const powerMessage = 'must be at least 0.5 and less than 1';
const plannedUnitsMessage = `must be a whole number from 1 to ${LIMITS.plannedUnits}`;

/**
 * A question about the size of an experiment: any two of units, effect, days and units a day. Units a day are those of a
 * rule if only one other is sent.
 */
const planFields = strictObject({
  kind: z
    .enum(['conversion', 'mean'])
    .describe('Counts, sums and ratios are means: they need "standardDeviation".'),
  baseline: z
    .number()
    .refine(value => value !== 0, 'must not be 0: an effect is relative to it')
    .describe('The mean of the control; of a conversion its rate, such as 0.1.'),
  standardDeviation: positive(Number.MAX_VALUE).describe('Of the values of units.'),
  units: z
    .int(plannedUnitsMessage)
    .min(1, plannedUnitsMessage)
    .max(LIMITS.plannedUnits, plannedUnitsMessage)
    .nullish()
    .describe('Of all variants together.'),
  effect: positive(10).describe(
    'The smallest relative difference that must be found; 0.03 is 3 %.',
  ),
  days: z.int(daysMessage).min(1, daysMessage).max(MOST_DAYS, daysMessage).nullish(),
  unitsPerDay: positive(LIMITS.plannedUnits).describe('New units a day, of all variants together.'),
  weights: z
    .array(z.number().gt(0, weightMessage).max(LIMITS.splitWeight, weightMessage))
    .min(2, 'must have the weights of at least two variants')
    .max(LIMITS.variants)
    .default([1, 1])
    .describe('The weights of the variants, that of the control first.'),
  primaryMetrics: z.int().min(1, 'must be at least 1').max(LIMITS.metricsPerExperiment).default(1),
  method: AnalysisMethod.default('sequential'),
  alpha: z.number().gt(0, alphaMessage).max(0.5, alphaMessage).default(0.05),
  power: z.number().min(0.5, powerMessage).lt(1, powerMessage).default(0.8),
  flag: Key.nullish().describe('With "rule": where the experiment is planned.'),
  rule: Name.nullish().describe(
    'Without "unitsPerDay", the units that experiments of this rule had in the last 14 days, or evaluations of the flag.',
  ),
  experiment: Key.nullish().describe('In place of "flag" and "rule".'),
});

type PlanFields = z.infer<typeof planFields>;
type PlanContext = z.core.$RefinementCtx;

/** Checks the fields of a plan together. */
export const checkPlan = (plan: PlanFields, context: PlanContext): void => {
  const issue = (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  const { kind, baseline, standardDeviation, flag, rule, experiment } = plan;
  if (kind === 'conversion' && (baseline <= 0 || baseline >= 1))
    issue('baseline', 'must be a rate between 0 and 1');
  if (kind === 'mean' && standardDeviation == null)
    issue('standardDeviation', 'is missing: a mean needs it');
  if ((flag == null) !== (rule == null))
    issue(flag == null ? 'flag' : 'rule', 'is missing: send "flag" and "rule" together');
  if (experiment != null && flag != null)
    issue('experiment', 'has a flag and a rule already: send it without "flag" and "rule"');
  const problem = sizeProblem(plan, flag != null || experiment != null);
  if (problem !== undefined) issue(problem.path, problem.message);
};

/** Units and effect follow from each other. */
const sizeProblem = ({ units, effect, days, unitsPerDay }: PlanFields, hasRule: boolean) => {
  const given = [units, effect, days, unitsPerDay].filter(each => each != null).length;
  if (given === 1 && hasRule && unitsPerDay == null) return undefined;
  if (given !== 2)
    return {
      path: 'units',
      message:
        'must be sent with one other of "effect", "days" and "unitsPerDay", or two of these; with "flag" and "rule", or "experiment", one of "units", "effect" and "days" is enough',
    };
  return units != null && effect != null
    ? {
        path: 'effect',
        message: 'follows from "units": send one of them, with "days" or "unitsPerDay"',
      }
    : undefined;
};

export const PlanCreate = planFields.superRefine(checkPlan).meta({ id: 'PlanCreate' });
export type PlanCreate = z.infer<typeof PlanCreate>;

export const PlanResult = strictObject({
  units: z.int(),
  unitsByVariant: z.array(z.int()),
  effect: z.number(),
  days: z.int().nullable(),
  recommendedDays: z.int().nullable().describe('Whole weeks, because weekdays differ.'),
  unitsPerDay: z.number().nullable(),
  unitsPerDayFrom: z
    .enum(['exposures', 'usage'])
    .nullable()
    .describe(
      'What "unitsPerDay" was counted from: "exposures" of the rule, or "usage" of the flag, which is an upper estimate. Null: it was sent, or follows.',
    ),
}).meta({ id: 'PlanResult' });
export type PlanResult = z.infer<typeof PlanResult>;
