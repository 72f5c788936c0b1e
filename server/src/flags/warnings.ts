import type { Condition, ErrorDetail, Flag, Rule } from '@pennon/schema';

/** What is allowed but hardly meant: outcomes that never differ, rules that nobody reaches. */
export const flagWarnings = (
  flag: Flag,
  elsewhere: ReadonlyMap<string, Flag>,
): readonly ErrorDetail[] => [
  ...oneOutcome(flag),
  ...unreachable(flag),
  ...typeElsewhere(flag, elsewhere),
];

const oneOutcome = (flag: Flag): ErrorDetail[] => {
  if (flag.rules.length === 0) return [];
  const outcomes = new Set(flag.rules.flatMap(outcomesOf));
  if (!flag.rules.some(rule => servesEveryone(rule))) outcomes.add(flag.defaultVariant);
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
  if (shareOf(rule) === 0) return [];
  if (rule.variant != null) return [rule.variant];
  return (rule.split ?? []).filter(({ weight }) => weight > 0).map(({ variant }) => variant);
};

const shareOf = (rule: Rule): number => rule.percentage ?? 100;

const servesEveryone = (rule: Rule): boolean =>
  rule.conditions.length === 0 && shareOf(rule) === 100;

const unreachable = (flag: Flag): ErrorDetail[] =>
  flag.rules.flatMap((rule, index) => {
    const why = whyNobody(flag, rule, flag.rules.slice(0, index));
    return why === undefined
      ? []
      : [{ path: `rules.${index}`, message: `rule "${rule.id}" never serves anybody: ${why}` }];
  });

const whyNobody = (flag: Flag, rule: Rule, earlier: readonly Rule[]): string | undefined => {
  if (shareOf(rule) === 0) return 'its percentage is 0';
  if (rule.conditions.some(neverHolds)) return 'one of its conditions has an empty list';
  const blocking = earlier.find(other => takesAll(flag, other, rule));
  return blocking && `rule "${blocking.id}" before it serves all of its subjects`;
};

const NEVER_IN_EMPTY = new Set(['in', 'inCidr']);

/** Whether no subject at all can meet the condition: nobody is in an empty list. */
const neverHolds = (condition: Condition): boolean =>
  'operator' in condition &&
  Array.isArray(condition.value) &&
  condition.value.length === 0 &&
  NEVER_IN_EMPTY.has(condition.operator) !== (condition.not === true);

/** Whether everyone whom `rule` would serve is served by the earlier rule already. */
const takesAll = (flag: Flag, earlier: Rule, rule: Rule): boolean => {
  if (!covers(earlier.conditions, rule.conditions)) return false;
  if (shareOf(earlier) === 100) return true;
  return sameDraw(flag, earlier, rule) && shareOf(earlier) >= shareOf(rule);
};

/** Conditions all hold, so every condition of the earlier rule must be among those of the later one. */
const covers = (earlier: readonly Condition[], later: readonly Condition[]): boolean => {
  const known = new Set(later.map(condition => JSON.stringify(condition)));
  return earlier.every(condition => known.has(JSON.stringify(condition)));
};

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
