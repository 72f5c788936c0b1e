import { z } from 'zod';

import { Attribute, AttributeCondition, Conditions, Operator } from './condition.ts';
import { listFewProblems } from './early.ts';
import { problemsOf } from './issues.ts';
import { Scalar } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { expected, Name, NameInput, text } from './text.ts';

const weightMessage = `must be a whole number from 0 to ${LIMITS.splitWeight}`;
const weightError = ({ input }: { input?: unknown }): string =>
  input === undefined ? `is missing: it ${weightMessage}` : weightMessage;

/** A variant's share of a split: its weight divided by the sum of all weights. */
export const SplitEntry = strictObject({
  variant: Name,
  weight: z
    .int({ error: weightError })
    .min(0, weightMessage)
    .max(LIMITS.splitWeight, weightMessage),
}).meta({ id: 'SplitEntry' });
export type SplitEntry = z.infer<typeof SplitEntry>;

const splitMessage = 'must be a list such as [{"variant": "on", "weight": 50}]';
const split = z
  .array(SplitEntry, { error: ({ input }) => expected(splitMessage, input) })
  .min(1, 'must have at least one entry')
  .max(LIMITS.variants, `must have at most ${LIMITS.variants} entries`);
const percentage = z
  .number()
  .min(0, 'must be 0 to 100')
  .max(100, 'must be 0 to 100')
  .describe('Percentage of subjects that the rule applies to, 0 to 100 in steps of 0.001.');
const bucketBy = Attribute.describe(
  'Attribute whose value is hashed. The default is targetingKey.',
);

/** Text that is part of the hashed input: 1 to 256 code points. */
export const Seed = text(1, LIMITS.seedLength).describe('Text that is part of the hashed input.');

/**
 * A rule in its full form, as stored. Whether it has a `variant` or a
 * `split`, and whether those variants exist, is checked when the flag is compiled.
 */
export const Rule = strictObject({
  id: Name,
  conditions: Conditions,
  variant: Name.nullish(),
  split: split.nullish(),
  percentage: percentage.nullish(),
  bucketBy: bucketBy.nullish(),
  seed: Seed.nullish(),
}).meta({ id: 'Rule' });
export type Rule = z.infer<typeof Rule>;

const refuseOperatorAndValue = (rule: RuleInput, context: z.core.$RefinementCtx): void => {
  for (const name of ['operator', 'value'] as const) {
    if (rule[name] == null) continue;
    context.addIssue({
      code: 'custom',
      path: [name],
      message: 'can only be used together with "attribute"',
    });
  }
};

/** Checks the short form with the schema of the full form, so both have the same messages. */
const checkAsCondition = (rule: RuleInput, context: z.core.$RefinementCtx): void => {
  const { attribute, operator, value } = rule;
  const { error } = AttributeCondition.safeParse({ attribute, operator, value });
  for (const { path, message } of error ? problemsOf(error) : [])
    context.addIssue({ code: 'custom', path, message });
};

/** Refuses a rule in short form that is incomplete, or that has `conditions` too. */
export const checkShortForm = (rule: RuleInput, context: z.core.$RefinementCtx): void => {
  if (rule.attribute == null) return refuseOperatorAndValue(rule, context);
  if (rule.conditions != null)
    context.addIssue({
      code: 'custom',
      path: ['attribute'],
      message: 'cannot be combined with "conditions": add it to that list',
    });
  checkAsCondition(rule, context);
};

const ruleInput = strictObject({
  ...Rule.shape,
  id: NameInput.nullish(),
  conditions: Conditions.nullish(),
  attribute: Attribute.nullish(),
  operator: Operator.nullish(),
  value: z
    .union([Scalar, listFewProblems(z.array(Scalar))], {
      error: 'must be a string, a number, a boolean or a list of them',
    })
    .nullish(),
});

/** A rule in a request. A single condition may be inline. */
export const RuleInput = ruleInput.superRefine(checkShortForm).meta({ id: 'RuleInput' });
export type RuleInput = z.infer<typeof ruleInput>;
