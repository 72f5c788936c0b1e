import {
  OPERATORS,
  type AttributeCondition,
  type Condition,
  type EvaluationFlag,
  type EvaluationSegment,
  type FlagSet,
} from '@pennon/schema';

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

const usagesOfFlags = new WeakMap<EvaluationFlag, readonly Usage[]>();
const usagesOfSegments = new WeakMap<EvaluationSegment, readonly Usage[]>();

const usagesInFlag = (flag: EvaluationFlag): readonly Usage[] =>
  memoize(usagesOfFlags, flag, () =>
    flag.rules.flatMap(({ conditions }, index) =>
      usagesAmong(
        attributeConditionsIn(conditions, `rules.${index}.conditions`),
        `flag "${flag.key}"`,
      ),
    ),
  );

const usagesInSegment = (segment: EvaluationSegment): readonly Usage[] =>
  memoize(usagesOfSegments, segment, () =>
    usagesAmong(
      attributeConditionsIn(segment.conditions, 'conditions'),
      `segment "${segment.key}"`,
    ),
  );

/** How a flag set uses each attribute: a few usages of each type, of different owners. */
type UsagesByAttribute = ReadonlyMap<string, readonly Usage[]>;

const usagesOfFlagSets = new WeakMap<FlagSet, UsagesByAttribute>();

/** Two owners of each type are enough to find one that is not the document itself. */
const OWNERS_PER_TYPE = 2;

/** Runs for each usage of a flag set, so it creates no lists. */
const hasRoomFor = (usages: readonly Usage[], { type, owner }: Usage): boolean => {
  let ofType = 0;
  for (const known of usages) {
    if (known.type !== type) continue;
    ofType += 1;
    if (ofType === OWNERS_PER_TYPE || known.owner === owner) return false;
  }
  return true;
};

const usagesIn = (flagSet: FlagSet): UsagesByAttribute =>
  memoize(usagesOfFlagSets, flagSet, () => {
    const byAttribute = new Map<string, Usage[]>();
    const add = (usage: Usage) => {
      const usages = byAttribute.get(usage.attribute) ?? [];
      byAttribute.set(usage.attribute, usages);
      if (hasRoomFor(usages, usage)) usages.push(usage);
    };
    for (const flag of Object.values(flagSet.flags)) usagesInFlag(flag).forEach(add);
    for (const segment of Object.values(flagSet.segments)) usagesInSegment(segment).forEach(add);
    return byAttribute;
  });

const memoize = <Key extends object, Value>(
  cache: WeakMap<Key, Value>,
  key: Key,
  compute: () => Value,
): Value => {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const value = compute();
  cache.set(key, value);
  return value;
};

/** Returns a usage of the attribute by another flag or segment, which compares it as another type. */
export const usageAsOtherType = (
  flagSet: FlagSet,
  owner: string,
  { attribute }: AttributeCondition,
  type: ComparedType,
): Usage | undefined =>
  usagesIn(flagSet)
    .get(attribute)
    ?.find(usage => usage.owner !== owner && usage.type !== type);
