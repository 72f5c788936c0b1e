import type { Results, ResultsHealth, ResultsSeries } from './experiments.ts';

type Outcome = Results['metrics'][number]['comparisons'][number]['outcome'];

/** A relative interval at one look. Its numbers are null if there was too little data. */
export type IntervalPoint = {
  readonly time: number;
  readonly estimate: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly outcome: Outcome;
};

/** One metric and one treatment. */
export type ComparisonName = { readonly metric: string; readonly variant: string };

/** Returns the intervals of one comparison, oldest first. */
export const intervalsOf = (
  { points }: Pick<ResultsSeries, 'points'>,
  { metric, variant }: ComparisonName,
): IntervalPoint[] =>
  points.flatMap(({ at, metrics }) => {
    const found = metrics
      .find(each => each.metric === metric)
      ?.comparisons.find(each => each.variant === variant);
    if (found === undefined) return [];
    const { relative, relativeLower, relativeUpper, outcome } = found;
    const time = Date.parse(at);
    return [{ time, estimate: relative, lower: relativeLower, upper: relativeUpper, outcome }];
  });

const DAY_MS = 86_400_000;

/** A UTC day with its units by variant. */
export type UnitsOfDay = { readonly day: string; readonly time: number; readonly counts: number[] };

/** Returns the units of each UTC day, oldest first. Days without units are between them. */
export const unitsByDayOf = (
  byDay: ResultsHealth['units']['byDay'],
  variants: readonly string[],
): UnitsOfDay[] => {
  const days = Object.keys(byDay).toSorted();
  const [first = '', last = ''] = [days[0], days.at(-1)];
  const steps = days.length === 0 ? 0 : (Date.parse(last) - Date.parse(first)) / DAY_MS + 1;
  return Array.from({ length: steps }, (_, step) => {
    const time = Date.parse(first) + step * DAY_MS;
    const day = new Date(time).toISOString().slice(0, first.length);
    return { day, time, counts: variants.map(variant => byDay[day]?.[variant] ?? 0) };
  });
};
