import { useQuery } from '@tanstack/react-query';
import { useId, useState } from 'react';

import type { Api } from '../api/api.ts';
import { ApiError } from '../api/errors.ts';
import { hasRole, type Session } from '../api/sessions.ts';
import { useSettled } from '../app/use-settled.ts';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { Loaded } from '../components/section.tsx';
import { parseTags } from '../flag/tags.ts';
import { t } from '../i18n/i18n.ts';
import { applyBulk, previewBulk, type BulkAction, type Target } from './bulk.ts';
import { BulkPreviewList } from './bulk-preview-list.tsx';
import { EnvironmentName } from './environment-name.tsx';
import type { Environment, Row } from './overview.ts';

type BulkDialogProps = {
  readonly api: Api;
  readonly session: Session;
  readonly kind: BulkAction['kind'];
  readonly rows: readonly Row[];
  readonly environments: readonly Environment[];
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

const CONFLICT = 409;

/** Tags or deletes several flags, after it has shown what that does: one commit for each environment. */
export const BulkDialog = (props: BulkDialogProps) => {
  const { api, kind, rows, isOpen, onClose } = props;
  const { chosen, choose, leaveOut } = useEnvironments(props);
  const { action, ...tags } = useAction(kind);
  const targets = targetsOf(rows, chosen);
  const preview = useQuery({ ...previewOptions(api, action, targets), enabled: isOpen });
  const apply = async (form: FormData): Promise<void> => {
    const previews = await api.queries.ensureQueryData(previewOptions(api, action, targets));
    const first = previews.find(({ problems }) => problems.length > 0)?.problems[0];
    if (first !== undefined) throw new ApiError(t('bulk.refused'), CONFLICT);
    if (previews.length === 0) throw new ApiError(t('bulk.nothing'), CONFLICT);
    try {
      for (const each of previews) {
        await applyBulk(api, action, each, textOf(form, 'comment'));
        // Another attempt is about the other environments.
        leaveOut(each.environment);
      }
    } catch (error) {
      // A flag may have changed since the preview, so the next attempt is about another one.
      await preview.refetch();
      throw error;
    }
  };
  return (
    <FormDialog
      isOpen={isOpen}
      isWide
      isDangerous={kind === 'delete'}
      title={t(`bulk.${kind}Title`, { count: rows.length })}
      hint={t(`bulk.${kind}Effect`)}
      submit={t(`bulk.${kind}Apply`)}
      onSubmit={apply}
      onClose={onClose}
    >
      <EnvironmentChoice {...props} chosen={chosen} onChoose={choose} />
      {kind === 'tag' && <TagFields rows={rows} {...tags} />}
      <Loaded query={preview}>
        {previews => <BulkPreviewList rows={rows} previews={previews} />}
      </Loaded>
      <TextField name="comment" label={t('review.comment')} rows={2} />
    </FormDialog>
  );
};

const previewOptions = (api: Api, action: BulkAction, targets: readonly Target[]) => ({
  queryKey: ['flags', 'bulk', action, targets] as const,
  queryFn: () =>
    action.kind === 'tag' && action.add.length + action.remove.length === 0
      ? []
      : Promise.all(targets.map(target => previewBulk(api, action, target))),
  staleTime: 0,
  gcTime: 0,
  retry: false,
});

/** Returns the flags that exist in each of the environments. */
const targetsOf = (rows: readonly Row[], environments: readonly string[]): readonly Target[] =>
  environments
    .map(environment => ({
      environment,
      keys: rows.filter(({ cells }) => cells[environment] != null).map(({ key }) => key),
    }))
    .filter(({ keys }) => keys.length > 0);

/** The environments in which something is done. Tags are mostly the same in all of them. */
const useEnvironments = ({ kind, environments, session }: BulkDialogProps) => {
  const [chosen, setChosen] = useState<readonly string[]>(() =>
    kind === 'delete'
      ? []
      : environments.map(({ key }) => key).filter(key => hasRole(session, 'editor', key)),
  );
  const leaveOut = (key: string): void => setChosen(known => known.filter(each => each !== key));
  const choose = (key: string, isChosen: boolean): void =>
    isChosen ? setChosen([...chosen, key]) : leaveOut(key);
  return { chosen, choose, leaveOut };
};

/** What is done. Tags that are typed count once nothing is typed for a moment. */
const useAction = (kind: BulkAction['kind']) => {
  const [added, setAdded] = useState('');
  const [removed, setRemoved] = useState<readonly string[]>([]);
  const add = parseTags(useSettled(added));
  const action: BulkAction = kind === 'delete' ? { kind } : { kind, add, remove: removed };
  return { action, added, setAdded, removed, setRemoved };
};

type EnvironmentChoiceProps = Pick<BulkDialogProps, 'rows' | 'environments' | 'session'> & {
  readonly chosen: readonly string[];
  readonly onChoose: (environment: string, isChosen: boolean) => void;
};

/** The environments that have one of the flags, or more. */
const EnvironmentChoice = (props: EnvironmentChoiceProps) => {
  const { rows, environments, session, chosen, onChoose } = props;
  return (
    <fieldset className="choice-list">
      <legend>{t('bulk.environments')}</legend>
      {environments.map(environment => {
        const { key } = environment;
        const count = rows.filter(({ cells }) => cells[key] != null).length;
        const mayWrite = hasRole(session, 'editor', key);
        if (count === 0) return null;
        return (
          <label key={key} className="check">
            <input
              type="checkbox"
              checked={chosen.includes(key)}
              disabled={!mayWrite}
              onChange={({ target }) => onChoose(key, target.checked)}
            />
            <EnvironmentName environment={environment} />
            <span className="hint">
              {mayWrite ? t('flags.count', { count }) : t('cell.needsEditor', { environment: key })}
            </span>
          </label>
        );
      })}
    </fieldset>
  );
};

type TagFieldsProps = Pick<BulkDialogProps, 'rows'> &
  Pick<ReturnType<typeof useAction>, 'added' | 'setAdded' | 'removed' | 'setRemoved'>;

const TagFields = ({ rows, added, setAdded, removed, setRemoved }: TagFieldsProps) => {
  const id = useId();
  const known = [...new Set(rows.flatMap(({ tags }) => tags))].toSorted();
  return (
    <>
      <div className="field">
        <label htmlFor={id}>{t('bulk.addTags')}</label>
        <input
          id={id}
          className="input"
          value={added}
          autoComplete="off"
          aria-describedby={`${id}-hint`}
          onChange={({ target }) => setAdded(target.value)}
        />
        <p id={`${id}-hint`} className="hint">
          {t('settings.tagsHint')}
        </p>
      </div>
      {known.length > 0 && (
        <fieldset className="choice-list">
          <legend>{t('bulk.removeTags')}</legend>
          {known.map(tag => (
            <label key={tag} className="check">
              <input
                type="checkbox"
                checked={removed.includes(tag)}
                onChange={({ target }) =>
                  setRemoved(
                    target.checked ? [...removed, tag] : removed.filter(each => each !== tag),
                  )
                }
              />
              <bdi>{tag}</bdi>
            </label>
          ))}
        </fieldset>
      )}
    </>
  );
};
