import type { ResultsHealth, ResultsSeries } from '@pennon/schema';
import { LRUCache } from 'lru-cache';

import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { hashTag } from '../resources/entity-tag.ts';
import type { WithEtag } from '../resources/read.ts';
import type { RunDocument } from '../store/store.ts';
import type { Computed } from './analysis/results.ts';
import {
  compute,
  findRun,
  look,
  momentsOf,
  refOf,
  type ResultsKey,
  type ResultsServices,
} from './results.ts';
import { readRun, type StartedRun } from './run-documents.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The first days have a point an hour, because much changes there. */
const HOURLY_MS = 3 * DAY_MS;

/** The last days of longer runs. */
const MAX_POINTS = 400;

/** Events may be this late, so older points never change. */
const LATEST_EVENTS_MS = 25 * HOUR_MS;

type Point = ResultsSeries['points'][number];

/** Points that never change, by run and time, of all experiments together. */
export type PointCache = LRUCache<string, Point>;

const MAX_CACHED_NUMBERS = 1_000_000;

export const createPointCache = (): PointCache =>
  new LRUCache({ maxSize: MAX_CACHED_NUMBERS, sizeCalculation: sizeOf });

const NUMBERS_PER_COMPARISON = 8;

const sizeOf = ({ metrics }: Point): number =>
  1 + metrics.reduce((sum, each) => sum + each.comparisons.length * NUMBERS_PER_COMPARISON, 0);

/** Returns the intervals of the current run over time. The last point is the current look. */
export const readSeries = async (
  services: ResultsServices & { readonly pointCache: PointCache },
  caller: Caller,
  key: ResultsKey,
): Promise<WithEtag<ResultsSeries>> => {
  const started = await findRun(services, caller, key);
  const { experiment, run } = started;
  const points: Point[] = [];
  const recorded = await readRun(services, started);
  if (experiment.source === 'events')
    for (const at of timesOf(started, services.clock.now()))
      points.push(await pointAt(services, started, recorded, at));
  points.push(pointOf(await look(services, started)));
  const series = { experiment: experiment.key, run: run.id, points };
  return {
    ...series,
    etag: hashTag([run.id, points.map(({ units, metrics }) => [units, metrics])]),
  };
};

/** Returns the times before the current look: each hour of the first days, then each day. */
const timesOf = ({ run }: StartedRun, now: number): number[] => {
  const from = Date.parse(run.startedAt);
  const until = run.endedAt === undefined ? now : Math.min(now, Date.parse(run.endedAt));
  const hours = timesBetween(from, Math.min(until, from + HOURLY_MS), HOUR_MS);
  return [...hours, ...timesBetween(from + HOURLY_MS - DAY_MS, until, DAY_MS)].slice(-MAX_POINTS);
};

/** Returns the times after `from` and before `until`. */
const timesBetween = (from: number, until: number, stepMs: number): number[] => {
  const steps = Math.max(0, Math.ceil((until - from) / stepMs) - 1);
  return Array.from({ length: steps }, (_, step) => from + (step + 1) * stepMs);
};

const pointAt = async (
  services: ResultsServices & { readonly pointCache: PointCache },
  started: StartedRun,
  recorded: RunDocument,
  at: number,
): Promise<Point> => {
  const id = `${started.run.id} ${at}`;
  const known = services.pointCache.get(id);
  if (known !== undefined) return known;
  const results = await compute(services, started, { recorded, at, final: false });
  const point = { ...pointOf(results), at: formatInstant(at) };
  const time = services.clock.now();
  const isOld = at < time - LATEST_EVENTS_MS;
  if (isOld) services.pointCache.set(id, point);
  return point;
};

const pointOf = ({ asOf, variants, metrics }: Computed): Point => ({
  at: asOf,
  units: Object.fromEntries(variants.map(({ variant, units }) => [variant, units])),
  metrics: metrics.map(({ metric, comparisons }) => ({
    metric,
    comparisons: comparisons.map(
      ({ variant, difference, lower, upper, relative, relativeLower, relativeUpper, outcome }) => ({
        variant,
        difference,
        lower,
        upper,
        relative,
        relativeLower,
        relativeUpper,
        outcome,
      }),
    ),
  })),
});

/** Returns what happened to the events of the current run. */
export const readHealth = async (
  services: ResultsServices,
  caller: Caller,
  key: ResultsKey,
): Promise<ResultsHealth> => {
  const started = await findRun(services, caller, key);
  const { experiment, run, live } = started;
  const { momentsSource, clock } = services;
  const [{ moments, health }, environment] = await Promise.all([
    momentsSource.data(refOf(started), clock.now()),
    momentsSource.environmentHealth(live.replica.ledger),
  ]);
  const isExternal = experiment.source === 'external';
  const { units } = isExternal
    ? await momentsOf(services, started, await readRun(services, started), clock.now())
    : moments;
  return services.analyst.compute('health', {
    experiment: experiment.key,
    run: run.id,
    variants: run.variants,
    units,
    lagMs: environment.lagMs,
    health,
    environment,
  });
};
