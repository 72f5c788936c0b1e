import type { Counter, UsageCounters } from '../evaluation/counter.ts';
import type { UsageSeries } from '../store/usage-store.ts';
import { MAX_UNKNOWN_A_DAY } from '../store/usage-store.ts';

/** What was counted in one environment. */
export type Counted = {
  readonly environment: string;
  readonly counts: readonly (UsageSeries & { readonly count: number })[];
  readonly unknown: readonly string[];
};

type ByEnvironment = {
  readonly counters: Map<string, Counter & { readonly series: UsageSeries }>;
  readonly unknown: Set<string>;
};

/** Keys that no flag can have are not noted. */
const MAX_KEY_LENGTH = 100;

/** Creates counters, and a function that returns what they have counted and sets them to 0. */
export const createUsageCounters = (): UsageCounters & {
  readonly take: (hasFlag: (environment: string, flag: string) => boolean) => readonly Counted[];
} => {
  const environments = new Map<string, ByEnvironment>();
  const of = (environment: string): ByEnvironment => {
    const existing = environments.get(environment);
    if (existing !== undefined) return existing;
    const created: ByEnvironment = { counters: new Map(), unknown: new Set() };
    environments.set(environment, created);
    return created;
  };
  return {
    counterOf(environment, series) {
      const { counters } = of(environment);
      const name = nameOf(series);
      const existing = counters.get(name);
      if (existing !== undefined) return existing;
      const created = { series, count: 0 };
      counters.set(name, created);
      return created;
    },
    noteUnknown(environment, key) {
      const { unknown } = of(environment);
      if (key !== '' && key.length <= MAX_KEY_LENGTH && unknown.size < MAX_UNKNOWN_A_DAY)
        unknown.add(key);
    },
    take: hasFlag =>
      [...environments].map(([environment, { counters, unknown }]) => {
        const counts = [...counters].flatMap(([name, counter]) => {
          const { series, count } = counter;
          counter.count = 0;
          if (count === 0 && !hasFlag(environment, series.flag)) counters.delete(name);
          return count === 0 ? [] : [{ ...series, count }];
        });
        const keys = [...unknown];
        unknown.clear();
        return { environment, counts, unknown: keys };
      }),
  };
};

export const nameOf = ({ flag, variant, reason }: UsageSeries): string =>
  `${reason} ${flag}${variant === null ? '' : ` ${variant}`}`;
