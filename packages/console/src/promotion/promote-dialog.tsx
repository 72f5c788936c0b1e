import { useQuery, type QueryKey } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';

import type { Api } from '../api/api.ts';
import { ApiError } from '../api/errors.ts';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { Loaded } from '../components/section.tsx';
import { ChangeList } from '../flag/change-list.tsx';
import { FIELDS } from '../flag/changes.ts';
import { Findings } from '../flag/findings.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { t } from '../i18n/i18n.ts';

/** Documents to copy from one environment to another. */
export type PromotionRequest = {
  readonly from: string;
  readonly to: string;
  readonly flags: readonly string[];
  readonly segments: readonly string[];
};

type PromoteDialogProps = {
  readonly api: Api;
  /** Undefined if the dialog is closed. */
  readonly promotion: PromotionRequest | undefined;
  readonly onDone: () => void;
  readonly onClose: () => void;
  /** Further fields of the form. */
  readonly children?: ReactNode;
};

/** The request for a promotion, in which whether a flag is enabled is taken only if that is chosen. */
const inputOf = (promotion: PromotionRequest, takesEnabled: boolean) => ({
  from: promotion.from,
  to: promotion.to,
  flags: [...promotion.flags],
  segments: [...promotion.segments],
  take: takesEnabled ? [...FIELDS] : undefined,
});

const CONFLICT = 409;

const NOTHING: PromotionRequest = { from: '', to: '', flags: [], segments: [] };

const previewOptions = (
  { procedures }: Api,
  promotion: PromotionRequest | undefined,
  takesEnabled: boolean,
) => ({
  queryKey: ['promotion', promotion, takesEnabled] as const,
  queryFn: () =>
    procedures.environments.promote.mutate({
      ...inputOf(promotion ?? NOTHING, takesEnabled),
      dryRun: true,
    }),
  enabled: promotion !== undefined,
  staleTime: 0,
  gcTime: 0,
  retry: false,
});

/** Shows what a promotion changes before it is made, as one commit. */
export const PromoteDialog = (props: PromoteDialogProps) => {
  const { api, promotion, onDone, onClose, children } = props;
  const [takesEnabled, setTakesEnabled] = useState(false);
  const preview = useQuery(previewOptions(api, promotion, takesEnabled));
  const promote = async (form: FormData): Promise<void> => {
    if (promotion === undefined || preview.data === undefined)
      throw new ApiError(t('compare.notReady'), CONFLICT);
    try {
      await api.procedures.environments.promote.mutate(
        { ...inputOf(promotion, takesEnabled), ifMatch: preview.data.etag },
        { context: { comment: textOf(form, 'comment') } },
      );
    } catch (error) {
      // Something has changed since the preview, so the next attempt is about another one.
      await preview.refetch();
      throw error;
    }
    onDone();
    const changed: readonly QueryKey[] = [['compare'], ['segments'], overviewOptions(api).queryKey];
    await Promise.all(changed.map(queryKey => api.queries.invalidateQueries({ queryKey })));
  };
  return (
    <FormDialog
      isOpen={promotion !== undefined}
      isWide
      title={t('compare.review', { from: promotion?.from, to: promotion?.to })}
      submit={t('review.apply')}
      onSubmit={promote}
      onClose={onClose}
    >
      {children}
      <label className="check">
        <input
          type="checkbox"
          checked={takesEnabled}
          onChange={({ target }) => setTakesEnabled(target.checked)}
        />
        {t('compare.takeEnabled')}
      </label>
      <Loaded query={preview}>
        {({ items, problems = [], warnings = [] }) => (
          <>
            <ul className="promoted" tabIndex={0} aria-label={t('compare.changes')}>
              {items.map(({ kind, key, outcome, differences }) => (
                <li key={`${kind} ${key}`}>
                  <strong>
                    <bdi>{key}</bdi>
                  </strong>{' '}
                  {t(`compare.outcome.${outcome}`)}
                  {outcome === 'change' && (
                    <ChangeList
                      changes={differences.map(({ path, before, after }) => ({
                        title: path,
                        before: JSON.stringify(before),
                        after: JSON.stringify(after),
                      }))}
                    />
                  )}
                </li>
              ))}
            </ul>
            <Findings problems={problems} warnings={warnings} />
          </>
        )}
      </Loaded>
      <TextField name="comment" label={t('review.comment')} rows={2} />
    </FormDialog>
  );
};
