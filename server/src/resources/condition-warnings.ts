import { operatorTraits } from '@pennon/engine';
import { didYouMean, type Condition, type ErrorDetail } from '@pennon/schema';

import {
  attributeConditionsIn,
  comparedType,
  type ComparedType,
  type LocatedCondition,
  type Usage,
} from '../flag-set/attribute-types.ts';
import type { IndexedFlagSet } from '../flag-set/documents.ts';
import type { Steps } from '../slices.ts';
import { contradictionSteps } from './contradictions.ts';

/** Finds a condition, in this or another document, that compares the attribute with values of another type. */
type FindOtherUsage = (located: LocatedCondition, type: ComparedType) => Usage | undefined;

/** Returns what is accepted in a list of conditions, but probably unintended. */
export function* conditionWarningSteps(
  conditions: readonly Condition[],
  base: string,
  findOtherUsage: FindOtherUsage,
): Steps<readonly ErrorDetail[]> {
  const warnings: ErrorDetail[] = [];
  for (const located of attributeConditionsIn(conditions, base)) {
    warnings.push(
      ...pathIntoListWarnings(located.condition.attribute, `${located.path}.attribute`),
      ...textOfListWarnings(located),
      ...mixedTypeWarnings(located),
      ...otherTypeWarnings(located, findOtherUsage),
    );
    yield;
  }
  return [...warnings, ...(yield* contradictionSteps(conditions, base))];
}

/** Warns about conditions that require a variant which the other flag does not have. */
export const unknownVariantWarnings = (
  conditions: readonly Condition[],
  base: string,
  { flags }: Pick<IndexedFlagSet, 'flags'>,
): ErrorDetail[] =>
  conditions.flatMap((condition, index) => {
    const path = `${base}.${index}`;
    if ('any' in condition) return unknownVariantWarnings(condition.any, `${path}.any`, { flags });
    if ('all' in condition) return unknownVariantWarnings(condition.all, `${path}.all`, { flags });
    const other = 'flag' in condition ? flags.get(condition.flag) : undefined;
    if (!('flag' in condition) || other === undefined) return [];
    const names = Object.keys(other.variants);
    return [...condition.variants.entries()]
      .filter(([, variant]) => !names.includes(variant))
      .map(([at, variant]) => ({
        path: `${path}.variants.${at}`,
        message: `"${variant}" is not a variant of flag "${condition.flag}", so it never matches${variantRemedy(variant, names)}`,
      }));
  });

const variantRemedy = (variant: string, names: readonly string[]): string => {
  const suggestion = didYouMean(variant, names);
  if (suggestion !== '') return suggestion;
  const listed = names.slice(0, LISTED_VARIANTS).map(name => `"${name}"`);
  const more = names.length > listed.length ? ` and ${names.length - listed.length} more` : '';
  return `: its variants are ${listed.join(', ')}${more}`;
};

/** How many variants a message lists. */
const LISTED_VARIANTS = 10;

/** A step such as `0`, or a name that ends in `[0]`. */
const LIST_STEP = /^\d+$|\[\d*\]$/;

/** Paths lead through objects only, so an index of a list is never found. */
const pathIntoListWarnings = (attribute: string, path: string): ErrorDetail[] => {
  const steps = attribute.split('.');
  const index = steps.findIndex((step, at) => LIST_STEP.test(step) && (at > 0 || /\[/.test(step)));
  if (index === -1) return [];
  const list = [...steps.slice(0, index), (steps[index] ?? '').replace(LIST_STEP, '')]
    .filter(step => step !== '')
    .join('.');
  const rest = steps.slice(index + 1);
  const remedy =
    rest.length === 0
      ? `use "${list}", which matches if any entry does`
      : `send the values of "${rest.join('.')}" as a list of their own, and use that attribute`;
  return [
    {
      path,
      message: `"${attribute}" is missing if "${list}" is a list, because paths lead through objects only: ${remedy}`,
    },
  ];
};

/** Warns about an attribute to bucket by that is an entry of a list. */
export const bucketByWarnings = (bucketBy: string | null | undefined, path: string) =>
  bucketBy == null ? [] : pathIntoListWarnings(bucketBy, path);

const SEPARATOR = /[,;|]/;
const GROUPED_DIGITS = /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;

/** Returns the entries of a list that is written as one string; undefined when it is not one. */
const entriesOf = (text: string): readonly string[] | undefined => {
  if (GROUPED_DIGITS.test(text)) return undefined;
  const inner = /^\s*\[(?<entries>.*)\]\s*$/s.exec(text)?.groups?.['entries'];
  const entries = (inner ?? text).split(SEPARATOR).map(entry => unquoted(entry.trim()));
  if (inner === undefined && entries.length < 2) return undefined;
  return entries.every(entry => /^\S+$/.test(entry)) ? entries : undefined;
};

const unquoted = (entry: string): string => /^(["'])(.*)\1$/.exec(entry)?.[2] ?? entry;

/** How many entries of a list a message repeats. */
const SHOWN_ENTRIES = 3;

const textOfListWarnings = ({
  path,
  condition: { operator, value },
}: LocatedCondition): ErrorDetail[] => {
  if (!EQUALITY.has(operator)) return [];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  for (const [index, text] of values.entries()) {
    const entries = typeof text === 'string' ? entriesOf(text) : undefined;
    if (entries === undefined) continue;
    const shown = entries.slice(0, SHOWN_ENTRIES).map(entry => JSON.stringify(entry));
    const list = `[${shown.join(', ')}${entries.length > shown.length ? ', …' : ''}]`;
    const remedy = Array.isArray(value)
      ? `separate the values: ${list}`
      : `use "${operator === 'equals' ? 'in' : 'notIn'}" with ${list}`;
    return [
      {
        path: `${path}.value${Array.isArray(value) ? `.${index}` : ''}`,
        message: `is compared as one string, but looks like a list: if one of several values is meant, ${remedy}`,
      },
    ];
  }
  return [];
};

const EQUALITY: ReadonlySet<string> = new Set(['equals', 'notEquals', 'in', 'notIn']);

const mixedTypeWarnings = ({ path, condition: { value } }: LocatedCondition): ErrorDetail[] => {
  if (!Array.isArray(value)) return [];
  const types = [...new Set(value.map(each => typeof each))];
  if (types.length < 2) return [];
  return [
    {
      path: `${path}.value`,
      message: `mixes types (${types.join(', ')}), and 1 is not equal to "1": give all values the type that the attribute has`,
    },
  ];
};

const otherTypeWarnings = (
  located: LocatedCondition,
  findOtherUsage: FindOtherUsage,
): ErrorDetail[] => {
  const { path, condition } = located;
  const type = comparedType(condition);
  const usage = type && findOtherUsage(located, type);
  if (usage === undefined) return [];
  const isInverted =
    (operatorTraits(condition.operator)?.holdsIfMissing === true) !== (condition.not === true);
  const effect = isInverted ? 'always holds' : 'never holds';
  const { attribute } = condition;
  return [
    {
      path,
      message: `compares "${attribute}" as a ${type}, but ${usage.owner} (${usage.path}) compares it as a ${usage.type}, and for a ${usage.type} this condition ${effect}: use operators and operands of one type for "${attribute}"`,
    },
  ];
};

/** Returns warnings about empty lists, in groups too. */
export const emptyListWarnings = (
  conditions: readonly Condition[],
  base: string,
): readonly ErrorDetail[] =>
  attributeConditionsIn(conditions, base).flatMap(({ path, condition }) => {
    if (!Array.isArray(condition.value) || condition.value.length > 0) return [];
    const effect = neverHolds(condition) ? 'never' : 'always';
    return [
      {
        path: `${path}.value`,
        message: `is an empty list, so the condition ${effect} holds: add values, or remove the condition`,
      },
    ];
  });

/** Whether the condition can never hold, because its operand is an empty list. */
export const neverHolds = (condition: Condition): boolean =>
  'operator' in condition &&
  Array.isArray(condition.value) &&
  condition.value.length === 0 &&
  operatorTraits(condition.operator)?.neverHoldsForEmptyList !== (condition.not === true);
