import type { AttributeCondition, FlagCondition, SegmentCondition } from '@pennon/schema';

import { reader, type Attributes, type Read } from './attributes.ts';
import { evaluateMemoized } from './evaluate.ts';
import {
  fieldNames,
  optional,
  isList,
  isObject,
  ownValue,
  unknownNames,
  type Fields,
} from './fields.ts';
import type { CompiledCondition, CompiledSegment, Holds, Slot } from './model.ts';
import { anyPasses, operatorOf, OPERATOR_NAMES, type ValueTest } from './operators.ts';
import type { Patterns } from './re2-subset.ts';
import { below, type Report } from './problems.ts';
import { joinQuoted, describe, quote } from './format.ts';

const GROUP_DEPTH = 5;

/** What conditions may name: the flags and segments of the same set. Every name is noted. */
export type Named = {
  readonly slot: (flagKey: string) => Slot | undefined;
  readonly segment: (segmentKey: string) => CompiledSegment | undefined;
};

/** What the conditions of a flag are compiled with, beside what is written in them. */
export type CompileDeps = {
  readonly named: Named;
  /** Undefined where nothing that is compiled has the operator `matches`. */
  readonly patterns: Patterns | undefined;
};

/** Where a condition stands, and whom to tell what is wrong. */
type Place = {
  readonly path: string;
  /** How many groups are around it. */
  readonly depth: number;
  /** Undefined within a segment, which names nothing. */
  readonly named: Named | undefined;
  readonly patterns: Patterns | undefined;
  readonly report: Report;
};

type Compile = (fields: Fields, place: Place, not: boolean) => CompiledCondition | undefined;

const always: Holds = () => true;

/** Whether all hold; the common short lists without a loop. */
export const holdsAll = (conditions: readonly CompiledCondition[]): Holds => {
  const [first, second] = conditions.map(condition => condition.holds);
  if (first === undefined) return always;
  if (second === undefined) return first;
  if (conditions.length === 2)
    return (context, evaluationId) => first(context, evaluationId) && second(context, evaluationId);
  return (context, evaluationId) => {
    for (const condition of conditions) if (!condition.holds(context, evaluationId)) return false;
    return true;
  };
};

const holdsAny = (conditions: readonly CompiledCondition[]): Holds => {
  return (context, evaluationId) => {
    for (const condition of conditions) if (condition.holds(context, evaluationId)) return true;
    return false;
  };
};

const opposite =
  (holds: Holds): Holds =>
  (context, evaluationId) =>
    !holds(context, evaluationId);

const unless = (not: boolean, holds: Holds): Holds => (not ? opposite(holds) : holds);

/** Text, which most attributes are, goes straight to the test. */
const passes = (read: Read, test: ValueTest) => (context: Attributes) => {
  const value = read(context);
  return typeof value === 'string' ? test(value) : value !== undefined && anyPasses(value, test);
};

const isPresent = (read: Read) => (context: Attributes) => read(context) !== undefined;

const readAttribute = (fields: Fields, { path, report }: Place): string | undefined => {
  const attribute = ownValue(fields, 'attribute');
  if (typeof attribute === 'string' && attribute !== '') return attribute;
  report(
    below(path, 'attribute'),
    `must be the name of an attribute, and is ${describe(attribute)}`,
  );
  return undefined;
};

const readOperator = (fields: Fields, { path, report }: Place) => {
  const operator = ownValue(fields, 'operator');
  const entry = operatorOf(operator);
  if (typeof operator === 'string' && entry !== undefined) return { operator, entry };
  const known = OPERATOR_NAMES.join(', ');
  report(below(path, 'operator'), `must be one of ${known}, and is ${describe(operator)}`);
  return undefined;
};

const onAttribute: Compile = (fields, place, not) => {
  const attribute = readAttribute(fields, place);
  const known = readOperator(fields, place);
  if (known === undefined) return undefined;
  const { operator, entry } = known;
  const operand = ownValue(fields, 'value');
  const test = entry.prepare(operand, place.patterns);
  if (typeof test !== 'function') {
    place.report(below(place.path, 'value'), `${test.problem} (the operand of ${quote(operator)})`);
    return undefined;
  }
  if (attribute === undefined) return undefined;
  const read = reader(attribute);
  const holds = entry.testsPresence ? isPresent(read) : passes(read, test);
  const flipped = not !== (entry.isNegated ?? false);
  return {
    kind: 'attribute',
    attribute,
    operator,
    entry,
    operand,
    read,
    test,
    not,
    holds: unless(flipped, holds),
  };
};

const whyBroken = ({ findings: [first] }: CompiledSegment): string =>
  [first?.path, first?.message].filter(Boolean).join(': ');

const onSegment: Compile = (fields, { path, named, report }, not) => {
  const segment = ownValue(fields, 'segment');
  const at = below(path, 'segment');
  if (typeof segment !== 'string') {
    report(at, `must be the key of a segment, and is ${describe(segment)}`);
    return undefined;
  }
  const found = named?.segment(segment);
  if (found === undefined) {
    report(at, `there is no segment ${quote(segment)}: create it first, or name another one`);
    return undefined;
  }
  if (found.findings.length > 0)
    report(at, `the segment ${quote(segment)} is malformed: ${whyBroken(found)}`);
  return {
    kind: 'segment',
    segment,
    conditions: found.conditions,
    not,
    holds: unless(not, found.holds),
  };
};

const isText = (value: unknown): value is string => typeof value === 'string';

const namesIn = (value: unknown): readonly string[] | undefined => {
  if (!isList(value) || value.length === 0 || !value.every(isText)) return undefined;
  return new Set(value).size === value.length ? [...value] : undefined;
};

const answersOneOf = (slot: Slot | undefined, variants: ReadonlySet<string>): Holds => {
  if (slot === undefined) return () => false;
  return (context, evaluationId) => {
    const answer = evaluateMemoized(slot, context, evaluationId);
    return answer !== undefined && 'variant' in answer && variants.has(answer.variant);
  };
};

const onFlag: Compile = (fields, { path, named, report }, not) => {
  const flag = ownValue(fields, 'flag');
  const variants = namesIn(ownValue(fields, 'variants'));
  if (!isText(flag))
    report(below(path, 'flag'), `must be the key of a flag, and is ${describe(flag)}`);
  if (variants === undefined) {
    report(
      below(path, 'variants'),
      'must be a list of one or more names of variants, each of them once',
    );
  }
  if (!isText(flag) || variants === undefined) return undefined;
  const slot = named?.slot(flag);
  const holds = unless(not, answersOneOf(slot, new Set(variants)));
  return { kind: 'flag', flag, variants, slot, not, holds };
};

const onGroup =
  (kind: 'any' | 'all', combine: (conditions: readonly CompiledCondition[]) => Holds): Compile =>
  (fields, place, not) => {
    const members = ownValue(fields, kind);
    const path = below(place.path, kind);
    if (!isList(members) || members.length === 0) {
      place.report(path, `must be a list of one or more conditions, and is ${describe(members)}`);
      return undefined;
    }
    const depth = place.depth + 1;
    if (depth > GROUP_DEPTH) {
      place.report(path, `groups must not nest more than ${GROUP_DEPTH} deep`);
      return undefined;
    }
    const conditions = compileConditions(members, { ...place, path, depth });
    return { kind, conditions, not, holds: unless(not, combine(conditions)) };
  };

/** What each kind of condition consists of. The kind is told by the one field of its name. */
const KINDS = {
  attribute: {
    fields: fieldNames<AttributeCondition>({
      attribute: true,
      operator: true,
      value: true,
      not: true,
    }),
    compile: onAttribute,
  },
  segment: {
    fields: fieldNames<SegmentCondition>({ segment: true, not: true }),
    compile: onSegment,
  },
  flag: {
    fields: fieldNames<FlagCondition>({ flag: true, variants: true, not: true }),
    compile: onFlag,
  },
  any: { fields: new Set(['any', 'not']), compile: onGroup('any', holdsAny) },
  all: { fields: new Set(['all', 'not']), compile: onGroup('all', holdsAll) },
} satisfies Record<
  CompiledCondition['kind'],
  { readonly fields: ReadonlySet<string>; readonly compile: Compile }
>;

const OUTSIDE_SEGMENTS: ReadonlySet<string> = new Set(['segment', 'flag']);

const kindsOf = (fields: Fields) =>
  Object.entries(KINDS).filter(([kind]) => Object.hasOwn(fields, kind));

const readNot = (fields: Fields, { path, report }: Place): boolean => {
  const not = optional(fields, 'not');
  if (not !== undefined && typeof not !== 'boolean') {
    report(below(path, 'not'), `must be true or false, and is ${describe(not)}`);
  }
  return not === true;
};

const compileCondition = (raw: unknown, place: Place): CompiledCondition | undefined => {
  const { path, report } = place;
  if (!isObject(raw)) {
    report(path, `must be a condition, and is ${describe(raw)}`);
    return undefined;
  }
  const [found, another] = kindsOf(raw);
  if (found === undefined || another !== undefined) {
    report(path, `must have exactly one of the fields ${joinQuoted(Object.keys(KINDS))}`);
    return undefined;
  }
  const [kind, { fields, compile }] = found;
  if (place.named === undefined && OUTSIDE_SEGMENTS.has(kind)) {
    report(
      path,
      'must be a condition on an attribute or a group: segments name no flags and no segments',
    );
    return undefined;
  }
  for (const unknown of unknownNames(raw, fields)) {
    report(
      below(path, unknown),
      `there is no such field; a condition of this kind has ${joinQuoted([...fields])}`,
    );
  }
  return compile(raw, place, readNot(raw, place));
};

/** Compiles a list of conditions; what is malformed is reported and left out. */
export const compileConditions = (raw: readonly unknown[], place: Place): CompiledCondition[] =>
  raw
    .map((condition, at) => compileCondition(condition, { ...place, path: below(place.path, at) }))
    .filter(condition => condition !== undefined);
