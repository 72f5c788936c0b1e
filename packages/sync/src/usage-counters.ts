/** What an application got for a flag: a result of the engine, or a resolution of OpenFeature. */
export type Outcome = {
  readonly reason?: string | undefined;
  /** Omitted if the application used its own default value. */
  readonly variant?: string | undefined;
  readonly errorCode?: string | undefined;
};

/** How often an application got a variant of a flag, or its own default value, for a reason. */
export type UsageCount = readonly [
  flagKey: string,
  variant: string | null,
  reason: string,
  count: number,
];

/** A count, or a key that is not that of a flag. */
export type UsageEntry = UsageCount | string;

/** Evaluations that are added up until they are taken. */
export type UsageCounters = {
  /** Adds an evaluation. Allocates nothing if the flag has had the same outcome since the last report. */
  readonly count: (flagKey: string, outcome: Outcome) => void;
  readonly isEmpty: () => boolean;
  /** Returns what was counted since the last call. What exceeds `maxCount` in one count remains for the next call. */
  readonly take: (maxCount: number) => readonly UsageEntry[];
};

type Counter = {
  readonly variant: string | undefined;
  readonly reason: string | undefined;
  count: number;
};

/** The most outcomes and unknown keys that are kept. Any others are not counted. */
const MAX_COUNTERS = 10_000;
const MAX_UNKNOWN = 1_000;

/** Those that the server knows. Values that a newer server evaluated may have others. */
const REASON = /^(STATIC|DEFAULT|TARGETING_MATCH|SPLIT|CACHED|DISABLED|STALE|ERROR)$/;

/** Whether a server would accept the text. A character may be two units. */
const isName = (text: unknown): boolean => typeof text === 'string' && /^[^]{1,100}$/u.test(text);

const NONE: readonly Counter[] = [];

/** `onFirst` is called when there is something to take, and was nothing before. */
export const createUsageCounters = (onFirst: () => void): UsageCounters => {
  const flags = new Map<string, Counter[]>();
  const unknown = new Set<string>();
  let size = 0;

  const isEmpty = () => size + unknown.size === 0;

  const add = (flagKey: string, { variant, reason }: Outcome) => {
    const isValid = isName(flagKey) && (variant === undefined || isName(variant));
    if (!isValid || size === MAX_COUNTERS) return;
    if (isEmpty()) onFirst();
    size += 1;
    flags.set(flagKey, [...(flags.get(flagKey) ?? NONE), { variant, reason, count: 1 }]);
  };

  const addUnknown = (flagKey: string) => {
    if (unknown.has(flagKey) || unknown.size === MAX_UNKNOWN || !isName(flagKey)) return;
    if (isEmpty()) onFirst();
    unknown.add(flagKey);
  };

  return {
    count(flagKey, outcome) {
      const { variant, reason } = outcome;
      if (reason === 'ERROR' && outcome.errorCode === 'FLAG_NOT_FOUND') return addUnknown(flagKey);
      for (const counter of flags.get(flagKey) ?? NONE)
        if (counter.variant === variant && counter.reason === reason) {
          counter.count += 1;
          return;
        }
      add(flagKey, outcome);
    },
    isEmpty,
    take(maxCount) {
      const entries: UsageEntry[] = [...unknown];
      unknown.clear();
      size = 0;
      for (const [flagKey, counters] of flags) {
        for (const counter of counters) entries.push(takeFrom(counter, flagKey, maxCount));
        const rest = counters.filter(({ count }) => count > 0);
        size += rest.length;
        if (rest.length > 0) flags.set(flagKey, rest);
        else flags.delete(flagKey);
      }
      return entries;
    },
  };
};

const takeFrom = (counter: Counter, flagKey: string, maxCount: number): UsageCount => {
  const { variant = null, reason } = counter;
  const count = Math.min(counter.count, maxCount);
  counter.count -= count;
  return [flagKey, variant, REASON.test(reason ?? '') && reason ? reason : 'UNKNOWN', count];
};
