import { ChangedElsewhere } from '../components/changed-elsewhere.tsx';
import { t } from '../i18n/i18n.ts';
import { describeChanges, type Change, type Field } from './changes.ts';
import type { FlagDocument } from './document.ts';
import { mergeFlags, type Versions } from './merge.ts';

type FlagChangedElsewhereProps = {
  readonly versions: Versions;
  readonly onMerge: (document: FlagDocument) => void;
};

/** Merges a draft with what others have written since its edits began. */
export const FlagChangedElsewhere = ({ versions, onMerge }: FlagChangedElsewhereProps) => {
  const { base, mine, theirs } = versions;
  const { document, conflicts } = mergeFlags(versions);
  const changesOf = (field: Field, { [field]: value }: FlagDocument): readonly Change[] =>
    describeChanges(base, { ...base, [field]: value });
  return (
    <ChangedElsewhere
      title={t('merge.title')}
      version={theirs.version}
      changes={describeChanges(base, theirs)}
      conflicts={conflicts.map(field => ({
        field,
        title: t(`field.${field}`),
        changes: { mine: changesOf(field, mine), theirs: changesOf(field, theirs) },
      }))}
      onMerge={fields =>
        onMerge(
          fields.reduce<FlagDocument>(
            (merged, field) => ({ ...merged, [field]: theirs[field] }),
            document,
          ),
        )
      }
    />
  );
};
