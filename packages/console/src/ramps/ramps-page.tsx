import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useRouteContext } from '@tanstack/react-router';
import { useState } from 'react';

import { useNow } from '../app/use-now.ts';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { ExperimentsFrame, type InEnvironment } from '../experiments/experiments-frame.tsx';
import { formatTexts } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { RampDialog } from './ramp-dialog.tsx';
import { RampBadge } from './ramp-state.tsx';
import {
  holdEndOf,
  isAtWork,
  rampListOptions,
  shareAt,
  statusOptions,
  type Ramp,
  type RampState,
} from './ramps.ts';
import { formatTimeLeft } from './time-left.ts';
import { REFRESH_MS, serverNow } from './use-ramp-status.ts';
import { waitNames } from './waits.tsx';

/** The ramps of one environment. */
export const RampsPage = () => (
  <ExperimentsFrame path="/experiments/ramps">{place => <Ramps {...place} />}</ExperimentsFrame>
);

const Ramps = ({ environment, reason }: InEnvironment) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const navigate = useNavigate();
  const ramps = useQuery(rampListOptions(api, environment));
  const [isCreating, setIsCreating] = useState(false);
  return (
    <Section
      title={t('ramps.in', { environment })}
      hint={t('ramps.hint')}
      action={
        <ActionButton reason={reason} onClick={() => setIsCreating(true)}>
          {t('ramps.create')}
        </ActionButton>
      }
    >
      <Loaded query={ramps}>
        {all => (
          <ItemList items={all.toSorted(byState)} empty={t('ramps.none')}>
            {ramp => <RampItem key={ramp.key} environment={environment} ramp={ramp} />}
          </ItemList>
        )}
      </Loaded>
      <RampDialog
        environment={environment}
        isOpen={isCreating}
        onClose={() => setIsCreating(false)}
        onSaved={key =>
          void navigate({
            to: '/experiments/ramps/$key',
            params: { key },
            search: { env: environment },
          })
        }
      />
    </Section>
  );
};

/** Those that need attention come first. */
const ORDER: readonly RampState[] = ['paused', 'running', 'draft', 'rolledBack', 'completed'];

const byState = (a: Ramp, b: Ramp): number =>
  ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || (a.key < b.key ? -1 : 1);

type RampItemProps = { readonly environment: string; readonly ramp: Ramp };

const RampItem = ({ environment, ramp }: RampItemProps) => (
  <ListItem
    title={
      <Link
        to="/experiments/ramps/$key"
        params={{ key: ramp.key }}
        search={{ env: environment }}
        className="flag-key"
      >
        <bdi>{ramp.key}</bdi>
      </Link>
    }
    about={[t('experiments.target', { flag: ramp.flag, rule: ramp.rule }), describeState(ramp)]}
    below={isAtWork(ramp) && <Attention environment={environment} ramp={ramp} />}
  >
    <RampBadge state={ramp.state} />
  </ListItem>
);

/** Returns how far a ramp is, and how it is guarded. */
const describeState = (ramp: Ramp): string => {
  const { state, step, steps, guardrails, treatment } = ramp;
  const count = steps.length;
  const position = isAtWork(ramp)
    ? t('ramps.position', {
        step,
        count,
        share: shareAt(ramp, step),
        variant: treatment,
      })
    : state === 'completed'
      ? t('ramps.allGet', { variant: treatment })
      : t('ramps.stepCount', { count });
  const guarded =
    guardrails.length === 0
      ? t('ramps.unguarded')
      : t('ramps.guarded', { metrics: formatTexts(guardrails.map(({ metric }) => metric)) });
  return `${position} · ${guarded}`;
};

const MINUTE_MS = 60_000;

/** What the next step waits for, and which guardrails are harmed. */
const Attention = ({ environment, ramp }: RampItemProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  useNow(MINUTE_MS);
  const query = useQuery({
    ...statusOptions(api, environment, ramp.key),
    refetchInterval: REFRESH_MS,
  });
  const { data: status } = query;
  if (status === undefined) return null;
  const now = serverNow(query);
  const left = (holdEndOf(ramp) ?? now) - now;
  const harmed = (status.compared?.guardrails ?? []).filter(each => each.status === 'harming');
  const isDue = status.state === 'running' && status.waiting.length === 0;
  return (
    <div className="attention">
      {harmed.map(({ metric }) => (
        <span key={metric} className="badge harming">
          {t('ramps.harmed', { metric })}
        </span>
      ))}
      {ramp.state === 'running' && left > 0 && (
        <span className="hint">{t('ramps.nextIn', { time: formatTimeLeft(left) })}</span>
      )}
      <span className="hint">{isDue ? t('ramps.due') : waitNames(status)}</span>
    </div>
  );
};
