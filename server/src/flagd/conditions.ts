import type {
  AttributeCondition,
  Condition,
  FlagCondition,
  SegmentCondition,
} from '@pennon/schema';

import { requireSameAttribute } from './attribute-names.ts';
import { allOf, anyOf, isOneOf, not, type Logic, type RenderType } from './logic.ts';
import { COMPARISONS } from './operators.ts';

/** What the conditions of a flag or a segment refer to. */
export type References = {
  /** The logic of the type tests: shared, or spelled out if they cannot be shared. */
  readonly type: RenderType;
  readonly segment: (key: string) => Logic;
  /** Returns the logic that results in the variant of a flag. */
  readonly flag: (key: string) => Logic;
};

const comparisonLogic = (condition: AttributeCondition, { type }: References): Logic => {
  requireSameAttribute(condition.attribute);
  return COMPARISONS[condition.operator](condition, type);
};

const segmentLogic = ({ segment }: SegmentCondition, references: References): Logic =>
  references.segment(segment);

/** The text at the start is always true. It names the flag for an import. */
const flagLogic = ({ flag, variants }: FlagCondition, references: References): Logic => ({
  and: [`${FLAG_PREFIX}${flag}`, isOneOf(references.flag(flag), variants)],
});

export const FLAG_PREFIX = 'flag:';

const positiveLogic = (condition: Condition, references: References): Logic => {
  if ('attribute' in condition) return comparisonLogic(condition, references);
  if ('segment' in condition) return segmentLogic(condition, references);
  if ('flag' in condition) return flagLogic(condition, references);
  if ('any' in condition) return anyOf(condition.any.map(each => logicOf(each, references)));
  return allOf(condition.all.map(each => logicOf(each, references)));
};

/** Returns the logic that holds exactly if the condition does. */
const logicOf = (condition: Condition, references: References): Logic => {
  const logic = positiveLogic(condition, references);
  return condition.not === true ? not(logic) : logic;
};

/** Returns the logic that holds if all conditions do. */
export const conditionsLogic = (conditions: readonly Condition[], references: References): Logic =>
  allOf(conditions.map(condition => logicOf(condition, references)));
