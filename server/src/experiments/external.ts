import type {
  ErrorDetail,
  Experiment,
  ExternalMoments,
  ExternalStatistics,
  Metric,
  Results,
} from '@pennon/schema';
import { didYouMean, isLive } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import { entityTag } from '../resources/entity-tag.ts';
import type { WithEtag } from '../resources/read.ts';
import type { DatedStatistics } from '../store/store.ts';
import { findRun, look, type ResultsKey, type ResultsServices } from './results.ts';
import { changeRunDocument, type StartedRun } from './run-documents.ts';

/** Stores moments that were computed elsewhere, and returns the results of them. */
export const putStatistics = async (
  services: ResultsServices,
  caller: Caller,
  { environment, key, ...sent }: ResultsKey & ExternalStatistics,
): Promise<WithEtag<Results>> => {
  const started = await findRun(services, caller, { environment, key });
  requireExternal(started.experiment);
  const statistics = { ...sent, asOf: sent.asOf ?? formatInstant(services.clock.now()) };
  const problems = problemsOf(started, statistics, services.clock.now());
  if (problems.length > 0) throw invalid(problems);
  await changeRunDocument(services, started, current => {
    if (current.final !== undefined) throw isFinal(started.experiment);
    const isOlder =
      current.statistics !== undefined &&
      Date.parse(current.statistics.asOf) > Date.parse(statistics.asOf);
    if (isOlder) throw invalid([{ path: 'asOf', message: 'is before that of the current data' }]);
    return { ...current, statistics };
  });
  const results = await look(services, started);
  return { ...results, etag: entityTag(results.id) };
};

const requireExternal = (experiment: Experiment): void => {
  const { key, source, state } = experiment;
  if (source !== 'external')
    throw new PennonError(
      'CONFLICT',
      `experiment "${key}" has the source "events": set its "source" to "external" before it starts`,
    );
  if (!isLive(experiment) && state !== 'ended') throw isFinal(experiment);
};

const isFinal = ({ key }: Experiment): PennonError =>
  new PennonError('CONFLICT', `the results of experiment "${key}" are final`);

const problemsOf = (
  started: StartedRun,
  statistics: DatedStatistics,
  now: number,
): ErrorDetail[] => [
  ...timeProblems(started, statistics, now),
  ...unitProblems(started, statistics),
  ...metricProblems(started, statistics),
];

const timeProblems = (
  { experiment, run }: StartedRun,
  { asOf }: DatedStatistics,
  now: number,
): ErrorDetail[] => {
  const at = Date.parse(asOf);
  if (at < Date.parse(run.startedAt) || at > now)
    return [{ path: 'asOf', message: `must be between the start, ${run.startedAt}, and now` }];
  const { plan, state } = experiment;
  return state === 'ended' && plan != null && at < Date.parse(plan.end)
    ? [{ path: 'asOf', message: `must be at least the planned end, ${plan.end}` }]
    : [];
};

const unitProblems = (started: StartedRun, statistics: ExternalStatistics): ErrorDetail[] => {
  const { units, quarantined = {} } = statistics;
  return [
    ...variantProblems(started, units, 'units'),
    ...variantProblems(started, quarantined, 'quarantined'),
    ...Object.entries(quarantined)
      .filter(([variant, count]) => count > (units[variant] ?? 0))
      .map(([variant]) => ({ path: `quarantined.${variant}`, message: 'is more than its units' })),
  ];
};

const variantProblems = (
  { run }: StartedRun,
  byVariant: Readonly<Record<string, unknown>>,
  path: string,
): ErrorDetail[] => {
  const names = run.variants.map(({ variant }) => variant);
  return Object.keys(byVariant)
    .filter(name => !names.includes(name))
    .map(name => ({
      path: `${path}.${name}`,
      message: `is not a variant of the experiment${didYouMean(name, names)}`,
    }));
};

const metricProblems = (started: StartedRun, statistics: ExternalStatistics): ErrorDetail[] => {
  const { live, experiment } = started;
  const names = experiment.metrics.map(({ metric }) => metric);
  const { metrics } = live.replica.current().records;
  return Object.entries(statistics.metrics).flatMap(([name, byVariant]) => {
    const path = `metrics.${name}`;
    const metric = names.includes(name) ? metrics.get(name)?.document : undefined;
    if (metric === undefined)
      return [{ path, message: `is not a metric of the experiment${didYouMean(name, names)}` }];
    return [
      ...variantProblems(started, byVariant, path),
      ...Object.entries(byVariant).flatMap(([variant, { mature, soFar }]) => {
        const at = `${path}.${variant}`;
        const counted = statistics.units[variant] ?? 0;
        return [
          ...momentProblems(metric, mature, `${at}.mature`),
          ...(mature.n > counted
            ? [{ path: `${at}.mature.n`, message: `is more than the units, ${counted}` }]
            : []),
          ...(metric.kind === 'conversion' ? soFarProblems(mature, soFar, counted, at) : []),
        ];
      }),
    ];
  });
};

/** A unit that has converted counts so far, its window over or not. */
const soFarProblems = (
  { sum = 0 }: ExternalMoments,
  soFar: number | null | undefined,
  counted: number,
  at: string,
): ErrorDetail[] => {
  const path = `${at}.soFar`;
  if (soFar == null) return [{ path, message: 'is missing: the units that converted so far' }];
  if (soFar >= sum && soFar <= counted) return [];
  return [{ path, message: `must be from the "sum" of the mature units to the units, ${counted}` }];
};

const RATIO = [
  'sumNumerator',
  'sumDenominator',
  'sumSquaresNumerator',
  'sumSquaresDenominator',
  'sumProducts',
] as const;
const MEAN = ['sum', 'sumSquares'] as const;
const COVARIATE = ['sumCovariate', 'sumSquaresCovariate', 'sumProductsCovariate'] as const;

const SQUARES = [
  ['sum', 'sumSquares'],
  ['sumNumerator', 'sumSquaresNumerator'],
  ['sumDenominator', 'sumSquaresDenominator'],
  ['sumCovariate', 'sumSquaresCovariate'],
] as const;
/** Sums are rounded. */
const ROUNDING = 1e-9;

/** No units have such sums, so they were computed wrongly. */
const squareProblems = (moments: ExternalMoments, path: string): ErrorDetail[] =>
  SQUARES.filter(([name, ofSquares]) => {
    const { n, [name]: sum = 0, [ofSquares]: squares = 0 } = moments;
    return n === 0 ? sum !== 0 || squares !== 0 : (sum / n) * sum > squares * (1 + ROUNDING);
  }).map(([name, ofSquares]) => ({
    path: `${path}.${ofSquares}`,
    message: `must be at least the square of "${name}" divided by "n"; all are 0 without units`,
  }));

/** Each kind of metric has its moments. A covariate is sent with all of its sums, or not at all. */
const momentProblems = (
  { kind }: Metric,
  moments: ExternalMoments,
  path: string,
): ErrorDetail[] => {
  const [needed, refused] =
    kind === 'ratio' ? [RATIO, [...MEAN, ...COVARIATE, 'nonZero' as const]] : [MEAN, RATIO];
  const hasCovariate = COVARIATE.some(name => moments[name] !== undefined);
  const all = [...needed, ...(kind !== 'ratio' && hasCovariate ? COVARIATE : [])];
  const { n, sum = 0, sumSquares = 0 } = moments;
  const isComplete = all.every(name => moments[name] !== undefined);
  return [
    ...(kind !== 'conversion' && isComplete ? squareProblems(moments, path) : []),
    ...all
      .filter(name => moments[name] === undefined)
      .map(name => ({ path: `${path}.${name}`, message: `is missing: a ${kind} needs it` })),
    ...refused
      .filter(name => moments[name] !== undefined)
      .map(name => ({ path: `${path}.${name}`, message: `is not for a ${kind}` })),
    ...((moments.nonZero ?? 0) > n
      ? [{ path: `${path}.nonZero`, message: 'must be at most "n"' }]
      : []),
    ...(kind === 'conversion' && (sum !== sumSquares || sum < 0 || sum > n)
      ? [{ path: `${path}.sum`, message: 'of a conversion must be "sumSquares", from 0 to "n"' }]
      : []),
  ];
};
