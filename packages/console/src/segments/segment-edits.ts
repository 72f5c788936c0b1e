import type { Change } from '../flag/changes.ts';
import { isSame, type Condition } from '../flag/document.ts';
import { mergeValue, type Three } from '../flag/merge.ts';
import { describeCondition } from '../flag/sentence.ts';
import { t } from '../i18n/i18n.ts';
import type { SegmentEdits, SegmentResponse } from './segment.ts';

const FIELDS = [
  'name',
  'description',
  'conditions',
] as const satisfies readonly (keyof SegmentEdits)[];
export type SegmentField = (typeof FIELDS)[number];

/** Returns the fields of a segment that can be edited. */
export const editsOf = ({ name, description, conditions }: SegmentResponse): SegmentEdits => ({
  name: name ?? '',
  description: description ?? '',
  conditions,
});

const TITLES: Readonly<Record<SegmentField, () => string>> = {
  name: () => t('field.name'),
  description: () => t('field.description'),
  conditions: () => t('segments.conditions'),
};

export const titleOf = (field: SegmentField): string => TITLES[field]();

const wordsOf = (conditions: readonly Condition[]): string =>
  conditions.map(describeCondition).join(t('sentence.and'));

/** Returns conditions in words. Long lists have the same words, so they are shown as JSON. */
const conditionTexts = (before: readonly Condition[], after: readonly Condition[]) =>
  wordsOf(before) === wordsOf(after)
    ? { before: JSON.stringify(before), after: JSON.stringify(after) }
    : { before: wordsOf(before), after: wordsOf(after) };

/** Returns what is different, in words. */
export const describeEdits = (before: SegmentEdits, after: SegmentEdits): readonly Change[] =>
  FIELDS.filter(field => !isSame(before[field], after[field])).map(field => ({
    title: titleOf(field),
    ...(field === 'conditions'
      ? conditionTexts(before.conditions, after.conditions)
      : { before: before[field], after: after[field] }),
  }));

/** Merges what two people have changed, field by field. The edits have mine in fields that both have changed. */
export const mergeEdits = (
  versions: Three<SegmentEdits>,
): { readonly edits: SegmentEdits; readonly conflicts: readonly SegmentField[] } => {
  const { mine } = versions;
  const merged = {
    name: mergeField('name', versions),
    description: mergeField('description', versions),
    conditions: mergeField('conditions', versions),
  };
  return {
    edits: {
      name: merged.name?.value ?? mine.name,
      description: merged.description?.value ?? mine.description,
      conditions: merged.conditions?.value ?? mine.conditions,
    },
    conflicts: FIELDS.filter(field => merged[field] === undefined),
  };
};

const mergeField = <Field extends SegmentField>(
  field: Field,
  { base, mine, theirs }: Three<SegmentEdits>,
) => mergeValue({ base: base[field], mine: mine[field], theirs: theirs[field] });
