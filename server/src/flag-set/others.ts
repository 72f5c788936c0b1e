import type { Flag } from '@pennon/schema';

/** What a flag serves to all users that a rule does not serve, and the rule that does so, if any. */
export type ForOthers = { readonly variant: string | null; readonly rule?: string };

/** Returns what the flag serves after a rule, if that is one variant. Otherwise only `defaultVariant` counts. */
export const forOthers = ({ rules, defaultVariant }: Flag, rule: string): ForOthers => {
  const at = rules.findIndex(({ id }) => id === rule);
  const later = at === -1 ? [] : rules.slice(at + 1);
  const forAll = later.find(
    ({ conditions, percentage }) => conditions.length === 0 && (percentage ?? 100) === 100,
  );
  return forAll === undefined
    ? { variant: defaultVariant }
    : { variant: forAll.variant ?? null, rule: forAll.id };
};

/** Returns the words for what serves all others, such as `rule "later"`. */
export const nameOfOthers = ({ rule }: ForOthers): string =>
  rule === undefined ? 'the "defaultVariant"' : `rule "${rule}"`;
