import type { AttributeCondition, FlagCondition, SegmentCondition } from '@pennon/schema';

import {
  attributeReader,
  attributeTester,
  type AttributeReader,
  type Attributes,
} from './attributes.ts';
import { evaluateMemoized } from './evaluate.ts';
import { codeSpan, describe, joinQuoted, quote } from './format.ts';
import {
  fieldNames,
  isList,
  isObject,
  optional,
  ownValue,
  unknownNames,
  type RawObject,
} from './json.ts';
import type { CompiledCondition, CompiledSegment, Predicate, LazyFlag } from './model.ts';
import { anyPasses, OPERATOR_NAMES, operatorOf, type OperatorEntry } from './operators.ts';
import { below, type Report } from './problems.ts';
import type { RegexEngine } from './re2-subset.ts';

/** How many groups may be nested. */
export const MAX_GROUP_DEPTH = 5;

/** Finds what conditions refer to: the flags and segments of the same set. */
export type FlagSetLookup = {
  readonly flag: (flagKey: string) => LazyFlag | undefined;
  readonly segment: (segmentKey: string) => CompiledSegment | undefined;
};

/** What compiling the conditions of a flag needs. */
export type CompileDeps = {
  readonly lookup: FlagSetLookup;
  /** Undefined if it is not loaded. */
  readonly regexEngine: RegexEngine | undefined;
};

/** A condition's path, the number of groups around it, and what compiling it needs. */
type ConditionScope = {
  readonly path: string;
  readonly depth: number;
  /** Undefined within a segment, which refers to nothing. */
  readonly lookup: FlagSetLookup | undefined;
  readonly regexEngine: RegexEngine | undefined;
  readonly report: Report;
};

/** Compiles a condition. If it is malformed, reports that and returns undefined. */
type ConditionCompiler = (
  raw: RawObject,
  scope: ConditionScope,
  not: boolean,
) => CompiledCondition | undefined;

const always: Predicate = () => true;

const both =
  (first: Predicate, second: Predicate): Predicate =>
  (context, evaluationId) =>
    first(context, evaluationId) && second(context, evaluationId);

const allThree =
  (first: Predicate, second: Predicate, third: Predicate): Predicate =>
  (context, evaluationId) =>
    first(context, evaluationId) && second(context, evaluationId) && third(context, evaluationId);

/** Returns one predicate that is true if all conditions hold. Short lists, which are common, need no loop. */
export const allOf = (conditions: readonly CompiledCondition[]): Predicate => {
  const [first, second, third] = conditions.map(condition => condition.holds);
  if (first === undefined) return always;
  if (second === undefined) return first;
  if (third === undefined) return both(first, second);
  if (conditions.length === 3) return allThree(first, second, third);
  return (context, evaluationId) => {
    for (const condition of conditions) if (!condition.holds(context, evaluationId)) return false;
    return true;
  };
};

const anyOf = (conditions: readonly CompiledCondition[]): Predicate => {
  return (context, evaluationId) => {
    for (const condition of conditions) if (condition.holds(context, evaluationId)) return true;
    return false;
  };
};

const negateIf = (isNegated: boolean, holds: Predicate): Predicate =>
  isNegated ? (context, evaluationId) => !holds(context, evaluationId) : holds;

const isPresent = (read: AttributeReader) => (context: Attributes) => read(context) !== undefined;

const readAttributeName = (
  raw: RawObject,
  { path, report }: ConditionScope,
): string | undefined => {
  const attribute = ownValue(raw, 'attribute');
  if (typeof attribute === 'string' && attribute !== '') return attribute;
  const found = describe(attribute);
  report(below(path, 'attribute'), `must be the name of an attribute, but is ${found}`);
  return undefined;
};

type NamedOperator = { readonly operator: string; readonly entry: OperatorEntry };

const readOperator = (
  raw: RawObject,
  { path, report }: ConditionScope,
): NamedOperator | undefined => {
  const operator = ownValue(raw, 'operator');
  const entry = operatorOf(operator);
  if (typeof operator === 'string' && entry !== undefined) return { operator, entry };
  const known = OPERATOR_NAMES.join(', ');
  report(below(path, 'operator'), `must be one of ${known}, but is ${describe(operator)}`);
  return undefined;
};

const MAX_SHARED_ITEMS = 50;

/** Returns a text that only tests with the same operator and operand have; undefined for long lists. */
const testId = (operator: string, operand: unknown): string | undefined =>
  isList(operand) && operand.length > MAX_SHARED_ITEMS
    ? undefined
    : JSON.stringify([operator, operand]);

const compileAttributeCondition: ConditionCompiler = (raw, scope, not) => {
  const attribute = readAttributeName(raw, scope);
  const found = readOperator(raw, scope);
  if (found === undefined) return undefined;
  const { operator, entry } = found;
  const operand = ownValue(raw, 'value');
  const test = entry.prepare(operand, scope.regexEngine);
  if (typeof test !== 'function') {
    const path = below(scope.path, 'value');
    scope.report(path, `the operand of ${codeSpan(operator)} ${test.problem}`);
    return undefined;
  }
  if (attribute === undefined) return undefined;
  const read = attributeReader(attribute);
  const others = (value: unknown) => anyPasses(value, test, entry);
  const holds = entry.testsPresence
    ? isPresent(read)
    : attributeTester(attribute, { id: testId(operator, operand), simple: test, others });
  const isNegated = not !== (entry.isNegated ?? false);
  return {
    kind: 'attribute',
    attribute,
    operator,
    entry,
    operand,
    read,
    test,
    not,
    holds: negateIf(isNegated, holds),
  };
};

const describeFirstFinding = ({ findings: [first] }: CompiledSegment): string =>
  [first?.path, first?.message].filter(Boolean).join(': ');

const compileSegmentCondition: ConditionCompiler = (raw, { path, lookup, report }, not) => {
  const segment = ownValue(raw, 'segment');
  const segmentPath = below(path, 'segment');
  if (typeof segment !== 'string') {
    report(segmentPath, `must be the key of a segment, but is ${describe(segment)}`);
    return undefined;
  }
  const found = lookup?.segment(segment);
  if (found === undefined) {
    report(segmentPath, `there is no segment ${quote(segment)}: create it, or use another one`);
    return undefined;
  }
  if (found.findings.length > 0)
    report(
      segmentPath,
      `the segment ${quote(segment)} is malformed: ${describeFirstFinding(found)}`,
    );
  const holds = negateIf(not, found.holds);
  return { kind: 'segment', segment, conditions: found.conditions, not, holds };
};

const isString = (value: unknown): value is string => typeof value === 'string';

const readVariants = (raw: RawObject): readonly string[] | undefined => {
  const variants = ownValue(raw, 'variants');
  if (!isList(variants) || variants.length === 0 || !variants.every(isString)) return undefined;
  return new Set(variants).size === variants.length ? [...variants] : undefined;
};

const servesOneOf = (lazyFlag: LazyFlag | undefined, variants: ReadonlySet<string>): Predicate => {
  if (lazyFlag === undefined) return () => false;
  return (context, evaluationId) => {
    const result = evaluateMemoized(lazyFlag, context, evaluationId);
    return result !== undefined && 'variant' in result && variants.has(result.variant);
  };
};

const compileFlagCondition: ConditionCompiler = (raw, { path, lookup, report }, not) => {
  const flag = ownValue(raw, 'flag');
  const variants = readVariants(raw);
  if (!isString(flag))
    report(below(path, 'flag'), `must be the key of a flag, but is ${describe(flag)}`);
  if (variants === undefined)
    report(below(path, 'variants'), 'must be a non-empty list of different variant names');
  if (!isString(flag) || variants === undefined) return undefined;
  const lazyFlag = lookup?.flag(flag);
  const holds = negateIf(not, servesOneOf(lazyFlag, new Set(variants)));
  return { kind: 'flag', flag, variants, lazyFlag, not, holds };
};

const groupCompiler =
  (
    kind: 'any' | 'all',
    combine: (conditions: readonly CompiledCondition[]) => Predicate,
  ): ConditionCompiler =>
  (raw, scope, not) => {
    const members = ownValue(raw, kind);
    const path = below(scope.path, kind);
    if (!isList(members) || members.length === 0) {
      scope.report(path, `must be a non-empty list of conditions, but is ${describe(members)}`);
      return undefined;
    }
    const depth = scope.depth + 1;
    if (depth > MAX_GROUP_DEPTH) {
      scope.report(path, `groups must not nest more than ${MAX_GROUP_DEPTH} deep`);
      return undefined;
    }
    const conditions = compileConditions(members, { ...scope, path, depth });
    return { kind, conditions, not, holds: negateIf(not, combine(conditions)) };
  };

/** The fields of each kind of condition. A condition has exactly one field that is the name of a kind. */
const KINDS = {
  attribute: {
    fields: fieldNames<AttributeCondition>({
      attribute: true,
      operator: true,
      value: true,
      not: true,
    }),
    compile: compileAttributeCondition,
  },
  segment: {
    fields: fieldNames<SegmentCondition>({ segment: true, not: true }),
    compile: compileSegmentCondition,
  },
  flag: {
    fields: fieldNames<FlagCondition>({ flag: true, variants: true, not: true }),
    compile: compileFlagCondition,
  },
  any: { fields: new Set(['any', 'not']), compile: groupCompiler('any', anyOf) },
  all: { fields: new Set(['all', 'not']), compile: groupCompiler('all', allOf) },
} satisfies Record<
  CompiledCondition['kind'],
  { readonly fields: ReadonlySet<string>; readonly compile: ConditionCompiler }
>;

const FORBIDDEN_IN_SEGMENTS: ReadonlySet<string> = new Set(['segment', 'flag']);

const kindsOf = (raw: RawObject) =>
  Object.entries(KINDS).filter(([kind]) => Object.hasOwn(raw, kind));

const readNot = (raw: RawObject, { path, report }: ConditionScope): boolean => {
  const not = optional(raw, 'not');
  if (not !== undefined && typeof not !== 'boolean')
    report(below(path, 'not'), `must be true or false, but is ${describe(not)}`);
  return not === true;
};

const compileCondition = (raw: unknown, scope: ConditionScope): CompiledCondition | undefined => {
  const { path, report } = scope;
  if (!isObject(raw)) {
    report(path, `must be a condition, but is ${describe(raw)}`);
    return undefined;
  }
  const [found, another] = kindsOf(raw);
  if (found === undefined || another !== undefined) {
    report(path, `must have exactly one of the fields ${joinQuoted(Object.keys(KINDS))}`);
    return undefined;
  }
  const [kind, { fields, compile }] = found;
  if (scope.lookup === undefined && FORBIDDEN_IN_SEGMENTS.has(kind)) {
    report(path, 'must be an attribute condition or a group: segments cannot refer to others');
    return undefined;
  }
  for (const unknown of unknownNames(raw, fields)) {
    const known = joinQuoted([...fields]);
    report(below(path, unknown), `is an unknown field; this kind of condition has ${known}`);
  }
  return compile(raw, scope, readNot(raw, scope));
};

/** Compiles a list of conditions. Malformed ones are reported and left out. */
export const compileConditions = (
  raw: readonly unknown[],
  scope: ConditionScope,
): CompiledCondition[] =>
  raw
    .map((condition, index) =>
      compileCondition(condition, { ...scope, path: below(scope.path, index) }),
    )
    .filter(condition => condition !== undefined);
