import { useQuery } from '@tanstack/react-query';
import { Link, useParams, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';

import { useNow } from '../app/use-now.ts';
import { Loaded, Section } from '../components/section.tsx';
import { Fact } from '../experiments/fact.tsx';
import { GuardrailList } from '../experiments/guardrail-list.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { mainEnvironment } from '../flags/overview.ts';
import { formatNumber, formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { RampActions } from './ramp-actions.tsx';
import { RampHistory } from './ramp-history.tsx';
import { RampBadge } from './ramp-state.tsx';
import {
  isAtWork,
  isCompared,
  rampOptions,
  shareAt,
  type RampResponse,
  type RampStatus,
} from './ramps.ts';
import { Reason } from './reason.tsx';
import { StepLine } from './step-line.tsx';
import { formatTimeLeft } from './time-left.ts';
import { serverNow, useRampStatus } from './use-ramp-status.ts';
import { Waits } from './waits.tsx';

const FROM = '/signed-in/experiments/ramps/$key';

/** One ramp: how far it is, what its next step waits for, and what was done. */
export const RampPage = () => {
  const { api } = useRouteContext({ from: FROM });
  const { key } = useParams({ from: FROM });
  const { env } = useSearch({ from: FROM });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${key} · ${t('ramps.title')} · Pennon`;
  }, [key]);
  return (
    <div className="wide-page">
      <Loaded query={overview}>
        {({ environments }) => {
          const environment = env ?? mainEnvironment(environments)?.key;
          if (environment === undefined) return <p>{t('environments.none')}</p>;
          return <LoadedRamp key={`${environment} ${key}`} environment={environment} name={key} />;
        }}
      </Loaded>
    </div>
  );
};

type LoadedRampProps = { readonly environment: string; readonly name: string };

const LoadedRamp = ({ environment, name }: LoadedRampProps) => {
  const { api } = useRouteContext({ from: FROM });
  const ramp = useQuery(rampOptions(api, environment, name));
  return (
    <>
      <header className="section">
        <Link to="/experiments/ramps" search={{ env: environment }}>
          {t('ramps.in', { environment })}
        </Link>
        <div className="section-header">
          <h1>
            <bdi>{name}</bdi>
          </h1>
          {ramp.data !== undefined && <RampBadge state={ramp.data.state} />}
        </div>
      </header>
      <Loaded query={ramp}>
        {response => (
          <>
            {response.description != null && (
              <p className="hypothesis">
                <bdi>{response.description}</bdi>
              </p>
            )}
            <RampActions environment={environment} ramp={response} />
            <Progress environment={environment} ramp={response} />
            <Design environment={environment} ramp={response} />
            <RampHistory environment={environment} ramp={response} />
          </>
        )}
      </Loaded>
    </>
  );
};

type RampProps = { readonly environment: string; readonly ramp: RampResponse };

const TICK_MS = 5_000;

const Progress = ({ environment, ramp }: RampProps) => (
  <Section title={t('ramps.progress')}>
    <p className={`verdict ${ramp.state}`} role="status">
      {describeProgress(ramp)}
    </p>
    {ramp.reason !== undefined && <Reason reason={ramp.reason} ramp={ramp} />}
    <StepLine ramp={ramp} />
    {isAtWork(ramp) && <AtWork environment={environment} ramp={ramp} />}
    {(ramp.noted ?? []).map(reason => (
      <Reason key={`${reason.at} ${reason.text}`} reason={reason} ramp={ramp} />
    ))}
  </Section>
);

const describeProgress = (ramp: RampResponse): string => {
  const { state, step, steps, treatment: variant, flag } = ramp;
  switch (state) {
    case 'draft':
      return t('ramps.about.draft', { flag });
    case 'completed':
      return t('ramps.about.completed', { variant });
    case 'rolledBack':
      return t('ramps.about.rolledBack', { step, count: steps.length });
    case 'running':
    case 'paused':
      return t('ramps.position', {
        step,
        count: steps.length,
        share: shareAt(ramp, step),
        variant,
      });
  }
};

/** What the server sees of a ramp that decides about its rule. */
const AtWork = ({ environment, ramp }: RampProps) => {
  const { api } = useRouteContext({ from: FROM });
  const status = useRampStatus(api, environment, ramp.key);
  useNow(TICK_MS);
  return (
    <Loaded query={status}>
      {found => (
        <>
          <h3>{t('ramps.waits', { share: shareAt(ramp, ramp.step + 1) })}</h3>
          {found.waiting.length === 0 ? (
            <p>{t('ramps.due')}</p>
          ) : (
            <Waits ramp={ramp} status={found} now={serverNow(status)} />
          )}
          {found.compared !== null && <Compared ramp={ramp} compared={found.compared} />}
        </>
      )}
    </Loaded>
  );
};

type ComparedProps = {
  readonly ramp: RampResponse;
  readonly compared: NonNullable<RampStatus['compared']>;
};

/** The guardrails with their evidence, and the units that it is from. */
const Compared = ({ ramp, compared }: ComparedProps) => {
  const { guardrails, units, matureUnits, mismatch, lagSeconds } = compared;
  const toleranceOf = (metric: string) =>
    ramp.guardrails.find(each => each.metric === metric)?.tolerance;
  const arms = [
    ['treatment', ramp.treatment],
    ['control', ramp.control ?? ''],
  ] as const;
  return (
    <>
      <h3>{t('results.guardrails')}</h3>
      <GuardrailList
        guardrails={guardrails.map(each => ({ ...each, tolerance: toleranceOf(each.metric) }))}
      />
      <p className="hint">{t('ramps.promise', { alpha: formatPercentage(ramp.alpha) })}</p>
      <h3>{t('results.units')}</h3>
      <div className="table-scroller" tabIndex={0} role="region" aria-label={t('results.units')}>
        <table className="results">
          <thead>
            <tr>
              <th scope="col">{t('results.variant')}</th>
              <th scope="col">{t('ramps.exposed')}</th>
              <th scope="col">{t('ramps.mature')}</th>
            </tr>
          </thead>
          <tbody>
            {arms.map(([arm, variant]) => (
              <tr key={arm}>
                <th scope="row">
                  <bdi>{variant}</bdi> <span className="hint">{t(`results.role.${arm}`)}</span>
                </th>
                <td>{formatNumber(units[arm])}</td>
                <td>{formatNumber(matureUnits[arm])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className={mismatch ? 'error' : 'hint'}>
        {mismatch
          ? t('ramps.mismatch', { action: t(`experiments.onHarm.${ramp.onMismatch}`) })
          : t('ramps.noMismatch', { seconds: lagSeconds })}
      </p>
    </>
  );
};

const MINUTE_MS = 60_000;

/** What is released, and what guards it. A ramp at work fixes it. */
const Design = ({ environment, ramp }: RampProps) => {
  const { flag, rule, treatment, control, run, owner } = ramp;
  return (
    <Section title={t('experiments.design')}>
      <dl className="facts">
        <Fact name={t('experiments.flag')}>
          <Link to="/flags/$key" params={{ key: flag }} search={{ env: environment }}>
            <bdi>{flag}</bdi>
          </Link>
        </Fact>
        <Fact name={t('experiments.rule')}>{rule}</Fact>
        <Fact name={t('ramps.treatment')}>{treatment}</Fact>
        {isCompared(ramp) && (
          <>
            <Fact name={t('experiments.control')}>{control}</Fact>
            <Fact name={t('ramps.alpha')}>{formatPercentage(ramp.alpha)}</Fact>
            <Fact name={t('ramps.minUnits')}>{formatNumber(ramp.minUnits)}</Fact>
            <Fact name={t('ramps.onMismatch')}>{t(`experiments.onHarm.${ramp.onMismatch}`)}</Fact>
            <Fact name={t('ramps.staleAfter')}>
              {formatTimeLeft(ramp.staleAfterMinutes * MINUTE_MS)}
            </Fact>
            {ramp.guardrails.map(({ metric, tolerance, onHarm }) => (
              <Fact key={metric} name={t('experiments.role.guardrail')}>
                {metric} · {t('experiments.tolerated', { share: formatPercentage(tolerance ?? 0) })}{' '}
                · {t(`experiments.onHarm.${onHarm ?? 'rollback'}`)}
              </Fact>
            ))}
          </>
        )}
        {run !== undefined && (
          <Fact name={t('experiments.started')}>{formatTime(run.startedAt)}</Fact>
        )}
        {run?.endedAt !== undefined && (
          <Fact name={t('experiments.ended')}>{formatTime(run.endedAt)}</Fact>
        )}
        {owner != null && <Fact name={t('field.owner')}>{owner}</Fact>}
      </dl>
    </Section>
  );
};
