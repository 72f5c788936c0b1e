import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useId } from 'react';

import { hasRole } from '../api/sessions.ts';
import { EnvironmentTabs } from '../components/environment-tabs.tsx';
import { Loaded } from '../components/section.tsx';
import { ContextForm } from '../flag/context-form.tsx';
import { attributesOf } from '../flag/context.ts';
import { SavedContexts } from '../flag/saved-contexts.tsx';
import { contextsOptions } from '../flag/use-check.ts';
import { useTriedContext } from '../flag/use-trial.ts';
import { overviewOptions } from '../flags/follow-overview.ts';
import { shownEnvironment, type Overview } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { useEvaluations, type Evaluation } from './use-evaluations.ts';

const FROM = '/signed-in/try';
/** Otherwise a link is current if the address has more parts than the link. */
const EXACT = { exact: true };

/** Evaluates all flags of an environment for one context. */
export const TryPage = () => {
  const { api } = useRouteContext({ from: FROM });
  const { env } = useSearch({ from: FROM });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${t('flag.tab.try')} · Pennon`;
  }, []);
  return (
    <div className="wide-page">
      <h1>{t('flag.tab.try')}</h1>
      <Loaded query={overview}>
        {data => {
          const environment = shownEnvironment(data.environments, env);
          if (environment === undefined) return <p>{t('environments.none')}</p>;
          return <TryEnvironment overview={data} environment={environment.key} />;
        }}
      </Loaded>
    </div>
  );
};

type TryEnvironmentProps = { readonly overview: Overview; readonly environment: string };

const TryEnvironment = ({ overview, environment }: TryEnvironmentProps) => {
  const { api, session } = useRouteContext({ from: FROM });
  const { q } = useSearch({ from: FROM });
  const { attributes, context, change } = useTriedContext();
  const { data: saved } = useQuery(contextsOptions(api, environment));
  const names = (saved?.items ?? []).flatMap(each => Object.keys(each.context));
  const evaluations = useEvaluations(api, { environment, context, revision: overview.etag });
  return (
    <>
      <EnvironmentTabs environments={overview.environments}>
        {({ key }, name) => (
          <Link
            key={key}
            to="/try"
            search={{ env: key, q }}
            className="tab"
            activeOptions={EXACT}
            aria-current={key === environment ? 'page' : undefined}
          >
            {name}
          </Link>
        )}
      </EnvironmentTabs>
      <div className="tab-body try">
        <section className="try-context" aria-label={t('try.context')}>
          <h2>{t('try.context')}</h2>
          <ContextForm
            attributes={attributes}
            names={[...new Set(['targetingKey', ...names])]}
            onChange={change}
          />
          <SavedContexts
            key={environment}
            api={api}
            environment={environment}
            mayWrite={hasRole(session, 'editor', environment)}
            context={context}
            onChoose={chosen => change(attributesOf(chosen))}
          />
        </section>
        <section className="try-results" aria-label={t('try.result')}>
          <h2>{t('try.all', { environment })}</h2>
          <Loaded query={evaluations}>
            {all => <Results evaluations={all} environment={environment} />}
          </Loaded>
        </section>
      </div>
    </>
  );
};

/** More rows would take long to show. The search finds the others. */
const MAX_ROWS = 200;

type ResultsProps = { readonly evaluations: readonly Evaluation[]; readonly environment: string };

const Results = ({ evaluations, environment }: ResultsProps) => {
  const id = useId();
  const { q = '' } = useSearch({ from: FROM });
  const navigate = useNavigate({ from: '/try' });
  const text = q.trim().toLowerCase();
  const found = evaluations.filter(({ flagKey }) => flagKey.toLowerCase().includes(text));
  const shown = found.slice(0, MAX_ROWS);
  return (
    <>
      <label htmlFor={id}>{t('search.label')}</label>
      <input
        id={id}
        type="search"
        className="input"
        value={q}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) =>
          void navigate({ search: known => ({ ...known, q: target.value }), replace: true })
        }
      />
      <p className="hint" role="status">
        {t('flags.countOf', { shown: shown.length, count: evaluations.length })}
      </p>
      {shown.length > 0 && <ResultTable evaluations={shown} environment={environment} />}
    </>
  );
};

const ResultTable = ({ evaluations, environment }: ResultsProps) => (
  <div className="table-scroller" tabIndex={0} role="region" aria-label={t('flags.title')}>
    <table className="all-results">
      <thead>
        <tr>
          <th scope="col">{t('flags.column.key')}</th>
          <th scope="col">{t('rule.variant')}</th>
          <th scope="col">{t('try.value')}</th>
          <th scope="col">{t('try.reason')}</th>
        </tr>
      </thead>
      <tbody>
        {evaluations.map(evaluation => (
          <tr key={evaluation.flagKey}>
            <th scope="row">
              <Link
                to="/flags/$key"
                params={{ key: evaluation.flagKey }}
                search={{ env: environment, tab: 'try' }}
                className="flag-key"
              >
                <bdi>{evaluation.flagKey}</bdi>
              </Link>
            </th>
            <td>
              <bdi>{'variant' in evaluation ? evaluation.variant : '–'}</bdi>
            </td>
            <td>
              <bdi>{valueOf(evaluation)}</bdi>
            </td>
            <td>{'errorCode' in evaluation ? evaluation.errorCode : evaluation.reason}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

/** Longer values are on the page of the flag. */
const MAX_VALUE_LENGTH = 200;

const valueOf = (evaluation: Evaluation): string => {
  if (!('value' in evaluation)) return t('rule.codeDefault');
  const text = JSON.stringify(evaluation.value);
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
};
