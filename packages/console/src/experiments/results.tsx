import { useQuery } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';
import { useMemo } from 'react';

import { Loaded, Section } from '../components/section.tsx';
import { formatNumber, formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { IntervalsSection } from './charts.tsx';
import { resultsOptions, type Results } from './experiments.ts';
import { GuardrailList } from './guardrail-list.tsx';
import { HealthBanners, HealthSection } from './health.tsx';
import { shortNumber, signedPercentage } from './numbers.ts';
import { reasonText, warningText } from './recommendation.ts';

type MetricResults = Results['metrics'][number];
type Comparison = MetricResults['comparisons'][number];

type ResultsSectionsProps = {
  readonly environment: string;
  readonly experiment: string;
  /** Whether the results are those of events, which have a health. */
  readonly hasEvents: boolean;
};

/** What is known of the current run: its results, their intervals over time, and the health of its events. */
export const ResultsSections = ({ environment, experiment, hasEvents }: ResultsSectionsProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const results = useQuery(resultsOptions(api, environment, experiment));
  const arms = results.data?.variants;
  const variants = useMemo(() => (arms ?? []).map(({ variant }) => variant), [arms]);
  return (
    <>
      <Section title={t('results.title')}>
        {hasEvents && <HealthBanners environment={environment} experiment={experiment} />}
        <Loaded query={results}>{found => <Shown results={found} />}</Loaded>
      </Section>
      {results.data !== undefined && (
        <IntervalsSection
          environment={environment}
          experiment={experiment}
          results={results.data}
        />
      )}
      {hasEvents && (
        <HealthSection environment={environment} experiment={experiment} variants={variants} />
      )}
    </>
  );
};

const Shown = ({ results }: { readonly results: Results }) => {
  const { recommendation, planned, asOf, lagSeconds, metrics, guardrails, warnings } = results;
  const isTrusted = recommendation.outcome !== 'doNotTrust';
  return (
    <>
      <p className={`verdict ${recommendation.outcome}`} role="status">
        <strong>{t(`results.outcome.${recommendation.outcome}`)}</strong> {reasonText(results)}
      </p>
      {warnings.map(warning => (
        <p key={warning.code} className="warning">
          <bdi>{warningText(results, warning)}</bdi>
        </p>
      ))}
      <p className="hint">
        {[
          t('results.asOf', { time: formatTime(asOf), lag: lagSeconds }),
          planned !== null && t('results.progress', { share: formatPercentage(planned.progress) }),
          t('results.id', { id: results.id }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <Units results={results} />
      <div className={isTrusted ? undefined : 'untrusted'}>
        {!isTrusted && <p className="badge worse">{t('results.untrusted')}</p>}
        <Comparisons metrics={metrics} />
      </div>
      {guardrails.length > 0 && (
        <>
          <h3>{t('results.guardrails')}</h3>
          <GuardrailList guardrails={guardrails} />
        </>
      )}
    </>
  );
};

/** The units of each variant, and whether their numbers fit the weights. */
const Units = ({ results: { variants, sampleRatio } }: { readonly results: Results }) => {
  const weights = variants.reduce((sum, { weight }) => sum + weight, 0);
  return (
    <div className="table-scroller" tabIndex={0} role="region" aria-label={t('results.units')}>
      <table className="results">
        <thead>
          <tr>
            <th scope="col">{t('results.variant')}</th>
            <th scope="col">{t('results.units')}</th>
            <th scope="col">{t('results.planned')}</th>
            <th scope="col">{t('results.quarantined')}</th>
          </tr>
        </thead>
        <tbody>
          {variants.map(({ variant, role, weight, units, quarantined }) => (
            <tr key={variant}>
              <th scope="row">
                <bdi>{variant}</bdi> <span className="hint">{t(`results.role.${role}`)}</span>
              </th>
              <td>{formatNumber(units)}</td>
              <td>{formatPercentage(weight / weights)}</td>
              <td>{formatNumber(quarantined)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={sampleRatio.mismatch ? 'error' : 'hint'}>
        {t(sampleRatio.mismatch ? 'results.mismatch' : 'results.noMismatch')}
      </p>
    </div>
  );
};

/** All bars have one scale, which the widest interval sets. */
const scaleOf = (metrics: readonly MetricResults[]): number => {
  const bounds = metrics
    .flatMap(({ comparisons }) => comparisons)
    .flatMap(({ relativeLower, relativeUpper, relative }) => [
      relativeLower ?? 0,
      relativeUpper ?? 0,
      relative ?? 0,
    ])
    .map(Math.abs);
  return Math.max(SMALLEST_SCALE, ...bounds);
};
const SMALLEST_SCALE = 0.01;

const Comparisons = ({ metrics }: { readonly metrics: readonly MetricResults[] }) => {
  const scale = scaleOf(metrics);
  return (
    <div className="table-scroller" tabIndex={0} role="region" aria-label={t('results.metrics')}>
      <table className="results comparisons">
        <thead>
          <tr>
            <th scope="col">{t('results.metric')}</th>
            <th scope="col">{t('results.variant')}</th>
            <th scope="col">{t('results.control')}</th>
            <th scope="col">{t('results.treatment')}</th>
            <th scope="col">{t('results.change')}</th>
            <th scope="col">{t('results.interval', { scale: formatPercentage(scale) })}</th>
            <th scope="col">{t('results.verdict')}</th>
          </tr>
        </thead>
        <tbody>
          {metrics.flatMap(metric =>
            metric.comparisons.map(comparison => (
              <ComparisonRow
                key={`${metric.metric} ${comparison.variant}`}
                metric={metric}
                comparison={comparison}
                scale={scale}
              />
            )),
          )}
        </tbody>
      </table>
    </div>
  );
};

type ComparisonRowProps = {
  readonly metric: MetricResults;
  readonly comparison: Comparison;
  readonly scale: number;
};

const ComparisonRow = ({ metric, comparison, scale }: ComparisonRowProps) => {
  const { variant, control, treatment, relative, outcome, reason, decidedAt } = comparison;
  return (
    <tr>
      <th scope="row">
        <bdi>{metric.metric}</bdi>{' '}
        <span className="hint">{t(`experiments.role.${metric.role}`)}</span>
      </th>
      <td data-name={t('results.variant')}>
        <bdi>{variant}</bdi>
      </td>
      <td data-name={t('results.control')}>{shortNumber(control.mean)}</td>
      <td data-name={t('results.treatment')}>{shortNumber(treatment.mean)}</td>
      <td data-name={t('results.change')}>{signedPercentage(relative)}</td>
      <td
        data-name={t('results.interval', { scale: formatPercentage(scale) })}
        className="interval-cell"
      >
        <Interval comparison={comparison} scale={scale} />
      </td>
      <td data-name={t('results.verdict')} className="verdict-cell">
        <span className={`badge ${outcome}`}>{t(`results.comparison.${outcome}`)}</span>
        {reason !== null && <p className="hint">{t(`results.reason.${reason}`)}</p>}
        {decidedAt !== null && (
          <p className="hint">{t('results.decidedAt', { time: formatTime(decidedAt) })}</p>
        )}
      </td>
    </tr>
  );
};

const BAR_WIDTH = 100;

/** The relative interval as a bar, with its bounds in words below it. */
const Interval = ({ comparison, scale }: Omit<ComparisonRowProps, 'metric'>) => {
  const { relative, relativeLower, relativeUpper, outcome } = comparison;
  if (relative === null || relativeLower === null || relativeUpper === null) return '–';
  const x = (share: number): number => (share / scale) * BAR_WIDTH;
  const text = t('results.bounds', {
    lower: signedPercentage(relativeLower),
    upper: signedPercentage(relativeUpper),
  });
  return (
    <>
      <svg className={`interval ${outcome}`} viewBox="-104 -8 208 16" role="img" aria-label={text}>
        <path className="zero" d="M0 -8V8" />
        <path d={`M${x(relativeLower)} 0H${x(relativeUpper)}`} />
        <circle cx={x(relative)} cy="0" r="4" />
      </svg>
      <span className="hint">{text}</span>
    </>
  );
};
