import type { ApiOutputs } from '@pennon/client';

export type FlagUsage = ApiOutputs['usage']['get'];
export type UsageCount = FlagUsage['counts'][number];

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const STEP_MS = {
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
} as const satisfies Record<FlagUsage['resolution'], number>;

type PeriodSteps = { readonly resolution: FlagUsage['resolution']; readonly steps: number };

/** How far back usage is shown, and in how many steps. */
export const PERIODS = {
  '3h': { resolution: 'minute', steps: 180 },
  '24h': { resolution: 'hour', steps: 24 },
  '14d': { resolution: 'hour', steps: 336 },
  '90d': { resolution: 'day', steps: 90 },
} as const satisfies Record<string, PeriodSteps>;
export const PERIOD_NAMES = ['3h', '24h', '14d', '90d'] as const satisfies (keyof typeof PERIODS)[];
export type Period = (typeof PERIOD_NAMES)[number];

/** Returns the start of a period that ends now. Its last step is the current minute, hour or day. */
export const startOf = (period: Period, now: number): string => {
  const { resolution, steps } = PERIODS[period];
  return new Date(now - (steps - 1) * STEP_MS[resolution]).toISOString();
};

/** What counts are added up by. */
export const GROUPINGS = ['variant', 'reason'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** The counts of one variant or reason. */
export type Series = {
  /** The variant or the reason; null for the application's own default value, undefined for all that have no series. */
  readonly name: string | null | undefined;
  readonly total: number;
  /** One for each time. */
  readonly counts: readonly number[];
};

export type UsageSeries = {
  /** The start of each step, in milliseconds since 1970. */
  readonly times: readonly number[];
  /** The largest first. */
  readonly series: readonly Series[];
};

/** People can distinguish as many lines. */
const MAX_SERIES = 6;

/** Returns the counts over time, by variant or by reason. */
export const seriesOf = (usage: FlagUsage, grouping: Grouping): UsageSeries => {
  const times = timesOf(usage);
  const names = new Set(usage.counts.map(each => each[grouping]));
  const all = [...names]
    .map(name => {
      const own = usage.counts.filter(each => each[grouping] === name);
      return { name, total: sumOf(own), counts: countsAt(times, own) };
    })
    .toSorted((a, b) => b.total - a.total || String(a.name).localeCompare(String(b.name)));
  if (all.length <= MAX_SERIES) return { times, series: all };
  const rest = all.slice(MAX_SERIES - 1);
  return { times, series: [...all.slice(0, MAX_SERIES - 1), joined(rest)] };
};

const joined = (rest: readonly Series[]): Series => ({
  name: undefined,
  total: rest.reduce((sum, { total }) => sum + total, 0),
  counts: (rest[0]?.counts ?? []).map((_, index) =>
    rest.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0),
  ),
});

const timesOf = ({ from, until, resolution }: FlagUsage): readonly number[] => {
  const step = STEP_MS[resolution];
  const start = Date.parse(from);
  return Array.from({ length: (Date.parse(until) - start) / step }, (_, at) => start + at * step);
};

const sumOf = (counts: readonly UsageCount[]): number =>
  counts.reduce((sum, { count }) => sum + count, 0);

const countsAt = (times: readonly number[], counts: readonly UsageCount[]): readonly number[] => {
  const sums = new Map<number, number>();
  for (const { at, count } of counts) {
    const time = Date.parse(at);
    sums.set(time, (sums.get(time) ?? 0) + count);
  }
  return times.map(time => sums.get(time) ?? 0);
};
