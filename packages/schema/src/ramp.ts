import { z } from 'zod';

import { ExperimentRun, OnHarm } from './experiment.ts';
import {
  descriptiveFields,
  descriptiveInputs,
  readOnlyFields,
  serverManagedFields,
} from './flag.ts';
import { HarmEvidence, NotReplaced, perArm } from './harm.ts';
import { LIMITS } from './limits.ts';
import { Rule } from './rule.ts';
import { strictObject } from './strict-object.ts';
import { oneOf } from './suggest.ts';
import { fits, Instant, Key, Name } from './text.ts';

const shareMessage = 'must be more than 0 and at most 100, in steps of 0.001';
const minutesMessage = `must be a whole number of minutes from 1 to ${LIMITS.rampMinutes}, which is 90 days`;
const minutes = z
  .int(minutesMessage)
  .min(1, minutesMessage)
  .max(LIMITS.rampMinutes, minutesMessage);

/** A step of a ramp. */
export const RampStep = strictObject({
  share: z
    .number(shareMessage)
    .min(0.001, shareMessage)
    .max(100, shareMessage)
    .describe('The percentage of the subjects that get the treatment.'),
  holdMinutes: minutes.describe('How long the step lasts at least.'),
  approval: z.boolean().nullish().describe('Whether a person must approve before the step ends.'),
}).meta({ id: 'RampStep' });
export type RampStep = z.infer<typeof RampStep>;

const toleranceMessage = 'must be at least 0 and less than 1; 0.02 is 2 %';

/** A metric that the treatment must not harm. */
export const RampGuardrail = strictObject({
  metric: Key,
  tolerance: z
    .number(toleranceMessage)
    .min(0, toleranceMessage)
    .lt(1, toleranceMessage)
    .nullish()
    .describe('The relative harm that is accepted. The default is 0.'),
  onHarm: OnHarm.nullish().describe('The default is "rollback".'),
}).meta({ id: 'RampGuardrail' });
export type RampGuardrail = z.infer<typeof RampGuardrail>;

/** What happens when the data of a ramp cannot be trusted. */
export const OnMismatch = oneOf(['pause', 'rollback', 'warn']).meta({ id: 'OnMismatch' });

export const RampState = z
  .enum(['draft', 'running', 'paused', 'completed', 'rolledBack'])
  .meta({ id: 'RampState' });
export type RampState = z.infer<typeof RampState>;

/** Why the data of a ramp cannot be trusted. */
export const MismatchEvidence = strictObject({
  kind: z.literal('mismatch'),
  cause: z
    .enum(['units', 'variants', 'switched'])
    .optional()
    .describe(
      'units: their numbers do not fit the weights; variants: more than 1 % of the exposures are to a variant that the rule does not serve; switched: more than 1 % of the units saw both variants.',
    ),
  units: perArm(z.number()),
  logEvidence: z.number().nullable().describe('Against equal numbers of units.'),
  exposures: z.number(),
  mismatched: z.number().describe('Exposures to a variant that the rule does not serve.'),
  quarantined: z.number().describe('Units that saw both variants.'),
}).meta({ id: 'MismatchEvidence' });
export type MismatchEvidence = z.infer<typeof MismatchEvidence>;

/** Why a ramp is in its state. */
export const RampReason = strictObject({
  code: z
    .enum(['requested', 'flagDisabled', 'ruleChanged', 'mismatch', 'harm'])
    .describe('`requested`: by a person or a key.'),
  text: z.string(),
  at: Instant,
  revision: z.int().min(0).describe('The revision of the flag set that it was decided on.'),
  evidence: z.discriminatedUnion('kind', [HarmEvidence, MismatchEvidence]).optional(),
  notReplaced: NotReplaced,
}).meta({ id: 'RampReason' });
export type RampReason = z.infer<typeof RampReason>;

const steps = z
  .array(RampStep)
  .min(1, 'must have at least one step')
  .max(LIMITS.rampSteps, `must have at most ${LIMITS.rampSteps} steps`);

const guardrails = z
  .array(RampGuardrail)
  .max(LIMITS.metricsPerExperiment, `must have at most ${LIMITS.metricsPerExperiment} guardrails`)
  .refine(list => new Set(list.map(({ metric }) => metric)).size === list.length, {
    error: 'must not name the same metric twice',
  });

const alphaMessage = 'must be more than 0 and at most 0.5';
const alpha = z
  .number(alphaMessage)
  .gt(0, alphaMessage)
  .max(0.5, alphaMessage)
  .describe('The probability that a ramp without harm is found harmful, at all looks together.');
const minUnits = z
  .int()
  .min(1, 'must be at least 1')
  .max(LIMITS.plannedUnits)
  .describe('The units of each variant, their windows over, that a step needs before the next.');
const staleAfterMinutes = minutes.describe('A ramp holds if there was no exposure for this long.');

/** Fields that a ramp at work fixes. */
const designFields = {
  flag: Key,
  rule: Name.describe('The id of a rule of the flag. It is added to the end if it does not exist.'),
  control: Name.nullish().describe('The variant to compare with. Needed with guardrails.'),
  treatment: Name.describe('The variant that is released.'),
  steps,
  guardrails: guardrails.describe('Without them the steps are a plain schedule.'),
  alpha,
  minUnits,
  onMismatch: OnMismatch,
  staleAfterMinutes,
};

/** Fields that only a ramp at work changes. */
const runFields = {
  state: RampState,
  step: z.int().min(0).describe('The current step, from 1; 0 before the start.'),
  stepStartedAt: Instant.optional(),
  approved: z.boolean().optional().describe('Whether the current step is approved.'),
  run: ExperimentRun.optional(),
  before: Rule.nullable().optional().describe('The rule before the start; null: there was none.'),
  reason: RampReason.optional().describe('Why the ramp is paused or rolled back.'),
  noted: z.array(RampReason).optional().describe('Findings that only warn.'),
};

type Checked = Pick<
  z.infer<z.ZodObject<typeof designFields>>,
  'control' | 'treatment' | 'steps'
> & {
  readonly guardrails?: readonly RampGuardrail[] | null | undefined;
};

/** While variants are compared, the control gets the same share, so the treatment has half at most. */
const HALF = 50;

const checkDesign = (ramp: Checked, context: z.core.$RefinementCtx): void => {
  const issue = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  const { control, treatment } = ramp;
  const isCompared = (ramp.guardrails ?? []).length > 0;
  if (isCompared && control == null) issue(['control'], 'is missing: guardrails compare with it');
  if (control != null && control === treatment)
    issue(['treatment'], 'must be another variant than "control"');
  for (const [at, { share }] of ramp.steps.entries()) {
    const previous = ramp.steps[at - 1]?.share ?? 0;
    if (share <= previous)
      issue(['steps', at, 'share'], `must be more than the ${previous} of the step before`);
    if (isCompared && share > HALF)
      issue(
        ['steps', at, 'share'],
        `must be at most ${HALF}, because the control gets as much; all get the treatment after the last step`,
      );
  }
};

/** A stepwise release of one variant, as managed and stored. */
export const Ramp = strictObject({
  key: Key,
  ...designFields,
  ...runFields,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .superRefine(checkDesign)
  .meta({ id: 'Ramp' });
export type Ramp = z.infer<typeof Ramp>;

/** The names of the fields that a ramp at work fixes. */
export const RAMP_DESIGN_FIELDS = [
  'flag',
  'rule',
  'control',
  'treatment',
  'steps',
  'guardrails',
  'alpha',
  'minUnits',
  'onMismatch',
  'staleAfterMinutes',
] as const satisfies readonly (keyof typeof designFields)[];

/** Fields with defaults, in requests. */
const optionalInputs = {
  guardrails: guardrails.nullish(),
  alpha: alpha.nullish(),
  minUnits: minUnits.nullish(),
  onMismatch: OnMismatch.nullish(),
  staleAfterMinutes: staleAfterMinutes.nullish(),
};

/** The body of a request that creates a ramp, or replaces the one with this key. */
export const RampCreate = strictObject({
  key: Key,
  ...designFields,
  ...optionalInputs,
  ...descriptiveInputs,
  ...readOnlyFields,
  state: RampState.nullish().meta({ readOnly: true }),
  step: runFields.step.nullish().meta({ readOnly: true }),
  stepStartedAt: Instant.nullish().meta({ readOnly: true }),
  approved: z.boolean().nullish().meta({ readOnly: true }),
  run: ExperimentRun.nullish().meta({ readOnly: true }),
  before: Rule.nullish().meta({ readOnly: true }),
  reason: RampReason.nullish().meta({ readOnly: true }),
  noted: z.array(RampReason).nullish().meta({ readOnly: true }),
}).refine(...fits(LIMITS.rampBytes));
export type RampCreate = z.infer<typeof RampCreate>;

/** A merge patch of a ramp: absent fields stay unchanged, null removes a value. */
export const RampPatch = strictObject({
  key: Key,
  flag: Key.optional(),
  rule: Name.optional(),
  control: Name.nullish(),
  treatment: Name.optional(),
  steps: steps.optional(),
  ...optionalInputs,
  ...descriptiveInputs,
}).refine(...fits(LIMITS.rampBytes));
export type RampPatch = z.infer<typeof RampPatch>;

/** Whether a ramp has its rule: it continues, or waits for a person. */
export const isAtWork = ({ state }: Pick<Ramp, 'state'>): boolean =>
  state === 'running' || state === 'paused';

/** Whether a ramp compares its treatment with a control. */
export const isCompared = ({ guardrails: list }: Pick<Ramp, 'guardrails'>): boolean =>
  list.length > 0;

/** What a ramp waits for before the next step. */
export const RampWait = strictObject({
  code: z.enum([
    'paused',
    'flagDisabled',
    'ruleChanged',
    'lag',
    'noExposures',
    'hold',
    'units',
    'approval',
    'harm',
  ]),
  text: z.string(),
}).meta({ id: 'RampWait' });
export type RampWait = z.infer<typeof RampWait>;

/** How a ramp is doing. What is compared is null without guardrails, and while the ramp is not at work. */
export const RampStatus = strictObject({
  key: Key,
  state: RampState,
  step: z.int().min(0),
  steps: z.int().min(1),
  share: z
    .number()
    .nullable()
    .describe(
      'The percentage of the subjects that get the treatment; null if the ramp does not decide.',
    ),
  asOf: Instant,
  nextStepAt: Instant.nullable().describe('When the time of the step is over.'),
  waiting: z.array(RampWait).describe('What the next step waits for; empty if it comes next.'),
  compared: strictObject({
    lagSeconds: z.int(),
    units: perArm(z.int()).describe('Exposed so far.'),
    matureUnits: perArm(z.int()).describe('Of the metric that has the fewest.'),
    mismatch: z
      .boolean()
      .describe('Whether the numbers of units show that data cannot be trusted.'),
    guardrails: z.array(
      strictObject({
        metric: Key,
        status: z.enum(['watching', 'harming']),
        evidence: z.number().nullable(),
        needed: z.number().nullable(),
        controlUnits: z.int(),
        treatmentUnits: z.int(),
        onHarm: OnHarm,
      }),
    ),
  }).nullable(),
}).meta({ id: 'RampStatus' });
export type RampStatus = z.infer<typeof RampStatus>;
