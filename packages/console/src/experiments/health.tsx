import { useQuery } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';

import { Loaded, Section } from '../components/section.tsx';
import { formatNumber, formatTexts } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { UnitsByDay } from './charts.tsx';
import { healthOptions, type ResultsHealth } from './experiments.ts';
import { Fact } from './fact.tsx';
import { RatioBadge } from './ratio-badge.tsx';

type HealthSectionProps = {
  readonly environment: string;
  readonly experiment: string;
  readonly variants: readonly string[];
};

/** What happened to the events of the current run. */
export const HealthSection = ({ environment, experiment, variants }: HealthSectionProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const health = useQuery(healthOptions(api, environment, experiment));
  return (
    <Section title={t('health.title')}>
      <Loaded query={health}>
        {found => (
          <>
            <UnitsByDay health={found} variants={variants} />
            <Counts health={found} />
            <UnitsBySdk health={found} variants={variants} />
            <OfEnvironment health={found} />
          </>
        )}
      </Loaded>
    </Section>
  );
};

type HealthProps = { readonly health: ResultsHealth };

const COUNTS = [
  'exposures',
  'repeats',
  'late',
  'outside',
  'quarantined',
  'switchedLater',
  'withoutValue',
] as const;

const Counts = ({ health }: HealthProps) => (
  <dl className="facts">
    {COUNTS.map(name => (
      <Fact key={name} name={t(`health.${name}`)}>
        {formatNumber(health[name])}
      </Fact>
    ))}
    <Fact name={t('health.mismatched')}>{formatNumber(sumOf(health.mismatched))}</Fact>
    <Fact name={t('health.unverified')}>{formatNumber(sumOf(health.unverified))}</Fact>
    <Fact name={t('health.lag')}>{t('health.lagValue', { seconds: health.lagSeconds })}</Fact>
  </dl>
);

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

type BySdkProps = HealthProps & { readonly variants: readonly string[] };

/** The units that each SDK enrolled, and whether their numbers fit the weights. */
const UnitsBySdk = ({ health, variants }: BySdkProps) => {
  const { units, sampleRatio, mismatched, unverified } = health;
  const counted = [units.bySdk, mismatched, unverified].flatMap(counts => Object.keys(counts));
  const names = [...new Set(counted)].toSorted();
  if (names.length === 0) return null;
  return (
    <>
      <h3>{t('health.bySdk')}</h3>
      <div className="table-scroller" tabIndex={0} role="region" aria-label={t('health.bySdk')}>
        <table className="results">
          <thead>
            <tr>
              <th scope="col">{t('health.column.sdk')}</th>
              {variants.map(variant => (
                <th key={variant} scope="col">
                  <bdi>{variant}</bdi>
                </th>
              ))}
              <th scope="col">{t('health.column.ratio')}</th>
              <th scope="col">{t('health.column.mismatched')}</th>
              <th scope="col">{t('health.column.unverified')}</th>
            </tr>
          </thead>
          <tbody>
            {names.map(name => (
              <tr key={name}>
                <th scope="row">
                  <bdi>{name}</bdi>
                </th>
                {variants.map(variant => (
                  <td key={variant}>{formatNumber(units.bySdk[name]?.[variant] ?? 0)}</td>
                ))}
                <td>
                  <RatioBadge ratio={sampleRatio.bySdk[name]} />
                </td>
                <td>{formatNumber(mismatched[name] ?? 0)}</td>
                <td>{formatNumber(unverified[name] ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
};

/** What is counted for the environment only: refused events are not folded. */
const OfEnvironment = ({ health: { dropped, rejected, unknownEvents } }: HealthProps) => {
  const codes = Object.entries(rejected).map(([code, count]) => `${code}: ${formatNumber(count)}`);
  return (
    <>
      <h3>{t('health.ofEnvironment')}</h3>
      <dl className="facts">
        <Fact name={t('health.dropped')}>{t('health.droppedValue', dropped)}</Fact>
        <Fact name={t('health.rejected')}>{listOf(codes)}</Fact>
        <Fact name={t('health.unknownEvents')}>{listOf(unknownEvents)}</Fact>
      </dl>
    </>
  );
};

const listOf = (texts: readonly string[]): string =>
  texts.length === 0 ? t('health.none') : formatTexts(texts);

type HealthBannersProps = Omit<HealthSectionProps, 'variants'>;

/** What makes results doubtful, above them. */
export const HealthBanners = ({ environment, experiment }: HealthBannersProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const { data } = useQuery(healthOptions(api, environment, experiment));
  return (data === undefined ? [] : troublesOf(data)).map(text => (
    <p key={text} className="trouble" role="status">
      {text}
    </p>
  ));
};

const MINUTE_S = 60;

const troublesOf = (health: ResultsHealth): string[] => {
  const { sampleRatio, mismatched, dropped, lagSeconds } = health;
  const found = [
    ['sdks', unfitOf(sampleRatio.bySdk)],
    ['days', unfitOf(sampleRatio.byDay)],
    ['mismatched', Object.keys(mismatched)],
  ] as const;
  const minutes = Math.floor(lagSeconds / MINUTE_S);
  return [
    ...found
      .filter(([, names]) => names.length > 0)
      .map(([name, names]) => t(`health.trouble.${name}`, { names: formatTexts(names) })),
    ...(minutes > 0 ? [t('health.trouble.lag', { minutes })] : []),
    ...(dropped.exposures > 0 ? [t('health.trouble.dropped', { count: dropped.exposures })] : []),
  ];
};

const unfitOf = (ratios: ResultsHealth['sampleRatio']['bySdk']): string[] =>
  Object.keys(ratios).filter(name => ratios[name]?.mismatch === true);
