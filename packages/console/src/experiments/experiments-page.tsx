import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useRouteContext } from '@tanstack/react-router';
import { useState } from 'react';

import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { ExperimentDialog } from './experiment-dialog.tsx';
import { StateBadge } from './experiment-state.tsx';
import { ExperimentsFrame, type InEnvironment } from './experiments-frame.tsx';
import {
  experimentListOptions,
  resultsOptions,
  type Experiment,
  type ExperimentState,
} from './experiments.ts';
import { recommendationText } from './recommendation.ts';

/** The experiments of one environment. */
export const ExperimentsPage = () => (
  <ExperimentsFrame path="/experiments">{place => <Experiments {...place} />}</ExperimentsFrame>
);

const Experiments = ({ environment, reason }: InEnvironment) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const navigate = useNavigate();
  const experiments = useQuery(experimentListOptions(api, environment));
  const [isCreating, setIsCreating] = useState(false);
  return (
    <Section
      title={t('experiments.in', { environment })}
      hint={t('experiments.hint')}
      action={
        <ActionButton reason={reason} onClick={() => setIsCreating(true)}>
          {t('experiments.create')}
        </ActionButton>
      }
    >
      <Loaded query={experiments}>
        {all => (
          <ItemList items={listed(all)} empty={t('experiments.none')}>
            {({ experiment, hasResults }) => (
              <ListItem
                key={experiment.key}
                title={
                  <Link
                    to="/experiments/key/$key"
                    params={{ key: experiment.key }}
                    search={{ env: environment }}
                    className="flag-key"
                  >
                    <bdi>{experiment.key}</bdi>
                  </Link>
                }
                about={[experiment.hypothesis, describeRun(experiment)]}
                below={hasResults && <Outcome environment={environment} name={experiment.key} />}
              >
                <StateBadge state={experiment.state} />
              </ListItem>
            )}
          </ItemList>
        )}
      </Loaded>
      <ExperimentDialog
        environment={environment}
        isOpen={isCreating}
        onClose={() => setIsCreating(false)}
        onSaved={key =>
          void navigate({
            to: '/experiments/key/$key',
            params: { key },
            search: { env: environment },
          })
        }
      />
    </Section>
  );
};

/** Those that need attention come first. */
const ORDER: readonly ExperimentState[] = ['running', 'settling', 'draft', 'stopped', 'ended'];

const byState = (a: Experiment, b: Experiment): number =>
  ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || (a.key < b.key ? -1 : 1);

/** So many experiments are listed with their results, which cost the server some work. */
const MAX_WITH_RESULTS = 40;

type Listed = { readonly experiment: Experiment; readonly hasResults: boolean };

const listed = (all: readonly Experiment[]): Listed[] => {
  const sorted = all.toSorted(byState);
  const open = sorted.filter(({ run, decision }) => run !== undefined && decision === undefined);
  const shown = new Set(open.slice(0, MAX_WITH_RESULTS));
  return sorted.map(experiment => ({ experiment, hasResults: shown.has(experiment) }));
};

/** Results in a list are read again each minute. */
const LIST_REFRESH_MS = 60_000;

type OutcomeProps = { readonly environment: string; readonly name: string };

/** How far the run of an experiment is, and what to do about it. */
const Outcome = ({ environment, name }: OutcomeProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const { data } = useQuery({
    ...resultsOptions(api, environment, name),
    refetchInterval: LIST_REFRESH_MS,
  });
  if (data === undefined) return null;
  const { planned, recommendation } = data;
  return (
    <div className="outcome">
      {planned !== null && (
        <>
          <progress max={1} value={planned.progress} aria-label={t('experiments.progress')} />
          <span className="hint">
            {t('results.progress', { share: formatPercentage(planned.progress) })}
          </span>
        </>
      )}
      <span className={`outcome-text ${recommendation.outcome}`}>{recommendationText(data)}</span>
    </div>
  );
};

/** Returns what is measured, and how far it is. */
const describeRun = ({ flag, rule, state, run, plan, decision }: Experiment): string => {
  const target = t('experiments.target', { flag, rule });
  if (decision !== undefined)
    return `${target} · ${
      decision.variant === null
        ? t('experiments.removed')
        : t('experiments.decided', { variant: decision.variant })
    }`;
  if (run === undefined) return target;
  if (state === 'running' && plan != null)
    return `${target} · ${t('experiments.until', { time: formatTime(plan.end) })}`;
  return `${target} · ${t('experiments.since', { time: formatTime(run.startedAt) })}`;
};
