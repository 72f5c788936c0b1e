import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import type { Api } from '../api/api.ts';
import { statusOf } from '../api/errors.ts';
import { hasRole, type Session } from '../api/sessions.ts';
import { describeError, NotFoundPage, PendingPage } from '../app/pages.tsx';
import { showCurrent } from '../components/show-current.ts';
import { EnvironmentName } from '../flags/environment-name.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { mainEnvironment, type Environment, type Overview } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { AbsentFlag } from './absent-flag.tsx';
import { describeChanges } from './changes.ts';
import { CodeTab } from './code-tab.tsx';
import { documentOf, isFlagInput, type FlagResponse } from './document.ts';
import { flagOptions } from './flag-query.ts';
import { FlagChangedElsewhere } from './flag-changed-elsewhere.tsx';
import { FlagReview } from './flag-review.tsx';
import { TABS, type Tab } from './flag-search.ts';
import { HistoryTab } from './history-tab.tsx';
import { JsonTab } from './json-tab.tsx';
import { RulesTab, type TabProps } from './rules-tab.tsx';
import { SettingsTab } from './settings-tab.tsx';
import { TryTab } from './try-tab.tsx';
import { UsageTab } from './usage-tab.tsx';
import { useCheck } from './use-check.ts';
import { useDraft, type DraftActions } from './use-draft.ts';
import { VariantsTab } from './variants-tab.tsx';

const FROM = '/signed-in/flags/$key';
/** Otherwise a link is current if the address has more parts than the link. */
const EXACT = { exact: true };

/** One flag in all environments, one at a time. */
export const FlagPage = () => {
  const { api } = useRouteContext({ from: FROM });
  const { key } = useParams({ from: FROM });
  const { data, error, refetch } = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${key} · Pennon`;
  }, [key]);
  if (data !== undefined) return <FlagEnvironments overview={data} flag={key} />;
  if (error === null) return <PendingPage />;
  return <Failed error={error} onRetry={() => void refetch()} />;
};

const Failed = ({ error, onRetry }: { readonly error: unknown; readonly onRetry: () => void }) => (
  <div className="page">
    <p role="alert">{describeError(error)}</p>
    <button type="button" className="button" onClick={onRetry}>
      {t('app.retry')}
    </button>
  </div>
);

/** Returns the environment in the URL, otherwise the one that matters most of those that have the flag. */
const environmentOf = (
  { environments, flags }: Overview,
  flag: string,
  wanted: string | undefined,
): Environment | undefined => {
  const cells = flags.find(({ key }) => key === flag)?.cells;
  return (
    environments.find(({ key }) => key === wanted) ??
    mainEnvironment(environments.filter(({ key }) => cells?.[key])) ??
    mainEnvironment(environments)
  );
};

type FlagEnvironmentsProps = { readonly overview: Overview; readonly flag: string };

const FlagEnvironments = ({ overview, flag }: FlagEnvironmentsProps) => {
  const { env, tab } = useSearch({ from: FROM });
  const { api, session } = useRouteContext({ from: FROM });
  const environment = environmentOf(overview, flag, env);
  if (environment === undefined) return <NotFoundPage />;
  const row = overview.flags.find(({ key }) => key === flag);
  return (
    <div className="flag-page">
      <header className="flag-header">
        <h1>
          <bdi>{flag}</bdi>
        </h1>
        {row && (
          <p className="hint">
            {t(`type.${row.type}`)}
            <Part text={row.name} />
            <Part text={row.owner} />
          </p>
        )}
      </header>
      <nav className="environments" ref={showCurrent} aria-label={t('flags.environment')}>
        {overview.environments.map(each => (
          <Link
            key={each.key}
            to="/flags/$key"
            params={{ key: flag }}
            search={{ env: each.key, tab }}
            className="tab"
            activeOptions={EXACT}
            aria-current={each === environment ? 'page' : undefined}
          >
            <EnvironmentName environment={each} />
          </Link>
        ))}
      </nav>
      <FlagLoader
        key={`${environment.key} ${flag}`}
        api={api}
        session={session}
        flag={flag}
        environment={environment.key}
        overview={overview}
      />
    </div>
  );
};

/** A text of its own direction, which moves none of its neighbours. */
const Part = ({ text }: { readonly text: string | null | undefined }) =>
  text != null &&
  text !== '' && (
    <>
      {' · '}
      <bdi>{text}</bdi>
    </>
  );

type FlagLoaderProps = FlagEnvironmentsProps & {
  readonly api: Api;
  readonly session: Session;
  readonly environment: string;
};

const NOT_FOUND = 404;

/** Loads the flag, and loads it again when the overview has another version. */
const FlagLoader = (props: FlagLoaderProps) => {
  const { api, session, flag, environment, overview } = props;
  const cell = overview.flags.find(({ key }) => key === flag)?.cells[environment];
  const isAbsent = !cell && (overview.moreFlags ?? 0) === 0;
  const mayWrite = hasRole(session, 'editor', environment);
  const options = flagOptions(api, environment, flag);
  const { data, error, refetch } = useQuery({ ...options, enabled: !isAbsent });
  const version = cell?.version;
  useEffect(() => {
    if (version !== undefined) void refetch();
  }, [version, refetch]);
  if (isAbsent || statusOf(error) === NOT_FOUND)
    return <AbsentFlag {...{ api, environment, flag, mayWrite }} />;
  if (data !== undefined) return <FlagEditor {...props} response={data} />;
  if (error !== null) return <Failed error={error} onRetry={() => void refetch()} />;
  return (
    <p className="tab-body" role="status">
      {t('app.loading')}
    </p>
  );
};

type FlagEditorProps = FlagLoaderProps & { readonly response: FlagResponse };

const FlagEditor = (props: FlagEditorProps) => {
  const { api, session, flag, environment, overview, response } = props;
  const { tab = 'rules' } = useSearch({ from: FROM });
  const actions = useDraft(environment, response);
  const { draft, edit } = actions;
  const check = useCheck(api, environment, draft.document);
  const [isReviewed, setIsReviewed] = useState(false);
  const writing = useApply(props, actions, () => setIsReviewed(false));
  const mayWrite = hasRole(session, 'editor', environment);
  const live = documentOf(response);
  const shared = { api, environment, document: draft.document, check, mayWrite, onEdit: edit };
  return (
    <>
      {!mayWrite && <p className="hint note">{t('cell.needsEditor', { environment })}</p>}
      {actions.isOutdated && (
        <FlagChangedElsewhere
          key={response.etag}
          versions={{ base: draft.base, mine: draft.document, theirs: live }}
          onMerge={actions.rebase}
        />
      )}
      <div className="flag-bar">
        <TabLinks flag={flag} environment={environment} current={tab} />
        <button
          type="button"
          role="switch"
          className="switch"
          aria-checked={draft.document.enabled}
          aria-disabled={!mayWrite}
          onClick={() => mayWrite && edit({ enabled: !draft.document.enabled })}
        >
          {t('flag.enabled')}
        </button>
      </div>
      <FlagTab
        {...shared}
        tab={tab}
        response={response}
        isEdited={actions.isEdited}
        overview={overview}
        onDeleted={actions.discard}
      />
      {actions.isEdited ? (
        <DraftBar actions={actions} onReview={() => setIsReviewed(true)} />
      ) : (
        <p className="sr-only" role="status">
          {writing.applied}
        </p>
      )}
      <FlagReview
        isOpen={isReviewed && actions.isEdited && !actions.isOutdated}
        environment={environment}
        draft={draft}
        check={check}
        error={writing.error === undefined ? undefined : describeError(writing.error)}
        isApplying={writing.isApplying}
        onApply={writing.apply}
        onClose={() => setIsReviewed(false)}
      />
    </>
  );
};

type FlagTabProps = TabProps & {
  readonly tab: Tab;
  readonly response: FlagResponse;
  readonly isEdited: boolean;
  readonly overview: Overview;
  readonly onDeleted: () => void;
};

const FlagTab = ({ tab, overview, response, isEdited, onDeleted, ...props }: FlagTabProps) => {
  const { basePath } = useRouteContext({ from: FROM });
  const url = `${location.origin}${basePath}`.replace(/\/$/, '');
  switch (tab) {
    case 'rules':
      return <RulesTab {...props} flags={keysIn(overview, props.environment)} />;
    case 'variants':
      return <VariantsTab {...props} />;
    case 'json':
      return <JsonTab {...props} />;
    case 'try':
      return (
        <TryTab
          {...props}
          live={documentOf(response)}
          isEdited={isEdited}
          overview={overview}
          url={url}
        />
      );
    case 'usage':
      return <UsageTab {...props} flag={response.key} version={response.version} />;
    case 'history':
      return <HistoryTab {...props} flag={response.key} live={response} />;
    case 'code':
      return (
        <CodeTab
          api={props.api}
          url={url}
          environment={props.environment}
          flag={response.key}
          document={documentOf(response)}
        />
      );
    case 'settings':
      return <SettingsTab {...props} live={response} onDeleted={onDeleted} />;
  }
};

const keysIn = ({ flags }: Overview, environment: string): readonly string[] =>
  flags.flatMap(({ key, cells }) => (cells[environment] ? [key] : []));

const CHANGED_ELSEWHERE = 412;

/** Writes the draft, unless the flag has been written since the edits began. */
const useApply = (
  { api, environment, flag }: FlagEditorProps,
  { draft, discard }: DraftActions,
  onDone: () => void,
) => {
  const [error, setError] = useState<unknown>();
  const [applied, setApplied] = useState('');
  const [isApplying, setIsApplying] = useState(false);
  const { queryKey } = flagOptions(api, environment, flag);

  const write = async (comment: string): Promise<void> => {
    const { document, etag } = draft;
    if (!isFlagInput(document)) return;
    try {
      const input = { ...document, environment, ifMatch: etag };
      const response = await api.procedures.flags.replace.mutate(input, { context: { comment } });
      api.queries.setQueryData(queryKey, response);
      discard();
      setApplied(t('flag.applied', { version: response.version }));
      onDone();
    } catch (failure) {
      if (statusOf(failure) !== CHANGED_ELSEWHERE) return setError(failure);
      await api.queries.refetchQueries({ queryKey });
      onDone();
    }
  };
  const apply = (comment: string): void => {
    setError(undefined);
    setIsApplying(true);
    void write(comment).finally(() => setIsApplying(false));
  };
  return { error, applied, isApplying, apply };
};

type TabLinksProps = {
  readonly flag: string;
  readonly environment: string;
  readonly current: Tab;
};

const TabLinks = ({ flag, environment, current }: TabLinksProps) => (
  <nav className="flag-tabs" ref={showCurrent} aria-label={t('flag.parts')}>
    {TABS.map(tab => (
      <Link
        key={tab}
        to="/flags/$key"
        params={{ key: flag }}
        search={{ env: environment, tab: tab === 'rules' ? undefined : tab }}
        className="tab"
        activeOptions={EXACT}
        aria-current={tab === current ? 'page' : undefined}
      >
        {t(`flag.tab.${tab}`)}
      </Link>
    ))}
  </nav>
);

type DraftBarProps = { readonly actions: DraftActions; readonly onReview: () => void };

/** Edits that are not written yet, and what can be done with them. */
const DraftBar = ({ actions, onReview }: DraftBarProps) => {
  const { draft, isOutdated, discard } = actions;
  const count = describeChanges(draft.base, draft.document).length;
  return (
    <div className="draft-bar" role="region" aria-label={t('draft.label')}>
      <p role="status">{t('draft.count', { count })}</p>
      <button type="button" className="button" onClick={discard}>
        {t('draft.discard')}
      </button>
      <button
        type="button"
        className="button primary"
        aria-disabled={isOutdated}
        onClick={() => isOutdated || onReview()}
      >
        {t('draft.review')}
      </button>
    </div>
  );
};
