import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useId, useState, type ReactNode } from 'react';

import { ApiError } from '../api/errors.ts';
import { EVERYWHERE, hasRole, type Session } from '../api/sessions.ts';
import { describeError } from '../app/pages.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { ActionButton, ItemList, ListItem, Loaded } from '../components/section.tsx';
import { ChangeList } from '../flag/change-list.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { environmentsOptions } from '../settings/queries.ts';
import type { AuditSearch } from './audit-search.ts';
import {
  ACTIONS,
  auditOptions,
  changesOf,
  deletionOf,
  type AuditEntry,
  type Deletion,
} from './entries.ts';
import { download, MAX_EXPORTED, readEntries, toCsv, toNdjson } from './export.ts';

const FROM = '/signed-in/audit';

/** Who changed what, newest first. */
export const AuditPage = () => {
  const { api, session } = useRouteContext({ from: FROM });
  const query = useQuery(environmentsOptions(api));
  useEffect(() => {
    document.title = `${t('audit.title')} · Pennon`;
  }, []);
  return (
    <div className="wide-page">
      <h1>{t('audit.title')}</h1>
      <Loaded query={query}>
        {environments => (
          <Audit
            environments={choicesOf(
              session,
              environments.map(({ key }) => key),
            )}
          />
        )}
      </Loaded>
    </div>
  );
};

/** All environments together are for those who may read each of them. */
const choicesOf = (session: Session, environments: readonly string[]): readonly string[] =>
  hasRole(session, 'viewer', EVERYWHERE) ? [EVERYWHERE, ...environments] : environments;

const Audit = ({ environments }: { readonly environments: readonly string[] }) => {
  const { api } = useRouteContext({ from: FROM });
  const search = useSearch({ from: FROM });
  const wanted = { ...search, environment: search.environment ?? environments[0] };
  const log = useInfiniteQuery(auditOptions(api, wanted));
  const [deletion, setDeletion] = useState<Deletion>();
  const { data, error, hasNextPage, isFetchingNextPage } = log;
  return (
    <>
      <Filters search={wanted} environments={environments} />
      <ExportButtons search={wanted} />
      {error !== null && (
        <p className="error" role="alert">
          {describeError(error)}
        </p>
      )}
      {data === undefined && error === null && <p role="status">{t('app.loading')}</p>}
      {data !== undefined && (
        <ItemList items={data.pages.flatMap(({ items }) => items)} empty={t('audit.none')}>
          {entry => (
            <Entry
              key={`${entry.environment} ${entry.kind} ${entry.id}`}
              entry={entry}
              onRestore={setDeletion}
            />
          )}
        </ItemList>
      )}
      {hasNextPage && (
        <button
          type="button"
          className="button"
          aria-disabled={isFetchingNextPage}
          onClick={() => void log.fetchNextPage()}
        >
          {t('audit.more')}
        </button>
      )}
      <RestoreDialog deletion={deletion} onClose={() => setDeletion(undefined)} />
    </>
  );
};

type FiltersProps = { readonly search: AuditSearch; readonly environments: readonly string[] };

const Filters = ({ search, environments }: FiltersProps) => {
  const navigate = useNavigate({ from: '/audit' });
  const change = (name: keyof AuditSearch, value: string): void => {
    if (value === (search[name] ?? '')) return;
    // The server finds the changes of a flag, or those of a segment.
    const other =
      name === 'flag' ? { segment: undefined } : name === 'segment' ? { flag: undefined } : {};
    void navigate({ search: previous => ({ ...previous, ...other, [name]: value || undefined }) });
  };
  return (
    <form
      className="field-columns filters"
      role="search"
      onSubmit={event => event.preventDefault()}
    >
      <Filter label={t('flags.environment')}>
        {id => (
          <select
            id={id}
            className="input"
            value={search.environment}
            onChange={({ target }) => change('environment', target.value)}
          >
            {environments.map(key => (
              <option key={key} value={key}>
                {key === EVERYWHERE ? t('settings.allEnvironments') : key}
              </option>
            ))}
          </select>
        )}
      </Filter>
      <Filter label={t('audit.action')}>
        {id => (
          <select
            id={id}
            className="input"
            value={search.action ?? ''}
            onChange={({ target }) => change('action', target.value)}
          >
            <option value="">{t('audit.allActions')}</option>
            <option value="session.create">{t('audit.signIns')}</option>
            {ACTIONS.filter(action => action !== 'session.create').map(action => (
              <option key={action}>{action}</option>
            ))}
          </select>
        )}
      </Filter>
      {(['flag', 'segment', 'actor'] as const).map(name => (
        <Filter key={name} label={t(`audit.filter.${name}`)}>
          {id => (
            <FilterInput
              id={id}
              type="search"
              value={search[name] ?? ''}
              onChange={value => change(name, value)}
            />
          )}
        </Filter>
      ))}
      {(['from', 'until'] as const).map(name => (
        <Filter key={name} label={t(`audit.filter.${name}`)}>
          {id => (
            <FilterInput
              id={id}
              type="datetime-local"
              value={search[name] ?? ''}
              onChange={value => change(name, value)}
            />
          )}
        </Filter>
      ))}
    </form>
  );
};

type FilterProps = { readonly label: string; readonly children: (id: string) => ReactNode };

const Filter = ({ label, children }: FilterProps) => {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  );
};

type FilterInputProps = {
  readonly id: string;
  readonly type: 'search' | 'datetime-local';
  /** The filter in the URL. */
  readonly value: string;
  readonly onChange: (value: string) => void;
};

/** An input that filters once it is complete, because each search reads the log. */
const FilterInput = ({ id, type, value, onChange }: FilterInputProps) => {
  const [text, setText] = useState(value);
  // The URL has changed otherwise, as by the history of the browser.
  useEffect(() => setText(value), [value]);
  return (
    <input
      id={id}
      type={type}
      className="input"
      value={text}
      autoComplete="off"
      spellCheck={false}
      onChange={({ target }) => setText(target.value)}
      onBlur={() => onChange(text.trim())}
      onKeyDown={({ key }) => {
        if (key === 'Enter') onChange(text.trim());
      }}
    />
  );
};

const ExportButtons = ({ search }: { readonly search: AuditSearch }) => {
  const { api } = useRouteContext({ from: FROM });
  const [status, setStatus] = useState('');
  const save = async (name: string, type: string, format: typeof toCsv): Promise<void> => {
    setStatus(t('audit.exporting'));
    try {
      const entries = await readEntries(api, search);
      download(name, type, format(entries));
      setStatus(
        entries.length < MAX_EXPORTED
          ? t('audit.exported', { count: entries.length })
          : t('audit.exportedFirst', { count: entries.length }),
      );
    } catch (error) {
      setStatus(describeError(error));
    }
  };
  return (
    <div className="item-actions">
      <ActionButton onClick={() => void save('audit.csv', 'text/csv', toCsv)}>
        {t('audit.csv')}
      </ActionButton>
      <ActionButton onClick={() => void save('audit.ndjson', 'application/x-ndjson', toNdjson)}>
        {t('audit.ndjson')}
      </ActionButton>
      <p className="hint" role="status">
        {status}
      </p>
    </div>
  );
};

type EntryProps = {
  readonly entry: AuditEntry;
  readonly onRestore: (deletion: Deletion) => void;
};

const Entry = ({ entry, onRestore }: EntryProps) => {
  const { session } = useRouteContext({ from: FROM });
  const { at, actor, action, key, environment, comment, from } = entry;
  const changes = changesOf(entry);
  const deletion = deletionOf(entry);
  return (
    <ListItem
      title={
        <>
          <code>{action}</code> <bdi>{key}</bdi>
        </>
      }
      about={[
        t('audit.by', { name: actor.name, time: formatTime(at) }),
        environment === EVERYWHERE ? undefined : environment,
        actor.onBehalfOf === undefined
          ? undefined
          : t('audit.onBehalfOf', { name: actor.onBehalfOf }),
        from === undefined ? undefined : t('audit.copiedFrom', { environment: from }),
        comment === undefined ? undefined : `“${comment}”`,
      ]}
      below={
        changes.length > 0 && (
          <details>
            <summary>{t('audit.changes', { count: changes.length })}</summary>
            <ChangeList changes={changes} />
          </details>
        )
      }
    >
      {deletion !== undefined && (
        <ActionButton
          reason={
            hasRole(session, 'editor', environment)
              ? undefined
              : t('cell.needsEditor', { environment })
          }
          label={t('settings.restoreOne', { name: key })}
          onClick={() => onRestore(deletion)}
        >
          {t('settings.restore')}
        </ActionButton>
      )}
    </ListItem>
  );
};

type RestoreDialogProps = {
  readonly deletion: Deletion | undefined;
  readonly onClose: () => void;
};

const CONFLICT = 409;

/** Brings back a flag or segment as it was before it was deleted. */
const RestoreDialog = ({ deletion, onClose }: RestoreDialogProps) => {
  const { api } = useRouteContext({ from: FROM });
  const restore = async (): Promise<void> => {
    if (deletion === undefined) return;
    const { kind, version, environment, key } = deletion;
    const { listVersions, revert } =
      kind === 'flag' ? api.procedures.flags : api.procedures.segments;
    const { items } = await listVersions.query({ environment, key, limit: 1 });
    // Versions continue if the key is used again, and those must not be overwritten.
    if (items.some(newest => newest.version > version))
      throw new ApiError(t('audit.existsAgain', { key, environment }), CONFLICT);
    await revert.mutate({ environment, key, version });
    await api.queries.invalidateQueries({ queryKey: ['audit'] });
    await api.queries.invalidateQueries({ queryKey: overviewOptions(api).queryKey });
  };
  return (
    <FormDialog
      isOpen={deletion !== undefined}
      title={t('settings.restoreOne', { name: deletion?.key })}
      hint={t('audit.restoreHint')}
      submit={t('settings.restore')}
      onSubmit={restore}
      onClose={onClose}
    />
  );
};
