import { isDeepStrictEqual } from 'node:util';

import type { AttributeCondition, Condition, ErrorDetail, Scalar } from '@pennon/schema';

import { comparedType, type ComparedType } from '../flag-set/attribute-types.ts';

/** A condition without its own negation: `notEquals` is `equals`, negated. */
type Literal = {
  readonly path: string;
  readonly attribute: string;
  readonly operator: string;
  readonly operand: AttributeCondition['value'];
  /** The type of the values that pass; undefined when several types can. */
  readonly type: ComparedType | undefined;
  readonly isNegated: boolean;
};

/** Conditions that all must hold: literals, and groups of which one member must hold. */
type Conjunction = {
  readonly literals: readonly Literal[];
  readonly alternatives: readonly (readonly Conjunction[])[];
};

/** Literals that never hold together. */
type Contradiction = {
  readonly literals: readonly Literal[];
  /** Whether they can hold if the attribute is a list: then each may hold for another entry. */
  readonly isPossibleForLists: boolean;
};

/** Returns a warning for each set of conditions that must all hold, but never do. */
export const contradictions = (conditions: readonly Condition[], base: string): ErrorDetail[] => {
  const found = new Map<string, ErrorDetail>();
  const visit = ({ literals, alternatives }: Conjunction, outer: readonly Literal[]) => {
    const all = [...outer, ...literals];
    for (const contradiction of contradictionsAmong(all))
      found.set(pathsOf(contradiction).join(), warningOf(contradiction));
    for (const members of alternatives) for (const member of members) visit(member, all);
  };
  visit(conjunctionOf(conditions, base, false), []);
  return [...found.values()];
};

const pathsOf = ({ literals }: Contradiction): readonly string[] =>
  literals.map(({ path }) => path);

const warningOf = (contradiction: Contradiction): ErrorDetail => {
  const paths = pathsOf(contradiction);
  const [first] = contradiction.literals;
  const others = paths.slice(0, -1).join(' and ');
  const exception = contradiction.isPossibleForLists
    ? `, unless "${first?.attribute}" is a list`
    : '';
  return {
    path: paths.at(-1) ?? '',
    message: `never holds together with ${others}${exception}: remove one of them, or put them into a group with "any"`,
  };
};

const conjunctionOf = (
  conditions: readonly Condition[],
  base: string,
  isNegated: boolean,
): Conjunction => {
  const parts = conditions.map((condition, index) =>
    conjunctionOfOne(condition, `${base}.${index}`, isNegated),
  );
  return {
    literals: parts.flatMap(({ literals }) => literals),
    alternatives: parts.flatMap(({ alternatives }) => alternatives),
  };
};

/** By De Morgan's laws, a negated `any` is the conjunction of its negated members, and a negated `all` is not. */
const conjunctionOfOne = (
  condition: Condition,
  path: string,
  isNegatedOutside: boolean,
): Conjunction => {
  const isNegated = isNegatedOutside !== (condition.not === true);
  const members = membersOf(condition);
  if (members !== undefined) {
    const isConjunction = (members.kind === 'all') !== isNegated;
    const base = `${path}.${members.kind}`;
    if (isConjunction) return conjunctionOf(members.conditions, base, isNegated);
    const alternatives = members.conditions.map((member, index) =>
      conjunctionOfOne(member, `${base}.${index}`, isNegated),
    );
    return { literals: [], alternatives: [alternatives] };
  }
  return {
    literals: 'operator' in condition ? [literalOf(condition, path, isNegated)] : [],
    alternatives: [],
  };
};

const membersOf = (condition: Condition) => {
  if ('any' in condition) return { kind: 'any', conditions: condition.any } as const;
  return 'all' in condition ? ({ kind: 'all', conditions: condition.all } as const) : undefined;
};

const POSITIVE: ReadonlyMap<string, string> = new Map([
  ['notEquals', 'equals'],
  ['notIn', 'in'],
]);

const literalOf = (condition: AttributeCondition, path: string, isNegated: boolean): Literal => {
  const { attribute, operator, value } = condition;
  const positive = POSITIVE.get(operator);
  return {
    path,
    attribute,
    operator: positive ?? operator,
    operand: value,
    type: comparedType(condition),
    isNegated: isNegated !== (positive !== undefined),
  };
};

const contradictionsAmong = (all: readonly Literal[]): Contradiction[] =>
  [...Map.groupBy(all, ({ attribute }) => attribute).values()].flatMap(literals => [
    ...literals.flatMap(literal => contradictionOfValues(literal, literals)),
    ...literals.flatMap((literal, index) =>
      literals.slice(index + 1).flatMap(other => contradictionOfPair(literal, other)),
    ),
  ]);

const valuesOf = ({ operator, operand, isNegated }: Literal): readonly Scalar[] | undefined => {
  if (isNegated) return undefined;
  if (operator === 'in' && Array.isArray(operand)) return operand;
  return operator === 'equals' && operand != null && !Array.isArray(operand)
    ? [operand]
    : undefined;
};

/** Returns a contradiction if a literal allows some values only, and each of them is excluded by another one. */
const contradictionOfValues = (literal: Literal, literals: readonly Literal[]): Contradiction[] => {
  const values = valuesOf(literal);
  if (values === undefined || values.length === 0) return [];
  const others = literals.filter(
    other => other !== literal && values.some(value => isExcluded(value, other)),
  );
  const negated = others.filter(({ isNegated }) => isNegated);
  const excludedBy = (excluding: readonly Literal[]) =>
    values.every(value => excluding.some(other => isExcluded(value, other)));
  if (excludedBy(negated)) return [contradictionOf([literal, ...negated], literals, false)];
  if (excludedBy(others)) return [contradictionOf([literal, ...others], literals, true)];
  return [];
};

/** Puts the literals into the order of the document. */
const contradictionOf = (
  among: readonly Literal[],
  order: readonly Literal[],
  isPossibleForLists: boolean,
): Contradiction => ({
  literals: order.filter(literal => among.includes(literal)),
  isPossibleForLists,
});

/** Whether the literal does not hold for the value. False if that is not known. */
const isExcluded = (value: Scalar, literal: Literal): boolean => {
  const isPassed = passes(value, literal);
  return isPassed !== undefined && isPassed === literal.isNegated;
};

/** Whether a value passes the comparison, without its negation; undefined when that is not known. */
const passes = (value: Scalar, literal: Literal): boolean | undefined => {
  const { operator, operand } = literal;
  if (operator === 'exists') return true;
  if (operator === 'equals') return value === operand;
  if (operator === 'in') return Array.isArray(operand) && operand.some(each => each === value);
  const range = rangeOf(literal);
  if (range !== undefined) return isInside(pointOf(value, range.unit), range);
  if (typeof value !== 'string') return false;
  if (typeof operand !== 'string') return undefined;
  if (operator === 'startsWith') return value.startsWith(operand);
  if (operator === 'endsWith') return value.endsWith(operand);
  return operator === 'contains' ? value.includes(operand) : undefined;
};

/** The values that pass a comparison of numbers or dates, as an interval. */
type Range = {
  readonly unit: 'number' | 'date';
  readonly from: number;
  readonly to: number;
  readonly includesBounds: boolean;
};

const RANGES: ReadonlyMap<string, Pick<Range, 'unit' | 'includesBounds'> & { isAbove: boolean }> =
  new Map([
    ['greaterThan', { unit: 'number', isAbove: true, includesBounds: false }],
    ['greaterOrEqual', { unit: 'number', isAbove: true, includesBounds: true }],
    ['lessThan', { unit: 'number', isAbove: false, includesBounds: false }],
    ['lessOrEqual', { unit: 'number', isAbove: false, includesBounds: true }],
    ['after', { unit: 'date', isAbove: true, includesBounds: false }],
    ['before', { unit: 'date', isAbove: false, includesBounds: false }],
  ]);

const rangeOf = ({ operator, operand }: Literal): Range | undefined => {
  const kind = RANGES.get(operator);
  if (kind === undefined) return undefined;
  const { unit, isAbove, includesBounds } = kind;
  const bound = pointOf(operand, unit);
  if (Number.isNaN(bound)) return undefined;
  return isAbove
    ? { unit, from: bound, to: Infinity, includesBounds }
    : { unit, from: -Infinity, to: bound, includesBounds };
};

const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/i;

/** NaN if the value is not a number or a date. */
const pointOf = (value: unknown, unit: Range['unit']): number => {
  if (unit === 'number') return typeof value === 'number' ? value : Number.NaN;
  return typeof value === 'string' && DATE.test(value)
    ? Date.parse(value.toUpperCase())
    : Number.NaN;
};

const isInside = (point: number, { from, to, includesBounds }: Range): boolean =>
  (point > from && point < to) || (includesBounds && (point === from || point === to));

const areDisjoint = (a: Range, b: Range): boolean => {
  const from = Math.max(a.from, b.from);
  const to = Math.min(a.to, b.to);
  return from > to || (from === to && !(a.includesBounds && b.includesBounds));
};

/** Whether every point inside `inner` is inside `outer`. */
const contains = (outer: Range, inner: Range): boolean =>
  inner.from >= outer.from &&
  inner.to <= outer.to &&
  (outer.includesBounds || !inner.includesBounds || inner.from > outer.from || inner.to < outer.to);

/** Returns a contradiction of two literals. Those that list their values are compared by `contradictionOfValues`. */
const contradictionOfPair = (a: Literal, b: Literal): Contradiction[] => {
  if (valuesOf(a) !== undefined || valuesOf(b) !== undefined) return [];
  if (a.isNegated && b.isNegated) return [];
  if (a.isNegated !== b.isNegated) {
    const [positive, negated] = a.isNegated ? [b, a] : [a, b];
    return implies(positive, negated) ? [contradictionOf([a, b], [a, b], false)] : [];
  }
  return areExclusive(a, b) ? [contradictionOf([a, b], [a, b], true)] : [];
};

/** Whether every value that passes `positive` passes the comparison of `negated`. */
const implies = (positive: Literal, negated: Literal): boolean => {
  if (negated.operator === 'exists') return true;
  const inner = rangeOf(positive);
  const outer = rangeOf(negated);
  if (inner !== undefined && outer !== undefined)
    return inner.unit === outer.unit && contains(outer, inner);
  return (
    positive.operator === negated.operator && isDeepStrictEqual(positive.operand, negated.operand)
  );
};

/** Whether no single value passes both. */
const areExclusive = (a: Literal, b: Literal): boolean => {
  if (a.type !== undefined && b.type !== undefined && a.type !== b.type) return true;
  const [rangeA, rangeB] = [rangeOf(a), rangeOf(b)];
  if (rangeA !== undefined && rangeB !== undefined)
    return rangeA.unit === rangeB.unit && areDisjoint(rangeA, rangeB);
  if (a.operator !== b.operator) return false;
  const [x, y] = [a.operand, b.operand];
  if (typeof x !== 'string' || typeof y !== 'string') return false;
  if (a.operator === 'startsWith') return !x.startsWith(y) && !y.startsWith(x);
  return a.operator === 'endsWith' && !x.endsWith(y) && !y.endsWith(x);
};
