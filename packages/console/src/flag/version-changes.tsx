import { useQuery } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { describeError } from '../app/pages.tsx';
import { t } from '../i18n/i18n.ts';
import { ChangeList } from './change-list.tsx';
import { describeChanges } from './changes.ts';
import { versionOptions } from './flag-query.ts';
import { JsonChanges } from './json-changes.tsx';

type VersionChangesProps = {
  readonly api: Api;
  readonly environment: string;
  readonly flag: string;
  readonly from: number;
  readonly to: number;
};

/** What is different from one version of a flag to another, in words and as JSON. */
export const VersionChanges = ({ api, environment, flag, from, to }: VersionChangesProps) => {
  const before = useQuery(versionOptions(api, { environment, key: flag, version: from }));
  const after = useQuery(versionOptions(api, { environment, key: flag, version: to }));
  const error = before.error ?? after.error;
  if (error !== null)
    return (
      <p className="error" role="alert">
        {describeError(error)}
      </p>
    );
  if (before.data === undefined || after.data === undefined)
    return <p className="hint">{t('app.loading')}</p>;
  const changes = describeChanges(before.data, after.data);
  if (changes.length === 0) return <p className="hint">{t('history.same')}</p>;
  return (
    <>
      <ChangeList changes={changes} />
      <details>
        <summary>{t('flagReview.json')}</summary>
        <JsonChanges base={before.data} document={after.data} />
      </details>
    </>
  );
};
