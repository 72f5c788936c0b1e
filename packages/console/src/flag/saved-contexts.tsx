import { useMutation, useQuery } from '@tanstack/react-query';
import { useId, useState, type FormEvent } from 'react';

import type { Api } from '../api/api.ts';
import { describeError } from '../app/pages.tsx';
import { ConfirmDialog } from '../components/confirm-dialog.tsx';
import { t } from '../i18n/i18n.ts';
import { keyOf, type Context } from './context.ts';
import { isSame } from './document.ts';
import { contextsOptions, type SavedContext } from './use-check.ts';

type SavedContextsProps = {
  readonly api: Api;
  readonly environment: string;
  readonly mayWrite: boolean;
  /** The context that is tried, or undefined while it is not valid. */
  readonly context: Context | undefined;
  readonly onChoose: (context: Context) => void;
};

/** The contexts of an environment that people have saved, to choose, add and delete. */
export const SavedContexts = (props: SavedContextsProps) => {
  const { api, environment, mayWrite, context, onChoose } = props;
  const { data, error } = useQuery(contextsOptions(api, environment));
  const [deleted, setDeleted] = useState<SavedContext>();
  const saved = data?.items ?? [];
  return (
    <section className="saved-contexts" aria-label={t('try.saved')}>
      <h3>{t('try.saved')}</h3>
      {error !== null && (
        <p className="error" role="alert">
          {describeError(error)}
        </p>
      )}
      {data !== undefined && saved.length === 0 && <p className="hint">{t('try.noneSaved')}</p>}
      <ul>
        {saved.map(each => (
          <li key={each.key}>
            <button
              type="button"
              className="button quiet saved-name"
              aria-pressed={isSame(each.context, context)}
              onClick={() => onChoose(each.context)}
            >
              <bdi className="clipped">{each.name ?? each.key}</bdi>
            </button>
            {mayWrite && (
              <button
                type="button"
                className="button quiet"
                aria-label={t('try.delete', { name: each.name ?? each.key })}
                onClick={() => setDeleted(each)}
              >
                ✕
              </button>
            )}
          </li>
        ))}
      </ul>
      {mayWrite && <SaveForm api={api} environment={environment} saved={saved} context={context} />}
      <DeleteDialog
        api={api}
        environment={environment}
        saved={deleted}
        onClose={() => setDeleted(undefined)}
      />
    </section>
  );
};

type SaveFormProps = Pick<SavedContextsProps, 'api' | 'environment' | 'context'> & {
  readonly saved: readonly SavedContext[];
};

const SaveForm = ({ api, environment, saved, context }: SaveFormProps) => {
  const id = useId();
  const [name, setName] = useState('');
  const key = saved.find(each => (each.name ?? each.key) === name.trim())?.key ?? keyOf(name);
  const replaced = saved.find(each => each.key === key);
  const { mutate, error, isPending, isSuccess, reset } = useMutation({
    mutationFn: (input: { readonly name: string; readonly context: Context }) =>
      api.procedures.contexts.save.mutate({ environment, key, ...input }),
    onSuccess: () =>
      api.queries.invalidateQueries({ queryKey: contextsOptions(api, environment).queryKey }),
  });
  const isBlocked = name.trim() === '' || context === undefined || isPending;
  const save = (event: FormEvent): void => {
    event.preventDefault();
    if (!isBlocked && context !== undefined) mutate({ name: name.trim(), context });
  };
  return (
    <form className="save-context" onSubmit={save}>
      <label htmlFor={id}>{t('try.saveAs')}</label>
      <div className="input-row">
        <input
          id={id}
          className="input"
          value={name}
          maxLength={200}
          autoComplete="off"
          onChange={({ target }) => {
            reset();
            setName(target.value);
          }}
        />
        <button type="submit" className="button" aria-disabled={isBlocked}>
          {t('try.save')}
        </button>
      </div>
      <p className="hint" role="status">
        {isSuccess
          ? t('try.isSaved')
          : replaced && t('try.replaces', { name: replaced.name ?? replaced.key })}
      </p>
      <p className="error" role="alert">
        {error !== null && describeError(error)}
      </p>
    </form>
  );
};

type DeleteDialogProps = Pick<SavedContextsProps, 'api' | 'environment'> & {
  /** The context to delete. Undefined if the dialog is closed. */
  readonly saved: SavedContext | undefined;
  readonly onClose: () => void;
};

const DeleteDialog = ({ api, environment, saved, onClose }: DeleteDialogProps) => {
  const { mutate, error, isPending, reset } = useMutation({
    mutationFn: (key: string) => api.procedures.contexts.delete.mutate({ environment, key }),
    onSuccess: async () => {
      await api.queries.invalidateQueries({ queryKey: contextsOptions(api, environment).queryKey });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      isOpen={saved !== undefined}
      title={t('try.deleteTitle', { name: saved?.name ?? saved?.key })}
      action={t('try.deleteAction')}
      error={error === null ? undefined : describeError(error)}
      isBlocked={isPending}
      isDangerous
      onConfirm={() => saved && mutate(saved.key)}
      onClose={() => {
        reset();
        onClose();
      }}
    >
      <p className="hint">{t('try.deleteEffect', { environment })}</p>
    </ConfirmDialog>
  );
};
