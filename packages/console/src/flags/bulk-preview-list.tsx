import { ChangeList } from '../flag/change-list.tsx';
import { Findings } from '../flag/findings.tsx';
import { formatTexts } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { problemsOf, type BulkPreview, type Effect } from './bulk.ts';
import type { Row } from './overview.ts';

type BulkPreviewListProps = {
  readonly rows: readonly Row[];
  readonly previews: readonly BulkPreview[];
};

/** What happens to each flag in each environment, with the reasons why it cannot. */
export const BulkPreviewList = ({ rows, previews }: BulkPreviewListProps) =>
  previews.length === 0 ? null : (
    <ul className="promoted" tabIndex={0} aria-label={t('bulk.what')}>
      {rows.map(({ key }) => (
        <li key={key}>
          <strong>
            <bdi>{key}</bdi>
          </strong>
          <ChangeList
            changes={previews
              .filter(({ effects }) => effects[key] !== undefined)
              .map(({ environment, effects }) => ({
                title: environment,
                ...describeEffect(effects[key]),
              }))}
          />
          {previews.map(preview => (
            <Findings
              key={preview.environment}
              problems={problemsOf(preview, key).map(({ path, message }) => ({
                path: `${preview.environment}.${path}`,
                message: `${preview.environment}: ${message}`,
              }))}
            />
          ))}
        </li>
      ))}
    </ul>
  );

/** Returns the tags before and after, or what happens to the flag instead. */
const describeEffect = (effect: Effect = { kind: 'none' }): { before?: string; after?: string } => {
  if (effect.kind === 'none') return { after: t('bulk.unchanged') };
  if (effect.kind === 'delete') return { before: t('bulk.deleted') };
  return { before: describeTags(effect.before), after: describeTags(effect.after) };
};

const describeTags = (tags: readonly string[]): string =>
  tags.length === 0 ? t('bulk.noTags') : formatTexts(tags);
