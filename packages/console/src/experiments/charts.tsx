import { useQuery } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';
import { Suspense, useCallback, useMemo, useState, type ReactNode } from 'react';

import { SelectField } from '../components/field.tsx';
import { lazyPart } from '../components/part.tsx';
import { Loaded, Section } from '../components/section.tsx';
import { formatNumber, formatStep } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import {
  seriesOptions,
  type Results,
  type ResultsHealth,
  type ResultsSeries,
} from './experiments.ts';
import { signedPercentage } from './numbers.ts';
import { RatioBadge } from './ratio-badge.tsx';
import { intervalsOf, unitsByDayOf, type ComparisonName } from './series.ts';

const IntervalChart = lazyPart(async () => (await import('./interval-chart.tsx')).IntervalChart);
const UsageChart = lazyPart(async () => (await import('../flag/usage-chart.tsx')).UsageChart);

/** What a chart shows until its code is there. */
const ChartFrame = ({ children }: { readonly children: ReactNode }) => (
  <Suspense fallback={<div className="chart" />}>{children}</Suspense>
);

type IntervalsSectionProps = {
  readonly environment: string;
  readonly experiment: string;
  readonly results: Results;
};

/** The interval of each comparison over time. */
export const IntervalsSection = ({ environment, experiment, results }: IntervalsSectionProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const series = useQuery(seriesOptions(api, environment, experiment));
  const names = results.metrics.flatMap(({ metric, comparisons }) =>
    comparisons.map(({ variant }) => ({ metric, variant })),
  );
  const [chosen, setChosen] = useState(0);
  const name = names[chosen];
  if (name === undefined) return null;
  return (
    <Section title={t('series.title')} hint={t(`results.promise.${results.method}`)}>
      {names.length > 1 && (
        <SelectField
          name="comparison"
          label={t('series.comparison')}
          choices={names.map((each, index) => [String(index), `${each.metric} · ${each.variant}`])}
          onChange={value => setChosen(Number(value))}
        />
      )}
      <Loaded query={series}>
        {found => (
          <Intervals
            key={chosen}
            series={found}
            comparison={name}
            end={results.planned?.end}
            label={t('series.chart', name)}
          />
        )}
      </Loaded>
    </Section>
  );
};

type IntervalsProps = {
  readonly series: ResultsSeries;
  readonly comparison: ComparisonName;
  readonly end: string | undefined;
  readonly label: string;
};

const HOURLY_MS = 4 * 86_400_000;

const Intervals = ({ series, comparison: { metric, variant }, end, label }: IntervalsProps) => {
  const points = useMemo(() => intervalsOf(series, { metric, variant }), [series, metric, variant]);
  const known = points.filter(({ estimate }) => estimate !== null);
  const endMs = end === undefined ? undefined : Date.parse(end);
  const until = Math.max(points.at(-1)?.time ?? 0, endMs ?? 0);
  const form = until - (points[0]?.time ?? 0) < HOURLY_MS ? 'hour' : 'day';
  const format = useCallback((time: number) => formatStep(time, form), [form]);
  if (known.length < 2) return <p className="hint">{t('series.none')}</p>;
  return (
    <>
      <ChartFrame>
        <IntervalChart
          points={points}
          end={endMs}
          endText={t('series.end')}
          format={format}
          label={label}
        />
      </ChartFrame>
      <Table
        label={t('series.table')}
        columns={[t('series.time'), t('results.change'), t('series.bounds'), t('results.verdict')]}
        rows={known
          .toReversed()
          .map(({ time, estimate, lower, upper, outcome }) => [
            formatTime(new Date(time).toISOString()),
            signedPercentage(estimate),
            t('results.bounds', { lower: signedPercentage(lower), upper: signedPercentage(upper) }),
            t(`results.comparison.${outcome}`),
          ])}
      />
    </>
  );
};

type UnitsByDayProps = { readonly health: ResultsHealth; readonly variants: readonly string[] };

const dayText = (time: number): string => formatStep(time, 'day');
const NO_MARKS = [] as const;

/** How many units each variant got a day. */
export const UnitsByDay = ({ health, variants }: UnitsByDayProps) => {
  const { byDay } = health.units;
  const { days, times, series } = useMemo(() => {
    const found = unitsByDayOf(byDay, variants);
    return {
      days: found,
      times: found.map(({ time }) => time),
      series: variants.map((_, index) => ({
        counts: found.map(({ counts }) => counts[index] ?? 0),
      })),
    };
  }, [byDay, variants]);
  if (days.length === 0) return null;
  return (
    <>
      <h3>{t('units.title')}</h3>
      {days.length > 1 && (
        <>
          <ul className="legend">
            {variants.map(variant => (
              <li key={variant}>
                <span className="swatch" aria-hidden="true" />
                <bdi>{variant}</bdi>
              </li>
            ))}
          </ul>
          <ChartFrame>
            <UsageChart
              times={times}
              series={series}
              marks={NO_MARKS}
              format={dayText}
              isDaily
              label={t('units.chart')}
            />
          </ChartFrame>
        </>
      )}
      <Table
        label={t('units.table')}
        columns={[t('units.day'), ...variants, t('health.column.ratio')]}
        rows={days
          .toReversed()
          .map(({ day, time, counts }) => [
            dayText(time),
            ...counts.map(formatNumber),
            <RatioBadge key={day} ratio={health.sampleRatio.byDay[day]} />,
          ])}
      />
      <p className="hint">{t('usage.utc')}</p>
    </>
  );
};

type TableProps = {
  readonly label: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly ReactNode[])[];
};

/** All numbers of a chart. It has its rows only while it is open. */
const Table = ({ label, columns, rows }: TableProps) => {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
      <summary>{label}</summary>
      {isOpen && (
        <div className="table-scroller" tabIndex={0} role="region" aria-label={label}>
          <table>
            <thead>
              <tr>
                {columns.map((column, index) => (
                  <th key={index} scope="col">
                    <bdi>{column}</bdi>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(([first, ...others], row) => (
                <tr key={row}>
                  <th scope="row">{first}</th>
                  {others.map((value, index) => (
                    <td key={index}>{value}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
};
