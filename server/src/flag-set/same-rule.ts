import { isDeepStrictEqual } from 'node:util';

import { DEFAULT_UNIT, type Rule } from '@pennon/schema';

/** Whether two rules serve the same. Fields that are absent have their defaults, which a write of the flag may add. */
export const isSameRule = (a: Rule | undefined, b: Rule | undefined): boolean =>
  isDeepStrictEqual(a && complete(a), b && complete(b));

/** Returns a rule with its defaults, so that two of them can be compared. */
export const complete = (rule: Rule): object => ({
  ...Object.fromEntries(Object.entries(rule).filter(([, value]) => value != null)),
  percentage: rule.percentage ?? 100,
  bucketBy: rule.bucketBy ?? DEFAULT_UNIT,
});
