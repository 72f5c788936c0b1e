import { Link } from '@tanstack/react-router';
import { useId } from 'react';

import { describeError } from '../app/pages.tsx';
import { EnvironmentName } from '../flags/environment-name.tsx';
import type { Environment, Overview } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { ContextForm } from './context-form.tsx';
import { attributesOf } from './context.ts';
import type { FlagDocument, Rule } from './document.ts';
import { describeResult, readTrace, type Explanation } from './explanation.ts';
import { useAttributes, type TabProps } from './rules-tab.tsx';
import { SavedContexts } from './saved-contexts.tsx';
import { SnippetView } from './snippet-view.tsx';
import { TraceTree } from './trace-tree.tsx';
import { useTriedContext, useTrial } from './use-trial.ts';

type TryTabProps = TabProps & {
  /** The flag as the server has it. */
  readonly live: FlagDocument;
  readonly isEdited: boolean;
  readonly overview: Overview;
  /** The server, without a slash at the end. */
  readonly url: string;
};

/** Evaluates the flag for a context: as it is live, as it would be, and elsewhere. */
export const TryTab = (props: TryTabProps) => {
  const { api, environment, document, live, isEdited, check, overview, mayWrite, url } = props;
  const { attributes, context, change } = useTriedContext();
  const names = useAttributes(props);
  const { evaluations, draft, error } = useTrial(api, {
    environment,
    draft: isEdited ? document : undefined,
    check,
    flag: document.key,
    context,
    revision: overview.etag,
  });
  return (
    <section className="tab-body try">
      <h2 className="sr-only">{t('flag.tab.try')}</h2>
      <div className="try-context">
        <h3>{t('try.context')}</h3>
        <ContextForm attributes={attributes} names={names} onChange={change} />
        <SavedContexts
          api={api}
          environment={environment}
          mayWrite={mayWrite}
          context={context}
          onChoose={chosen => change(attributesOf(chosen))}
        />
      </div>
      <div className="try-results">
        <p className="error" role="alert">
          {error !== null && describeError(error)}
        </p>
        <Result title={t('try.live')} explanation={evaluations?.[environment]} rules={live.rules} />
        {isEdited && check.problems.length > 0 && (
          <p className="warning">{t('try.draftInvalid')}</p>
        )}
        {isEdited && check.problems.length === 0 && (
          <Result title={t('try.draft')} explanation={draft} rules={document.rules} />
        )}
        {evaluations !== undefined && (
          <Environments evaluations={evaluations} environments={overview.environments} />
        )}
        <Link to="/try" search={{ env: environment }}>
          {t('try.all', { environment })}
        </Link>
        {context !== undefined && (
          <details>
            <summary>{t('try.code')}</summary>
            <SnippetView
              url={url}
              environment={environment}
              document={live}
              context={context}
              explain
            />
          </details>
        )}
      </div>
    </section>
  );
};

type ResultProps = {
  readonly title: string;
  /** Undefined until the server has responded. */
  readonly explanation: Explanation | undefined;
  readonly rules: readonly Rule[];
};

const Result = ({ title, explanation, rules }: ResultProps) => {
  const id = useId();
  return (
    <section className="result" aria-labelledby={id} aria-busy={explanation === undefined}>
      <h3 id={id}>{title}</h3>
      {explanation == null ? (
        <p className="hint">{explanation === undefined ? t('app.loading') : '–'}</p>
      ) : (
        <>
          <div role="status">
            <ResultValue explanation={explanation} />
          </div>
          <TraceTree trace={readTrace(explanation.trace, rules)} />
        </>
      )}
    </section>
  );
};

const INDENTATION = 2;

const ResultValue = ({ explanation }: { readonly explanation: NonNullable<Explanation> }) => (
  <dl className="result-value">
    <div>
      <dt>{t('try.value')}</dt>
      <dd>
        {'value' in explanation ? (
          <pre className="json" tabIndex={0}>
            {JSON.stringify(explanation.value, null, INDENTATION)}
          </pre>
        ) : (
          t('rule.codeDefault')
        )}
      </dd>
    </div>
    <div>
      <dt>{t('rule.variant')}</dt>
      <dd>
        <bdi>{'variant' in explanation ? explanation.variant : '–'}</bdi>
      </dd>
    </div>
    <div>
      <dt>{t('try.reason')}</dt>
      <dd>{explanation.reason}</dd>
    </div>
  </dl>
);

type EnvironmentsProps = {
  readonly evaluations: Readonly<Record<string, Explanation>>;
  readonly environments: readonly Environment[];
};

const Environments = ({ evaluations, environments }: EnvironmentsProps) => (
  <details className="all-environments">
    <summary>{t('try.environments')}</summary>
    <div className="table-scroller" tabIndex={0} role="region" aria-label={t('try.environments')}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('flags.environment')}</th>
            <th scope="col">{t('try.result')}</th>
            <th scope="col">{t('try.reason')}</th>
          </tr>
        </thead>
        <tbody>
          {environments.map(environment => (
            <tr key={environment.key}>
              <th scope="row">
                <EnvironmentName environment={environment} />
              </th>
              <td>
                <bdi>{describeResult(evaluations[environment.key] ?? null)}</bdi>
              </td>
              <td>{evaluations[environment.key]?.reason ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  </details>
);
