import { isCompared, type Flag, type Ramp, type Rule } from '@pennon/schema';

import { isSameRule } from '../flag-set/same-rule.ts';

/** Returns the rule of a ramp in a flag, if it is there. */
export const ruleIn = (
  { rules }: Pick<Flag, 'rules'>,
  ramp: Pick<Ramp, 'rule'>,
): Rule | undefined => rules.find(({ id }) => id === ramp.rule);

/**
 * Returns the rule of a ramp at a step, from 1. While variants are compared the control has the same share as the
 * treatment, and their ratio never changes, so that the data of all steps are one sample. After the last step all get
 * the treatment.
 */
export const ruleAt = (ramp: Ramp, step: number): Rule => {
  const { conditions, bucketBy, seed } = ramp.before ?? NO_RULE;
  const rule = { id: ramp.rule, conditions };
  const share = ramp.steps[step - 1]?.share;
  if (share === undefined) return { ...rule, variant: ramp.treatment };
  return {
    ...rule,
    ...served(ramp, share),
    ...(bucketBy != null && { bucketBy }),
    ...(seed != null && { seed }),
  };
};

const NO_RULE: Pick<Rule, 'conditions' | 'bucketBy' | 'seed'> = { conditions: [] };

const served = (ramp: Ramp, share: number): Pick<Rule, 'variant' | 'split' | 'percentage'> =>
  isCompared(ramp)
    ? { split: variantsOf(ramp), percentage: 2 * share }
    : { variant: ramp.treatment, percentage: share };

/** The variants that a ramp serves, with equal weights. */
export const variantsOf = ({ control, treatment, guardrails }: Ramp) =>
  (control == null || !isCompared({ guardrails }) ? [treatment] : [control, treatment]).map(
    variant => ({ variant, weight: 1 }),
  );

/** Whether the rule is as the ramp has left it. */
export const isAsWritten = (ramp: Ramp, flag: Flag | undefined): boolean => {
  const rule = flag && ruleIn(flag, ramp);
  return rule !== undefined && isSameRule(rule, ruleAt(ramp, ramp.step));
};

/** Returns the flag with another rule in the place of the ramp's, or at the end if there is none. */
export const withRule = (flag: Flag, rule: Rule): Flag => ({
  ...flag,
  rules: flag.rules.some(({ id }) => id === rule.id)
    ? flag.rules.map(each => (each.id === rule.id ? rule : each))
    : [...flag.rules, rule],
});

const withoutRule = (flag: Flag, { rule }: Ramp): Flag => ({
  ...flag,
  rules: flag.rules.filter(({ id }) => id !== rule),
});

/**
 * Returns the flag with the rule as it was before the ramp. A rule that another caller has changed is not replaced: it
 * applies to no subject any more. So does one that experiments of the flag need in its place.
 */
export const withRuleBefore = (flag: Flag, ramp: Ramp, isNeeded: boolean): Flag => {
  const rule = ruleIn(flag, ramp);
  if (rule === undefined) return flag;
  if (!isAsWritten(ramp, flag)) return withRule(flag, { ...rule, percentage: 0 });
  if (ramp.before != null) return withRule(flag, ramp.before);
  return isNeeded ? withRule(flag, { ...rule, percentage: 0 }) : withoutRule(flag, ramp);
};
