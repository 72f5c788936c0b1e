import { createInvertedIndex } from '@pennon/engine/inverted-index';
import {
  OPERATORS,
  type AttributeCondition,
  type Condition,
  type EvaluationFlag,
  type EvaluationSegment,
} from '@pennon/schema';

import type { Contents, EvaluationWrites } from './documents.ts';
import { once } from '../once.ts';
import type { Steps } from '../slices.ts';

/** The type of the attribute values that a condition can compare. */
export type ComparedType = 'string' | 'number' | 'boolean';

/** A condition that compares an attribute, at any depth of groups, with its path in the document. */
export type LocatedCondition = { readonly path: string; readonly condition: AttributeCondition };

/** Returns the conditions in groups too. `base` is the path of the list. */
export const attributeConditionsIn = (
  conditions: readonly Condition[],
  base: string,
): LocatedCondition[] =>
  conditions.flatMap((condition, index) => {
    const path = `${base}.${index}`;
    if ('any' in condition) return attributeConditionsIn(condition.any, `${path}.any`);
    if ('all' in condition) return attributeConditionsIn(condition.all, `${path}.all`);
    return 'operator' in condition ? [{ path, condition }] : [];
  });

const TYPE_OF_OPERATOR: ReadonlyMap<string, ComparedType> = new Map([
  ...OPERATORS.number.map(operator => [operator, 'number'] as const),
  ...[
    ...OPERATORS.string,
    ...OPERATORS.date,
    ...OPERATORS.semver,
    ...OPERATORS.network,
    ...OPERATORS.pattern,
  ].map(operator => [operator, 'string'] as const),
]);

/** The type of the values that can pass; undefined when several types can. */
export const comparedType = ({ operator, value }: AttributeCondition): ComparedType | undefined => {
  const fixed = TYPE_OF_OPERATOR.get(operator);
  if (fixed !== undefined || operator === 'exists') return fixed;
  const types = new Set((Array.isArray(value) ? value : [value]).map(typeOfScalar));
  const [type] = types;
  return types.size === 1 ? type : undefined;
};

const typeOfScalar = (value: unknown): ComparedType | undefined => {
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' ? type : undefined;
};

/** A condition of a flag or segment that compares an attribute with values of one type. */
export type Usage = {
  /** Such as `flag "new-checkout"`. */
  readonly owner: string;
  readonly path: string;
  readonly attribute: string;
  readonly type: ComparedType;
};

const usagesAmong = (located: readonly LocatedCondition[], owner: string): Usage[] =>
  located.flatMap(({ path, condition }) => {
    const type = comparedType(condition);
    return type === undefined ? [] : [{ owner, path, attribute: condition.attribute, type }];
  });

const usagesInFlag = once((flag: EvaluationFlag): readonly Usage[] =>
  flag.rules.flatMap(({ conditions }, index) =>
    usagesAmong(
      attributeConditionsIn(conditions, `rules.${index}.conditions`),
      `flag "${flag.key}"`,
    ),
  ),
);

const usagesInSegment = once((segment: EvaluationSegment): readonly Usage[] =>
  usagesAmong(attributeConditionsIn(segment.conditions, 'conditions'), `segment "${segment.key}"`),
);

const termOf = ({ attribute, type }: Pick<Usage, 'attribute' | 'type'>): string =>
  `${type} ${attribute}`;

/** The attributes that a document compares, each with its type. */
const termsOf = once((usages: readonly Usage[]): readonly string[] => [
  ...new Set(usages.map(termOf)),
]);

/** Reads a flag, so that finding its usages takes little time afterwards. */
export const readUsages = (flag: EvaluationFlag): void => void termsOf(usagesInFlag(flag));

const flagsByUsage = createInvertedIndex<EvaluationFlag>(flag =>
  flag === undefined ? [] : termsOf(usagesInFlag(flag)),
);
const segmentsByUsage = createInvertedIndex<EvaluationSegment>(segment =>
  segment === undefined ? [] : termsOf(usagesInSegment(segment)),
);

/** Finds the usages in a flag set, so that the first write takes no longer than later ones. */
export function* usageSteps({ flags, segments }: Contents): Steps<void> {
  yield* flagsByUsage.index(flags);
  yield* segmentsByUsage.index(segments);
}

/** Keeps the usages known after a write, so that they are not found again among all flags and segments. */
export function* carryUsages(
  previous: Contents,
  next: Contents,
  written: EvaluationWrites,
): Steps<void> {
  yield* flagsByUsage.carry(previous.flags, next.flags, new Set(written.flags.keys()));
  yield* segmentsByUsage.carry(previous.segments, next.segments, new Set(written.segments.keys()));
}

const TYPES: readonly ComparedType[] = ['string', 'number', 'boolean'];

/** Returns a usage of the attribute by another flag or segment, which compares it as another type. */
export const usageAsOtherType = (
  { flags, segments }: Contents,
  owner: string,
  { attribute }: AttributeCondition,
  type: ComparedType,
): Usage | undefined => {
  const others = TYPES.filter(each => each !== type).map(each => ({ attribute, type: each }));
  const isOther = (usage: Usage) =>
    usage.owner !== owner && usage.attribute === attribute && usage.type !== type;
  const inFlags = others.flatMap(other => twoOf(flagsByUsage.keysWith(flags, termOf(other))));
  const inSegments = others.flatMap(other =>
    twoOf(segmentsByUsage.keysWith(segments, termOf(other))),
  );
  return (
    inFlags
      .toSorted()
      .flatMap(key => usagesIn(flags.get(key), usagesInFlag))
      .find(isOther) ??
    inSegments
      .toSorted()
      .flatMap(key => usagesIn(segments.get(key), usagesInSegment))
      .find(isOther)
  );
};

/** One of two documents is not the document itself. */
const twoOf = (keys: readonly string[]): readonly string[] => keys.slice(0, 2);

const usagesIn = <Document>(
  document: Document | undefined,
  find: (document: Document) => readonly Usage[],
): readonly Usage[] => (document === undefined ? [] : find(document));
