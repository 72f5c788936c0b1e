import { keepPreviousData, queryOptions, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Suspense, useCallback, useMemo, useState } from 'react';

import type { Api } from '../api/api.ts';
import { describeError } from '../app/pages.tsx';
import { lazyPart } from '../components/part.tsx';
import { formatTime, t } from '../i18n/i18n.ts';
import { formatNumber, formatPercentage, formatStep, type StepForm } from '../i18n/format.ts';
import { versionsOptions } from './flag-query.ts';
import type { Mark } from './usage-chart.tsx';
import {
  GROUPINGS,
  PERIOD_NAMES,
  PERIODS,
  seriesOf,
  startOf,
  type FlagUsage,
  type Grouping,
  type Period,
  type Series,
  type UsageSeries,
} from './usage.ts';

const UsageChart = lazyPart(async () => (await import('./usage-chart.tsx')).UsageChart);

/** Servers store counts as often. */
const REFRESH_MS = 10_000;

type UsageTabProps = {
  readonly api: Api;
  readonly environment: string;
  readonly flag: string;
  /** The current version, whose changes are marks in the chart. */
  readonly version: number;
};

const usageOptions = ({ procedures }: Api, { environment, flag }: UsageTabProps, period: Period) =>
  queryOptions({
    queryKey: ['usage', environment, flag, period] as const,
    queryFn: () =>
      procedures.usage.get.query({
        environment,
        flag,
        resolution: PERIODS[period].resolution,
        from: startOf(period, Date.now()),
      }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });

/** How often applications got which variant of the flag, and why. */
export const UsageTab = (props: UsageTabProps) => {
  const [period, setPeriod] = useState<Period>('24h');
  const [grouping, setGrouping] = useState<Grouping>('variant');
  const { data, error } = useQuery(usageOptions(props.api, props, period));
  return (
    <section className="tab-body usage">
      <h2 className="sr-only">{t('flag.tab.usage')}</h2>
      <div className="usage-bar">
        <Choices
          label={t('usage.period')}
          choices={PERIOD_NAMES}
          current={period}
          nameOf={each => t(`usage.period.${each}`)}
          onChange={setPeriod}
        />
        <Choices
          label={t('usage.grouping')}
          choices={GROUPINGS}
          current={grouping}
          nameOf={each => t(`usage.grouping.${each}`)}
          onChange={setGrouping}
        />
      </div>
      <p className="error" role="alert">
        {error !== null && describeError(error)}
      </p>
      {data === undefined ? (
        error === null && <p role="status">{t('app.loading')}</p>
      ) : (
        <Usage {...props} usage={data} grouping={grouping} />
      )}
    </section>
  );
};

type ChoicesProps<Choice extends string> = {
  readonly label: string;
  readonly choices: readonly Choice[];
  readonly current: Choice;
  readonly nameOf: (choice: Choice) => string;
  readonly onChange: (choice: Choice) => void;
};

const Choices = <Choice extends string>(props: ChoicesProps<Choice>) => (
  <div className="segments" role="group" aria-label={props.label}>
    {props.choices.map(choice => (
      <button
        key={choice}
        type="button"
        className="button"
        aria-pressed={choice === props.current}
        onClick={() => props.onChange(choice)}
      >
        {props.nameOf(choice)}
      </button>
    ))}
  </div>
);

type UsageProps = UsageTabProps & { readonly usage: FlagUsage; readonly grouping: Grouping };

const Usage = ({ usage, grouping, ...props }: UsageProps) => {
  const { total, lastEvaluated } = usage;
  const series = useMemo(() => seriesOf(usage, grouping), [usage, grouping]);
  const marks = useMarks(props, usage);
  const [point, setPoint] = useState<number>();
  const form = STEP_FORMS[usage.resolution];
  const format = useCallback((time: number) => formatStep(time, form), [form]);
  return (
    <>
      <p role="status">
        <strong>{t('usage.total', { count: total })}</strong>{' '}
        <span className="hint">
          {lastEvaluated === null
            ? t('usage.never')
            : t('usage.last', { time: formatTime(lastEvaluated) })}
        </span>
      </p>
      {total === 0 ? (
        <p className="hint">{t('usage.none')}</p>
      ) : (
        <div className="usage-result">
          <Suspense fallback={<div className="chart" />}>
            <UsageChart
              {...series}
              marks={marks}
              format={format}
              isDaily={usage.resolution === 'day'}
              label={t('usage.chart', { count: total })}
              onPoint={setPoint}
            />
          </Suspense>
          <Totals {...series} point={point} grouping={grouping} format={format} />
        </div>
      )}
      {usage.resolution === 'day' && <p className="hint">{t('usage.utc')}</p>}
      {marks.length > 0 && <Marks {...props} marks={marks} />}
      {total > 0 && <AllCounts {...series} format={format} />}
    </>
  );
};

const STEP_FORMS = {
  minute: 'time',
  hour: 'hour',
  day: 'day',
} as const satisfies Record<FlagUsage['resolution'], StepForm>;

/** Returns the changes of the flag within a time, newest first. Each has the number of its version. */
const useMarks = (
  { api, environment, flag, version }: UsageTabProps,
  { from, until }: FlagUsage,
): readonly Mark[] => {
  const { data } = useInfiniteQuery(versionsOptions(api, { environment, key: flag, version }));
  return useMemo(
    () =>
      (data?.pages ?? [])
        .flatMap(({ items }) => items)
        .filter(({ at }) => at >= from && at < until)
        .map(({ at, version: number }) => ({ at: Date.parse(at), number })),
    [data, from, until],
  );
};

const Marks = ({
  marks,
  flag,
  environment,
}: Pick<UsageTabProps, 'flag' | 'environment'> & { readonly marks: readonly Mark[] }) => (
  <section className="usage-changes" aria-labelledby="usage-changes">
    <h3 id="usage-changes">{t('usage.changes')}</h3>
    <ul>
      {marks.slice(0, MAX_LISTED_MARKS).map(({ at, number }) => (
        <li key={number}>
          <strong>{t('history.version', { version: number })}</strong>{' '}
          <span className="hint">{formatTime(new Date(at).toISOString())}</span>
        </li>
      ))}
    </ul>
    <Link to="/flags/$key" params={{ key: flag }} search={{ env: environment, tab: 'history' }}>
      {t('flag.tab.history')}
    </Link>
  </section>
);

const MAX_LISTED_MARKS = 10;

const nameOf = ({ name }: Series): string => {
  if (name === undefined) return t('usage.others');
  return name ?? t('rule.codeDefault');
};

type TableProps = UsageSeries & { readonly grouping: Grouping };

/** The counts of the whole time, or of the time below the pointer. */
const Totals = ({
  times,
  series,
  grouping,
  point,
  format,
}: TableProps & {
  readonly point: number | undefined;
  readonly format: (time: number) => string;
}) => {
  const time = point === undefined ? undefined : times[point];
  const countOf = ({ total, counts }: Series): number =>
    point === undefined || time === undefined ? total : (counts[point] ?? 0);
  const all = series.reduce((sum, each) => sum + countOf(each), 0);
  return (
    <table className="usage-totals">
      <caption>{time === undefined ? t('usage.whole') : format(time)}</caption>
      <thead>
        <tr>
          <th scope="col">{t(`usage.grouping.${grouping}`)}</th>
          <th scope="col">{t('usage.count')}</th>
          <th scope="col">{t('usage.share')}</th>
        </tr>
      </thead>
      <tbody>
        {series.map(each => (
          <tr key={String(each.name)}>
            <th scope="row">
              <span className="swatch" aria-hidden="true" />
              <bdi>{nameOf(each)}</bdi>
            </th>
            <td>{formatNumber(countOf(each))}</td>
            <td>{all === 0 ? '–' : formatPercentage(countOf(each) / all)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
};

/** All numbers of the chart, newest first. The table has its rows only while it is open. */
const AllCounts = ({
  times,
  series,
  format,
}: UsageSeries & { readonly format: (time: number) => string }) => {
  const [isOpen, setIsOpen] = useState(false);
  const steps = times
    .map((time, index) => ({ time, counts: series.map(({ counts }) => counts[index] ?? 0) }))
    .filter(({ counts }) => counts.some(count => count > 0))
    .toReversed();
  return (
    <details onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
      <summary>{t('usage.table')}</summary>
      {isOpen && (
        <div className="table-scroller" tabIndex={0} role="region" aria-label={t('usage.table')}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('usage.time')}</th>
                {series.map(each => (
                  <th key={String(each.name)} scope="col">
                    <bdi>{nameOf(each)}</bdi>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {steps.map(({ time, counts }) => (
                <tr key={time}>
                  <th scope="row">{format(time)}</th>
                  {counts.map((count, index) => (
                    <td key={String(series[index]?.name)}>{formatNumber(count)}</td>
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
