import { useState } from 'react';

import { t } from '../i18n/i18n.ts';
import { ChangeList } from './change-list.tsx';
import { describeChanges, type Field } from './changes.ts';
import type { FlagDocument } from './document.ts';
import { mergeFlags, type Versions } from './merge.ts';

type ChangedElsewhereProps = {
  readonly versions: Versions;
  readonly onMerge: (document: FlagDocument) => void;
};

/** Shows what others have written since the edits began, and lets a person choose where both changed the same. */
export const ChangedElsewhere = ({ versions, onMerge }: ChangedElsewhereProps) => {
  const { base, mine, theirs } = versions;
  const { document, conflicts } = mergeFlags(versions);
  const [choices, setChoices] = useState<Readonly<Partial<Record<Field, 'mine' | 'theirs'>>>>({});
  const isChosen = conflicts.every(field => choices[field] !== undefined);
  const merge = (): void =>
    onMerge(
      conflicts.reduce<FlagDocument>(
        (merged, field) =>
          choices[field] === 'theirs' ? { ...merged, [field]: theirs[field] } : merged,
        document,
      ),
    );
  return (
    <section className="notice" role="alert" aria-label={t('merge.title')}>
      <h2>{t('merge.title')}</h2>
      <p>{t('merge.theirs', { version: theirs.version })}</p>
      <ChangeList changes={describeChanges(base, theirs)} />
      {conflicts.length === 0 && <p>{t('merge.disjoint')}</p>}
      {conflicts.map(field => (
        <fieldset key={field} className="conflict">
          <legend>{t('merge.both', { field: t(`field.${field}`) })}</legend>
          {(['mine', 'theirs'] as const).map(side => (
            <label key={side} className="check">
              <input
                type="radio"
                name={`conflict-${field}`}
                checked={choices[field] === side}
                onChange={() => setChoices({ ...choices, [field]: side })}
              />
              <span>
                {t(`merge.${side}Choice`)}
                <ChangeList
                  changes={describeChanges(base, {
                    ...base,
                    [field]: (side === 'mine' ? mine : theirs)[field],
                  })}
                />
              </span>
            </label>
          ))}
        </fieldset>
      ))}
      <button type="button" className="button primary" disabled={!isChosen} onClick={merge}>
        {t('merge.apply')}
      </button>
    </section>
  );
};
