import { z } from 'zod';

import { Attribute } from './condition.ts';
import {
  descriptiveFields,
  descriptiveInputs,
  readOnlyFields,
  serverManagedFields,
} from './flag.ts';
import { HarmEvidence, NotReplaced } from './harm.ts';
import { LIMITS } from './limits.ts';
import { Seed, SplitEntry } from './rule.ts';
import { strictObject } from './strict-object.ts';
import { oneOf } from './suggest.ts';
import { fits, Instant, Key, lines, Name, text } from './text.ts';

/** What a metric decides: primary ones decide the experiment, guardrails must not be harmed. */
export const MetricRole = oneOf(['primary', 'secondary', 'guardrail']).meta({ id: 'MetricRole' });
export type MetricRole = z.infer<typeof MetricRole>;

/** What happens when a guardrail is harmed. */
export const OnHarm = oneOf(['pause', 'rollback', 'warn']).meta({ id: 'OnHarm' });
export type OnHarm = z.infer<typeof OnHarm>;

const effectMessage = 'must be more than 0 and at most 10; 0.03 is 3 %';
const toleranceMessage = 'must be at least 0 and less than 1; 0.02 is 2 %';

/** A metric of an experiment. */
export const ExperimentMetric = strictObject({
  metric: Key,
  role: MetricRole,
  minimumEffect: z
    .number()
    .gt(0, effectMessage)
    .max(10, effectMessage)
    .nullish()
    .describe('The smallest relative difference that matters.'),
  tolerance: z
    .number()
    .min(0, toleranceMessage)
    .lt(1, toleranceMessage)
    .nullish()
    .describe('The relative harm that is accepted of a guardrail. The default is 0.'),
  onHarm: OnHarm.nullish().describe('What the server does if it is harmed. The default is "warn".'),
})
  .superRefine(({ role, minimumEffect, tolerance, onHarm }, context) => {
    const refused =
      role === 'guardrail'
        ? { minimumEffect: [minimumEffect, 'is not for a guardrail'] }
        : {
            tolerance: [tolerance, 'is only for a guardrail'],
            onHarm: [onHarm, 'is only for a guardrail'],
          };
    for (const [name, [value, message]] of Object.entries(refused))
      if (value != null) context.addIssue({ code: 'custom', path: [name], message: `${message}` });
  })
  .meta({ id: 'ExperimentMetric' });
export type ExperimentMetric = z.infer<typeof ExperimentMetric>;

/** How results are computed. */
export const AnalysisMethod = oneOf(['sequential', 'fixed', 'bayesian'], {
  frequentist: 'sequential',
  bayes: 'bayesian',
}).meta({ id: 'AnalysisMethod' });
export type AnalysisMethod = z.infer<typeof AnalysisMethod>;

const alphaMessage = 'must be more than 0 and at most 0.5';
const powerMessage = 'must be at least 0.5 and less than 1';
const alpha = z.number().gt(0, alphaMessage).max(0.5, alphaMessage);
const power = z.number().min(0.5, powerMessage).lt(1, powerMessage);

const prior = strictObject({
  standardDeviation: z
    .number()
    .gt(0, 'must be more than 0')
    .nullable()
    .describe('Of relative effects, around 0; null for a flat prior.'),
})
  .nullish()
  .describe('Only of the method "bayesian", for metrics other than conversions.');

/** How results are computed in a request. The defaults are `sequential`, 0.05 and 0.8. */
const AnalysisInput = strictObject({
  method: AnalysisMethod.optional(),
  alpha: alpha.optional(),
  power: power.optional(),
  prior,
}).meta({ id: 'ExperimentAnalysisInput' });

export const ExperimentAnalysis = strictObject({ method: AnalysisMethod, alpha, power, prior })
  .refine(analysis => analysis.prior == null || analysis.method === 'bayesian', {
    path: ['prior'],
    error: 'is only for the method "bayesian"',
  })
  .meta({ id: 'ExperimentAnalysis' });
export type ExperimentAnalysis = z.infer<typeof ExperimentAnalysis>;

/** When an experiment ends, and with how many units of all variants together. */
export const ExperimentPlan = strictObject({
  end: Instant,
  units: z.int().min(1, 'must be at least 1').max(LIMITS.plannedUnits),
}).meta({ id: 'ExperimentPlan' });
export type ExperimentPlan = z.infer<typeof ExperimentPlan>;

/** Where the moments of an experiment come from. */
export const ExperimentSource = oneOf(['events', 'external'], { warehouse: 'external' }).meta({
  id: 'ExperimentSource',
});

export const ExperimentState = z
  .enum(['draft', 'running', 'settling', 'ended', 'stopped'])
  .meta({ id: 'ExperimentState' });
export type ExperimentState = z.infer<typeof ExperimentState>;

/** One start-to-end of an experiment, with what it has fixed of its rule. */
export const ExperimentRun = strictObject({
  id: z.string(),
  startedAt: Instant,
  revision: z.int().min(0).describe('The revision of the flag set before the start.'),
  unit: Attribute.describe('The attribute whose values are randomised and counted.'),
  seed: Seed.describe('The seed of the rule, or of the flag.'),
  variants: z.array(SplitEntry).describe('The variants with their weights.'),
  enrolmentEndedAt: Instant.optional(),
  endedAt: Instant.optional(),
}).meta({ id: 'ExperimentRun' });
export type ExperimentRun = z.infer<typeof ExperimentRun>;

/** What was decided, and when. */
export const ExperimentDecision = strictObject({
  variant: Name.nullable().describe('The variant that the rule serves; null: the rule is removed.'),
  at: Instant,
  results: z.string().optional().describe('The id of the results that were decided on.'),
}).meta({ id: 'ExperimentDecision' });
export type ExperimentDecision = z.infer<typeof ExperimentDecision>;

const metrics = z
  .array(ExperimentMetric)
  .max(LIMITS.metricsPerExperiment, `must have at most ${LIMITS.metricsPerExperiment} metrics`)
  .refine(list => new Set(list.map(({ metric }) => metric)).size === list.length, {
    error: 'must not name the same metric twice',
  });

/** Fields that a running experiment fixes. */
const designFields = {
  flag: Key,
  rule: Name.describe('The id of a rule of the flag that has a split.'),
  control: Name.describe('The variant that the others of the split are compared with.'),
  metrics,
  analysis: ExperimentAnalysis,
  plan: ExperimentPlan.nullish(),
  source: ExperimentSource,
};

/** What the server has found in a guardrail of the run, and done about it. */
export const ExperimentHarm = strictObject({
  done: OnHarm.describe(
    'pause: the flag was disabled; rollback: the run was stopped, and the rule serves the control; warn: nothing.',
  ),
  variant: Name.describe('The treatment that is worse than the control.'),
  text: z.string(),
  at: Instant,
  revision: z.int().min(0).describe('The revision of the flag set that it was decided on.'),
  evidence: HarmEvidence,
  notReplaced: NotReplaced,
}).meta({ id: 'ExperimentHarm' });
export type ExperimentHarm = z.infer<typeof ExperimentHarm>;

/** Fields that only the start and the end of runs change. */
const runFields = {
  state: ExperimentState,
  run: ExperimentRun.optional(),
  decision: ExperimentDecision.optional(),
  harms: z.array(ExperimentHarm).optional(),
};

/** A comparison of the variants of one rule, as managed and stored. */
export const Experiment = strictObject({
  key: Key,
  hypothesis: text(0, LIMITS.textLength).nullish(),
  ...designFields,
  ...runFields,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .refine(...fits(LIMITS.experimentBytes))
  .meta({ id: 'Experiment' });
export type Experiment = z.infer<typeof Experiment>;

/** The names of the fields that a running experiment fixes. */
export const DESIGN_FIELDS = [
  'flag',
  'rule',
  'control',
  'metrics',
  'analysis',
  'plan',
  'source',
] as const satisfies readonly (keyof typeof designFields)[];

const hypothesis = lines(0, LIMITS.textLength).nullish();

/** The body of a request that creates an experiment, or replaces the one with this key. */
export const ExperimentCreate = strictObject({
  key: Key,
  hypothesis,
  ...designFields,
  metrics: metrics.nullish(),
  analysis: AnalysisInput.nullish(),
  source: ExperimentSource.nullish(),
  ...descriptiveInputs,
  ...readOnlyFields,
  state: ExperimentState.nullish().meta({ readOnly: true }),
  run: ExperimentRun.nullish().meta({ readOnly: true }),
  decision: ExperimentDecision.nullish().meta({ readOnly: true }),
  harms: z.array(ExperimentHarm).nullish().meta({ readOnly: true }),
}).refine(...fits(LIMITS.experimentBytes));
export type ExperimentCreate = z.infer<typeof ExperimentCreate>;

/** A merge patch of an experiment: absent fields stay unchanged, null removes a value. */
export const ExperimentPatch = strictObject({
  key: Key,
  hypothesis,
  flag: Key.optional(),
  rule: Name.optional(),
  control: Name.optional(),
  metrics: metrics.nullish(),
  analysis: AnalysisInput.nullish(),
  plan: ExperimentPlan.nullish(),
  source: ExperimentSource.nullish(),
  ...descriptiveInputs,
}).refine(...fits(LIMITS.experimentBytes));
export type ExperimentPatch = z.infer<typeof ExperimentPatch>;

/** Whether units are enrolled, or windows are still open. */
export const isLive = ({ state }: Pick<Experiment, 'state'>): boolean =>
  state === 'running' || state === 'settling';
