import { useQuery } from '@tanstack/react-query';
import { Link, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, type ReactNode } from 'react';

import { hasRole } from '../api/sessions.ts';
import { EnvironmentTabs } from '../components/environment-tabs.tsx';
import { Loaded } from '../components/section.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { shownEnvironment } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';

/** The pages of experiments, each of them in one environment. */
const PAGES = ['/experiments', '/experiments/ramps', '/experiments/metrics'] as const;
export type ExperimentsPath = (typeof PAGES)[number];

const NAMES: Readonly<Record<ExperimentsPath, () => string>> = {
  '/experiments': () => t('experiments.title'),
  '/experiments/ramps': () => t('ramps.title'),
  '/experiments/metrics': () => t('metrics.title'),
};

const EXACT = { exact: true };

export type InEnvironment = {
  readonly environment: string;
  /** Why the session may not change what the page shows. Undefined if it may. */
  readonly reason: string | undefined;
};

type FrameProps = {
  readonly path: ExperimentsPath;
  readonly children: (place: InEnvironment) => ReactNode;
};

/** What the pages of experiments have in common: their titles, and the environment that they show. */
export const ExperimentsFrame = ({ path, children }: FrameProps) => {
  const { api, session } = useRouteContext({ from: '/signed-in' });
  const { env } = useSearch({ strict: false });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${NAMES[path]()} · Pennon`;
  }, [path]);
  return (
    <div className="wide-page">
      <h1>{t('experiments.title')}</h1>
      <nav className="environments" aria-label={t('experiments.title')}>
        {PAGES.map(page => (
          <Link
            key={page}
            to={page}
            search={{ env }}
            className="tab"
            activeOptions={EXACT}
            aria-current={page === path ? 'page' : undefined}
          >
            {NAMES[page]()}
          </Link>
        ))}
      </nav>
      <Loaded query={overview}>
        {({ environments }) => {
          const shown = shownEnvironment(environments, env);
          if (shown === undefined) return <p>{t('environments.none')}</p>;
          const environment = shown.key;
          const reason = hasRole(session, 'editor', environment)
            ? undefined
            : t('cell.needsEditor', { environment });
          return (
            <>
              <EnvironmentTabs environments={environments}>
                {({ key }, name) => (
                  <Link
                    key={key}
                    to={path}
                    search={{ env: key }}
                    className="tab"
                    activeOptions={EXACT}
                    aria-current={key === environment ? 'page' : undefined}
                  >
                    {name}
                  </Link>
                )}
              </EnvironmentTabs>
              {children({ environment, reason })}
            </>
          );
        }}
      </Loaded>
    </div>
  );
};
