import { z } from 'zod';

import { Attribute, AttributeCondition, Conditions, Operator } from './condition.ts';
import { problemsOf } from './issues.ts';
import { Scalar } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Name, text } from './text.ts';

const wholeWeight = `must be a whole number from 0 to ${LIMITS.splitWeight}`;

/** One variant's share of a split: its weight over the sum of all weights. */
export const SplitEntry = strictObject({
  variant: Name,
  weight: z.int(wholeWeight).min(0, wholeWeight).max(LIMITS.splitWeight, wholeWeight),
});
export type SplitEntry = z.infer<typeof SplitEntry>;

const split = z
  .array(SplitEntry)
  .min(1, 'must have at least one entry')
  .max(LIMITS.variants, `must have at most ${LIMITS.variants} entries`);
const percentage = z
  .number()
  .min(0, 'must be 0 to 100')
  .max(100, 'must be 0 to 100')
  .describe('How much of the traffic the rule admits, 0 to 100 in steps of 0.001.');
const bucketBy = Attribute.describe('Attribute whose value is hashed; targetingKey by default.');

/** Text mixed into the hash: 1 to 256 code points. */
export const Seed = text(1, LIMITS.seedLength).describe('Text mixed into the hash.');

/**
 * What a rule consists of, whole: what is stored, and what a patch must send. That it has a `variant`
 * or a `split`, and that its variants exist, is checked where the flag is compiled.
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

const withoutAttribute = (rule: RuleInput, context: z.core.$RefinementCtx): void => {
  for (const name of ['operator', 'value'] as const) {
    if (rule[name] == null) continue;
    context.addIssue({ code: 'custom', path: [name], message: 'needs an "attribute" beside it' });
  }
};

/** A condition in short is held to the same schema as a condition in full. */
const asCondition = (rule: RuleInput, context: z.core.$RefinementCtx): void => {
  const { attribute, operator, value } = rule;
  const { error } = AttributeCondition.safeParse({ attribute, operator, value });
  for (const { path, message } of error ? problemsOf(error) : [])
    context.addIssue({ code: 'custom', path, message });
};

const checkShortForm = (rule: RuleInput, context: z.core.$RefinementCtx): void => {
  if (rule.attribute == null) return withoutAttribute(rule, context);
  if (rule.conditions != null)
    context.addIssue({
      code: 'custom',
      path: ['attribute'],
      message: 'cannot stand beside "conditions": write it as one of them',
    });
  asCondition(rule, context);
};

const ruleInput = strictObject({
  ...Rule.shape,
  id: Name.nullish(),
  conditions: Conditions.nullish(),
  attribute: Attribute.nullish(),
  operator: Operator.nullish(),
  value: z
    .union([Scalar, z.array(Scalar)], {
      error: 'must be a string, a number, a boolean or a list of them',
    })
    .nullish(),
});

/** A rule as people may write it on creation: parts left out, or its one condition in short. */
export const RuleInput = ruleInput.superRefine(checkShortForm).meta({ id: 'RuleInput' });
export type RuleInput = z.infer<typeof ruleInput>;
