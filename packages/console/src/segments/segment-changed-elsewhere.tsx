import { ChangedElsewhere } from '../components/changed-elsewhere.tsx';
import { t } from '../i18n/i18n.ts';
import type { Change } from '../flag/changes.ts';
import { describeEdits, editsOf, mergeEdits, titleOf, type SegmentField } from './segment-edits.ts';
import type { SegmentEdits, SegmentResponse } from './segment.ts';

type SegmentChangedElsewhereProps = {
  /** The segment as it was when the edits began. */
  readonly base: SegmentResponse;
  readonly edits: SegmentEdits;
  readonly theirs: SegmentResponse;
  readonly onMerge: (edits: SegmentEdits) => void;
};

/** Merges edits with what others have written since they began. */
export const SegmentChangedElsewhere = (props: SegmentChangedElsewhereProps) => {
  const { edits: mine, onMerge } = props;
  const [base, theirs] = [editsOf(props.base), editsOf(props.theirs)];
  const { edits, conflicts } = mergeEdits({ base, mine, theirs });
  const changesOf = (field: SegmentField, { [field]: value }: SegmentEdits): readonly Change[] =>
    describeEdits(base, { ...base, [field]: value });
  return (
    <ChangedElsewhere
      title={t('merge.segmentTitle')}
      version={props.theirs.version}
      changes={describeEdits(base, theirs)}
      conflicts={conflicts.map(field => ({
        field,
        title: titleOf(field),
        changes: { mine: changesOf(field, mine), theirs: changesOf(field, theirs) },
      }))}
      onMerge={fields =>
        onMerge(
          fields.reduce<SegmentEdits>(
            (merged, field) => ({ ...merged, [field]: theirs[field] }),
            edits,
          ),
        )
      }
    />
  );
};
