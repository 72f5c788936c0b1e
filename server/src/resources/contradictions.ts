import { isDeepStrictEqual } from 'node:util';

import type { AttributeCondition, Condition, ErrorDetail, Scalar } from '@pennon/schema';

import { comparedType, type ComparedType } from '../flag-set/attribute-types.ts';
import type { Steps } from '../slices.ts';

/** A condition without its own negation: `notEquals` is `equals`, negated. */
type Literal = {
  readonly path: string;
  readonly attribute: string;
  readonly operator: string;
  readonly operand: AttributeCondition['value'];
  /** The values of the operand of `equals` or `in`: lists can have thousands. */
  readonly listed: ReadonlySet<Scalar> | undefined;
  readonly range: Range | undefined;
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

/** Contradictions of one list of conditions after which no others are looked for. */
const MAX_CONTRADICTIONS = 50;

/** Returns a warning for each set of conditions that must all hold, but never do. */
export function* contradictionSteps(
  conditions: readonly Condition[],
  base: string,
): Steps<ErrorDetail[]> {
  const found = new Map<string, ErrorDetail>();
  function* visit(
    { literals, alternatives }: Conjunction,
    outer: readonly Literal[],
  ): Steps<undefined> {
    const all = [...outer, ...literals];
    // Literals of other attributes were compared with each other on the way here.
    const attributes = new Set(literals.map(({ attribute }) => attribute));
    const compared = all.filter(({ attribute }) => attributes.has(attribute));
    for (const contradiction of yield* contradictionsAmong(compared)) {
      if (found.size === MAX_CONTRADICTIONS) return;
      found.set(pathsOf(contradiction).join(), warningOf(contradiction));
    }
    for (const member of alternatives.flat()) yield* visit(member, all);
  }
  yield* visit(conjunctionOf(conditions, base, false), []);
  return [...found.values()];
}

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
  const literal = { operator: positive ?? operator, operand: value };
  return {
    path,
    attribute,
    ...literal,
    listed: listedBy(literal),
    range: rangeOf(literal),
    type: comparedType(condition),
    isNegated: isNegated !== (positive !== undefined),
  };
};

type Comparison = Pick<Literal, 'operator' | 'operand'>;

const listedBy = ({ operator, operand }: Comparison): ReadonlySet<Scalar> | undefined => {
  if (operator === 'in' && Array.isArray(operand)) return new Set<Scalar>(operand);
  return operator === 'equals' && operand != null && !Array.isArray(operand)
    ? new Set([operand])
    : undefined;
};

function* contradictionsAmong(all: readonly Literal[]): Steps<Contradiction[]> {
  const found: Contradiction[] = [];
  for (const literals of Map.groupBy(all, ({ attribute }) => attribute).values()) {
    for (const literal of literals)
      found.push(...(yield* contradictionOfValues(literal, literals)));
    for (const [index, literal] of literals.entries()) {
      for (const other of literals.slice(index + 1))
        found.push(...contradictionOfPair(literal, other));
      yield;
    }
  }
  return found;
}

const valuesOf = ({ listed, isNegated }: Literal): ReadonlySet<Scalar> | undefined =>
  isNegated ? undefined : listed;

/** Returns a contradiction if a literal allows some values only, and each of them is excluded by another one. */
function* contradictionOfValues(
  literal: Literal,
  literals: readonly Literal[],
): Steps<Contradiction[]> {
  const values = [...(valuesOf(literal) ?? [])];
  if (values.length === 0) return [];
  const others = literals.filter(other => other !== literal);
  const negated = others.filter(({ isNegated }) => isNegated);
  for (const excluding of [negated, others]) {
    const allowed = yield* allowedBy(excluding, values);
    if (allowed.length > 0) continue;
    const partners = yield* excludingAny(values, excluding);
    return [contradictionOf([literal, ...partners], literals, excluding === others)];
  }
  return [];
}

/** Returns the values that none of the literals excludes. */
function* allowedBy(
  literals: readonly Literal[],
  values: readonly Scalar[],
): Steps<readonly Scalar[]> {
  let allowed = values;
  for (const literal of literals) {
    allowed = allowed.filter(value => !isExcluded(value, literal));
    yield;
  }
  return allowed;
}

/** Returns the literals that exclude at least one of the values. */
function* excludingAny(
  values: readonly Scalar[],
  literals: readonly Literal[],
): Steps<readonly Literal[]> {
  const excluding: Literal[] = [];
  for (const literal of literals) {
    if (values.some(value => isExcluded(value, literal))) excluding.push(literal);
    yield;
  }
  return excluding;
}

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
  const { operator, operand, listed, range } = literal;
  if (operator === 'exists') return true;
  if (operator === 'equals' || operator === 'in') return listed?.has(value) ?? false;
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

const rangeOf = ({ operator, operand }: Comparison): Range | undefined => {
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
  const { range: inner } = positive;
  const { range: outer } = negated;
  if (inner !== undefined && outer !== undefined)
    return inner.unit === outer.unit && contains(outer, inner);
  return (
    positive.operator === negated.operator && isDeepStrictEqual(positive.operand, negated.operand)
  );
};

/** Whether no single value passes both. */
const areExclusive = (a: Literal, b: Literal): boolean => {
  if (a.type !== undefined && b.type !== undefined && a.type !== b.type) return true;
  const { range: rangeA } = a;
  const { range: rangeB } = b;
  if (rangeA !== undefined && rangeB !== undefined)
    return rangeA.unit === rangeB.unit && areDisjoint(rangeA, rangeB);
  if (a.operator !== b.operator) return false;
  const [x, y] = [a.operand, b.operand];
  if (typeof x !== 'string' || typeof y !== 'string') return false;
  if (a.operator === 'startsWith') return !x.startsWith(y) && !y.startsWith(x);
  return a.operator === 'endsWith' && !x.endsWith(y) && !y.endsWith(x);
};
