import { isDeepStrictEqual } from 'node:util';

import type { Flag, Rule } from '@pennon/schema';

import { PennonError } from '../errors.ts';

/**
 * Throws NO_EFFECT if the write changes the rules or the default variant, and every rule serves nothing but
 * the default variant: then the rules change nothing, which is hardly ever intended.
 */
export const requireEffect = (flag: Flag, current: Flag | null): void => {
  if (flag.rules.length === 0) return;
  const outcomes = new Set(flag.rules.flatMap(variantsOf)).add(flag.defaultVariant);
  if (outcomes.size > 1 || (current !== null && isSameDecision(flag, current))) return;
  throw noEffect(flag);
};

const isSameDecision = (flag: Flag, current: Flag): boolean =>
  flag.defaultVariant === current.defaultVariant && isDeepStrictEqual(flag.rules, current.rules);

/**
 * Variants that a rule serves. Its percentage does not matter: a rule at 0 % is a rollout that has not
 * begun, and one at 100 % a rollout that is complete.
 */
export const variantsOf = (rule: Rule): (string | null)[] => {
  if (rule.variant != null) return [rule.variant];
  return (rule.split ?? []).filter(({ weight }) => weight > 0).map(({ variant }) => variant);
};

const noEffect = ({ key, defaultVariant, variants }: Flag): PennonError => {
  const other = Object.keys(variants).find(name => name !== defaultVariant);
  const remedy =
    other === undefined
      ? 'add another variant for the rules to serve'
      : `send "defaultVariant": "${other}" in the same request, or let a rule serve "${other}"`;
  const message = `the rules serve "${defaultVariant}", which is the default variant too, so they change nothing: ${remedy}; to write them anyway, send "allowNoEffect": true`;
  return new PennonError('NO_EFFECT', `flag "${key}": ${message}`, {
    details: [{ path: 'rules', message }],
  });
};
