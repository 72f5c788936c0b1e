import { useQuery } from '@tanstack/react-query';
import { useNavigate, useRouteContext, useSearch } from '@tanstack/react-router';
import { use, useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react';

import { hasRole, type Session } from '../api/sessions.ts';
import { LiveContext } from '../app/live.ts';
import { describeError, PendingPage } from '../app/pages.tsx';
import { useKey } from '../app/use-key.ts';
import { useNarrow } from '../app/use-narrow.ts';
import { Later, lazyPart } from '../components/part.tsx';
import { t } from '../i18n/i18n.ts';
import { BulkBar } from './bulk-bar.tsx';
import type { NewFlag } from './create-flag.ts';
import { FlagCards } from './flag-cards.tsx';
import { FlagGrid } from './flag-grid.tsx';
import type { FlagsSearch } from './flags-search.ts';
import { overviewOptions } from './follow-overview.ts';
import { NewFlagDialog } from './new-flag-dialog.tsx';
import {
  mainEnvironment,
  shownEnvironment,
  type Environment,
  type Overview,
  type Row,
} from './overview.ts';
import { ReviewDialog, type SwitchChange } from './review-dialog.tsx';
import { parseSearch } from './search.ts';
import { SearchField } from './search-field.tsx';
import { sortRows } from './sort.ts';
import { useBulkDialogs } from './use-bulk-dialogs.ts';
import { useSwitches } from './use-switches.ts';
import { ViewsButton } from './views-button.tsx';

const BulkDialogs = lazyPart(async () => (await import('./bulk-dialogs.tsx')).BulkDialogs);

/** The flags of all environments, kept current. */
export const FlagsPage = () => {
  const { api, session } = useRouteContext({ from: '/signed-in/flags' });
  const { data, error, refetch } = useQuery(overviewOptions(api));
  const isLive = use(LiveContext);
  useEffect(() => {
    document.title = `${t('flags.title')} · Pennon`;
  }, []);
  if (data !== undefined) return <Flags overview={data} session={session} isLive={isLive} />;
  if (error === null) return <PendingPage />;
  return (
    <div className="page">
      <p role="alert">{describeError(error)}</p>
      <button type="button" className="button" onClick={() => void refetch()}>
        {t('app.retry')}
      </button>
    </div>
  );
};

type FlagsProps = {
  readonly overview: Overview;
  readonly session: Session;
  readonly isLive: boolean;
};

const Flags = ({ overview, session, isLive }: FlagsProps) => {
  const { environments } = overview;
  const { api, basePath } = useRouteContext({ from: '/signed-in/flags' });
  const search = useSearch({ from: '/signed-in/flags' });
  const mainKey = mainEnvironment(environments)?.key ?? 'production';
  const setSearch = useSetSearch();
  const { rows, unknown } = useRows(overview, search);
  const { chosen, choose, clear } = useChosen(overview);
  const chosenRows = overview.flags.filter(({ key }) => chosen.has(key));
  const dialogs = useBulkDialogs();
  const [review, setReview] = useState<SwitchChange>();
  const { pending, error, apply, dismiss } = useSwitches(api);
  const isNarrow = useNarrow();
  const newFlag = useNewFlag(environments.filter(({ key }) => hasRole(session, 'editor', key)));
  const environment = shownEnvironment(environments, search.env);
  const onSwitch = useCallback(
    (row: Row, { key, confirm }: Environment, enabled: boolean) => {
      const change = { environment: key, keys: [row.key], enabled };
      if (confirm === true) setReview(change);
      else apply(change, '');
    },
    [apply],
  );
  const list = {
    rows,
    environments,
    session,
    pending,
    chosen,
    onChoose: choose,
    onSwitch,
  };
  return (
    <div className="flags">
      <h1 className="sr-only">{t('flags.title')}</h1>
      <div className="list-bar">
        <SearchField
          value={search.q ?? ''}
          unknown={unknown}
          environment={mainKey}
          onChange={q => setSearch({ q })}
        />
        <ViewsButton search={search} environment={mainKey} onChoose={setSearch} />
        {newFlag.open && overview.flags.length > 0 && <NewFlagButton onClick={newFlag.open} />}
      </div>
      {error !== undefined && (
        <div className="banner" role="alert">
          <p>{describeError(error)}</p>
          <button type="button" className="button quiet" onClick={dismiss}>
            {t('app.dismiss')}
          </button>
        </div>
      )}
      {rows.length === 0 ? (
        <Empty
          isFiltered={overview.flags.length > 0}
          apiUrl={`${location.origin}${basePath}api/v1`}
          environment={mainKey}
          onCreate={newFlag.open}
          onClear={() => setSearch({ q: '' })}
        />
      ) : isNarrow && environment !== undefined ? (
        <FlagCards
          {...list}
          api={api}
          environment={environment}
          onEnvironment={env => setSearch({ env })}
        />
      ) : (
        <FlagGrid {...list} api={api} sort={search.sort} onSort={sort => setSearch({ sort })} />
      )}
      <footer className="footer">
        {chosen.size > 0 && (
          <BulkBar
            rows={chosenRows}
            environments={environments}
            session={session}
            onChange={change =>
              change.kind === 'switch'
                ? setReview({ ...change, keys: keysIn(chosenRows, change.environment) })
                : dialogs.open(change, chosenRows)
            }
            onClear={clear}
          />
        )}
        <Count shown={rows.length} overview={overview} isLive={isLive} />
      </footer>
      {dialogs.opened && (
        <Later isNeeded>
          <BulkDialogs
            {...{ api, session, environments }}
            opened={dialogs.opened}
            isOpen={dialogs.isOpen}
            onClose={dialogs.close}
          />
        </Later>
      )}
      <NewFlagDialog api={api} {...newFlag.dialog} />
      <ReviewDialog
        change={review}
        onClose={() => setReview(undefined)}
        onApply={(change, comment) => {
          setReview(undefined);
          apply(change, comment);
        }}
      />
    </div>
  );
};

/** Returns the keys of the flags that exist in an environment. */
const keysIn = (rows: readonly Row[], environment: string): readonly string[] =>
  rows.filter(({ cells }) => cells[environment] != null).map(({ key }) => key);

/** The dialog for a new flag, whose page opens once it is created. The key `n` opens it, too. */
const useNewFlag = (environments: readonly Environment[]) => {
  const navigate = useNavigate();
  const [isOpen, setIsOpen] = useState(false);
  const mayCreate = environments.length > 0;
  useKey('n', () => setIsOpen(mayCreate));
  const onCreated = ({ key, type, environments: [env] }: NewFlag): void =>
    void navigate({
      to: '/flags/$key',
      params: { key },
      search: { env, tab: type === 'boolean' ? undefined : 'variants' },
    });
  return {
    open: mayCreate ? (): void => setIsOpen(true) : undefined,
    dialog: { isOpen, environments, onCreated, onClose: (): void => setIsOpen(false) },
  };
};

const NewFlagButton = ({ onClick }: { readonly onClick: () => void }) => (
  <button type="button" className="button primary" aria-keyshortcuts="n" onClick={onClick}>
    {t('newFlag.title')}
  </button>
);

/** Returns a function that changes the search in the URL, without an entry in the history for each letter. */
const useSetSearch = () => {
  const navigate = useNavigate({ from: '/flags' });
  return (change: FlagsSearch): void =>
    void navigate({ search: previous => ({ ...previous, ...change }), replace: true });
};

const useRows = ({ environments, flags }: Overview, { q = '', sort }: FlagsSearch) => {
  const text = useDeferredValue(q);
  return useMemo(() => {
    const { matches, unknown } = parseSearch(
      text,
      environments.map(({ key }) => key),
    );
    const now = Date.now();
    return {
      rows: sortRows(
        flags.filter(row => matches(row, now)),
        sort,
      ),
      unknown,
    };
  }, [environments, flags, text, sort]);
};

/** The keys of the flags that are chosen, of those that still exist. */
const useChosen = ({ flags }: Overview) => {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const chosen = useMemo(
    () => new Set(flags.flatMap(({ key }) => (keys.has(key) ? [key] : []))),
    [flags, keys],
  );
  // Rows are rendered only if something of theirs has changed, so it must stay the same function.
  const choose = useCallback(
    (changed: readonly string[], isChosen: boolean): void =>
      setKeys(known => {
        const next = new Set(known);
        for (const key of changed)
          if (isChosen) next.add(key);
          else next.delete(key);
        return next;
      }),
    [],
  );
  return { chosen, choose, clear: () => setKeys(new Set()) };
};

type EmptyProps = {
  readonly isFiltered: boolean;
  readonly apiUrl: string;
  readonly environment: string;
  /** Undefined if the session may not create flags. */
  readonly onCreate: (() => void) | undefined;
  readonly onClear: () => void;
};

const Empty = ({ isFiltered, apiUrl, environment, onCreate, onClear }: EmptyProps) => (
  <div className="empty">
    <p>{t(isFiltered ? 'flags.noMatch' : 'flags.empty')}</p>
    {isFiltered ? (
      <button type="button" className="button" onClick={onClear}>
        {t('search.clear')}
      </button>
    ) : (
      <>
        {onCreate && <NewFlagButton onClick={onCreate} />}
        <p className="hint">{t('flags.emptyApi')}</p>
        <pre tabIndex={0}>{`curl -X POST ${apiUrl}/flags?environment=${environment} \\
  -H "Authorization: Bearer $PENNON_ADMIN_KEY" -H "Content-Type: application/json" \\
  -d '{"key": "new-checkout", "enabled": true}'`}</pre>
      </>
    )}
  </div>
);

type CountProps = { readonly shown: number; readonly overview: Overview; readonly isLive: boolean };

const Count = ({ shown, overview: { flags, moreFlags = 0 }, isLive }: CountProps) => (
  <p className="count" role="status">
    <bdi>
      {shown === flags.length
        ? t('flags.count', { count: shown })
        : t('flags.countOf', { shown, count: flags.length })}
      {moreFlags > 0 && ` · ${t('flags.more', { count: moreFlags })}`}
    </bdi>
    <span className={isLive ? 'live' : 'live waiting'}>
      {t(isLive ? 'flags.live' : 'flags.reconnecting')}
    </span>
  </p>
);
