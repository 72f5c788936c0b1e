import { useState } from 'react';

import { ChangeList } from '../flag/change-list.tsx';
import type { Change } from '../flag/changes.ts';
import { t } from '../i18n/i18n.ts';

const SIDES = ['mine', 'theirs'] as const;
type Side = (typeof SIDES)[number];

/** A field that two people have changed, each in another way. */
export type Conflict<Field extends string> = {
  readonly field: Field;
  readonly title: string;
  readonly changes: Readonly<Record<Side, readonly Change[]>>;
};

type ChangedElsewhereProps<Field extends string> = {
  readonly title: string;
  /** The version that others have written. */
  readonly version: number;
  /** What they have changed. */
  readonly changes: readonly Change[];
  readonly conflicts: readonly Conflict<Field>[];
  /** Receives the fields for which theirs was chosen. */
  readonly onMerge: (theirs: readonly Field[]) => void;
};

/** Shows what others have written since the edits began, and lets a person choose where both changed the same. */
export const ChangedElsewhere = <Field extends string>(props: ChangedElsewhereProps<Field>) => {
  const { title, version, changes, conflicts, onMerge } = props;
  const [choices, setChoices] = useState<ReadonlyMap<Field, Side>>(new Map());
  const fields = conflicts.map(({ field }) => field);
  const isChosen = fields.every(field => choices.has(field));
  const merge = (): void => onMerge(fields.filter(field => choices.get(field) === 'theirs'));
  return (
    <section className="notice" role="alert" aria-label={title}>
      <h2>{title}</h2>
      <p>{t('merge.theirs', { version })}</p>
      <ChangeList changes={changes} />
      {conflicts.length === 0 && <p>{t('merge.disjoint')}</p>}
      {conflicts.map(conflict => (
        <Choice
          key={conflict.field}
          conflict={conflict}
          chosen={choices.get(conflict.field)}
          onChoose={side => setChoices(new Map([...choices, [conflict.field, side]]))}
        />
      ))}
      <button type="button" className="button primary" disabled={!isChosen} onClick={merge}>
        {t('merge.apply')}
      </button>
    </section>
  );
};

type ChoiceProps<Field extends string> = {
  readonly conflict: Conflict<Field>;
  readonly chosen: Side | undefined;
  readonly onChoose: (side: Side) => void;
};

const Choice = <Field extends string>({ conflict, chosen, onChoose }: ChoiceProps<Field>) => {
  const { field, title, changes } = conflict;
  return (
    <fieldset className="conflict">
      <legend>{t('merge.both', { field: title })}</legend>
      {SIDES.map(side => (
        <label key={side} className="check">
          <input
            type="radio"
            name={`conflict-${field}`}
            checked={chosen === side}
            onChange={() => onChoose(side)}
          />
          <span>
            {t(`merge.${side}Choice`)}
            <ChangeList changes={changes[side]} />
          </span>
        </label>
      ))}
    </fieldset>
  );
};
