import type { Condition, ErrorDetail, Flag, Rule } from '@pennon/schema';

/** What is allowed but hardly meant: outcomes that never differ, rules that nobody reaches. */
export const flagWarnings = (
  flag: Flag,
  elsewhere: ReadonlyMap<string, Flag>,
): readonly ErrorDetail[] => {
  const rules = judge(flag);
  return [...oneOutcome(flag, rules), ...unreachable(rules), ...typeElsewhere(flag, elsewhere)];
};

/** A rule with its conditions as texts, and why it never serves anybody, where that is so. */
type Judged = {
  readonly rule: Rule;
  readonly conditions: ReadonlySet<string>;
  readonly whyNobody: string | undefined;
};

const judge = (flag: Flag): readonly Judged[] => {
  const judged: Judged[] = [];
  for (const rule of flag.rules) {
    const conditions = new Set(rule.conditions.map(condition => JSON.stringify(condition)));
    judged.push({ rule, conditions, whyNobody: whyNobody(flag, rule, conditions, judged) });
  }
  return judged;
};

const oneOutcome = (flag: Flag, rules: readonly Judged[]): ErrorDetail[] => {
  if (rules.length === 0) return [];
  const reached = rules.filter(judged => judged.whyNobody === undefined);
  const outcomes = new Set(reached.flatMap(({ rule }) => outcomesOf(rule)));
  if (!reached.some(({ rule }) => servesEveryone(rule))) outcomes.add(flag.defaultVariant);
  if (outcomes.size !== 1) return [];
  const [only] = outcomes;
  return [
    {
      path: 'rules',
      message: `every outcome is ${only === null ? 'the code default' : `the variant "${only}"`}: the rules make no difference`,
    },
  ];
};

const outcomesOf = (rule: Rule): (string | null)[] => {
  if (rule.variant != null) return [rule.variant];
  return (rule.split ?? []).filter(({ weight }) => weight > 0).map(({ variant }) => variant);
};

const shareOf = (rule: Rule): number => rule.percentage ?? 100;

const servesEveryone = (rule: Rule): boolean =>
  rule.conditions.length === 0 && shareOf(rule) === 100;

const unreachable = (rules: readonly Judged[]): ErrorDetail[] =>
  rules.flatMap(({ rule, whyNobody: why }, index) =>
    why === undefined
      ? []
      : [{ path: `rules.${index}`, message: `rule "${rule.id}" never serves anybody: ${why}` }],
  );

const whyNobody = (
  flag: Flag,
  rule: Rule,
  conditions: ReadonlySet<string>,
  earlier: readonly Judged[],
): string | undefined => {
  if (shareOf(rule) === 0) return 'its percentage is 0';
  if (rule.conditions.some(neverHolds)) return 'one of its conditions has an empty list';
  // Conditions all hold, so every condition of the earlier rule must be among those of the later one.
  const blocking = earlier.find(
    other => admitsAll(flag, other.rule, rule) && isWithin(other.conditions, conditions),
  );
  return blocking && `rule "${blocking.rule.id}" before it serves all of its subjects`;
};

const isWithin = (part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean => {
  for (const condition of part) if (!whole.has(condition)) return false;
  return true;
};

const NEVER_IN_EMPTY = new Set(['in', 'inCidr']);

/** Whether no subject at all can meet the condition: nobody is in an empty list. */
const neverHolds = (condition: Condition): boolean =>
  'operator' in condition &&
  Array.isArray(condition.value) &&
  condition.value.length === 0 &&
  NEVER_IN_EMPTY.has(condition.operator) !== (condition.not === true);

/** Whether the earlier rule's percentage admits everyone whom that of `rule` would. */
const admitsAll = (flag: Flag, earlier: Rule, rule: Rule): boolean =>
  shareOf(earlier) === 100 || (sameDraw(flag, earlier, rule) && shareOf(earlier) >= shareOf(rule));

const sameDraw = (flag: Flag, a: Rule, b: Rule): boolean =>
  (a.seed ?? flag.seed) === (b.seed ?? flag.seed) &&
  (a.bucketBy ?? 'targetingKey') === (b.bucketBy ?? 'targetingKey');

const typeElsewhere = (flag: Flag, elsewhere: ReadonlyMap<string, Flag>): ErrorDetail[] =>
  [...elsewhere].flatMap(([environment, namesake]) =>
    namesake.type === flag.type
      ? []
      : [
          {
            path: 'type',
            message: `is "${flag.type}" here and "${namesake.type}" in environment "${environment}"`,
          },
        ],
  );
