import { FIELDS, type Field } from './changes.ts';
import { isSame, type FlagDocument, type Rule } from './document.ts';

/** What two people have made of the same flag. */
export type Versions = {
  readonly base: FlagDocument;
  readonly mine: FlagDocument;
  readonly theirs: FlagDocument;
};

export type Merged = {
  readonly document: FlagDocument;
  /** Fields that both have changed, each in another way. The document has mine. */
  readonly conflicts: readonly Field[];
};

/** A value as it was, and what two people have made of it. */
export type Three<Value> = { readonly base: Value; readonly mine: Value; readonly theirs: Value };
/** The merged value, or undefined if both have changed it. */
type Result<Value> = { readonly value: Value } | undefined;

/** Merges what both have changed, field by field, and rule by rule. */
export const mergeFlags = ({ base, mine, theirs }: Versions): Merged => {
  const conflicts: Field[] = [];
  const document = FIELDS.reduce<FlagDocument>((merged, field) => {
    const result = mergeField(field, { base, mine, theirs });
    if (result === undefined) conflicts.push(field);
    return result === undefined ? { ...merged, [field]: mine[field] } : { ...merged, ...result };
  }, theirs);
  return { document, conflicts };
};

const mergeField = (
  field: Field,
  { base, mine, theirs }: Versions,
): Partial<FlagDocument> | undefined => {
  if (field === 'rules') {
    const rules = mergeRules({ base: base.rules, mine: mine.rules, theirs: theirs.rules });
    return rules && { rules: rules.value };
  }
  const one = mergeValue<unknown>({
    base: base[field],
    mine: mine[field],
    theirs: theirs[field],
  });
  return one && { [field]: one.value };
};

/** Returns undefined if both have changed it, each in another way. */
export const mergeValue = <Value>({ base, mine, theirs }: Three<Value>): Result<Value> => {
  if (isSame(mine, theirs) || isSame(base, theirs)) return { value: mine };
  return isSame(base, mine) ? { value: theirs } : undefined;
};

const idsOf = (rules: readonly Rule[]): readonly string[] => rules.map(({ id }) => id);

/** Rules are merged one by one if at most one of the two has added, removed or moved some. */
const mergeRules = ({ base, mine, theirs }: Three<readonly Rule[]>): Result<readonly Rule[]> => {
  const order = mergeValue({ base: idsOf(base), mine: idsOf(mine), theirs: idsOf(theirs) });
  if (order === undefined) return undefined;
  const find = (rules: readonly Rule[], id: string) => rules.find(rule => rule.id === id);
  const ids = new Set([base, mine, theirs].flatMap(idsOf));
  const merged = new Map<string, Rule | undefined>();
  for (const id of ids) {
    const rule = mergeValue({
      base: find(base, id),
      mine: find(mine, id),
      theirs: find(theirs, id),
    });
    if (rule === undefined) return undefined;
    merged.set(id, rule.value);
  }
  return { value: order.value.flatMap(id => merged.get(id) ?? []) };
};
