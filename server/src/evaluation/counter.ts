import type { Evaluation, UsageReason } from '@pennon/schema';

import type { UsageSeries } from '../store/usage-store.ts';

/** How often a flag was evaluated with one reason. Callers raise it, which is cheap enough for bulk results. */
export type Counter = { count: number };

/** Returns the counter of an environment, flag and reason. `isKnown` is false if the flag does not exist. */
export type CounterOf = (
  environment: string,
  flagKey: string,
  reason: string,
  isKnown: boolean,
) => Counter;

/** Whether an evaluation failed because the flag does not exist. */
export const isNotFound = (evaluation: Evaluation): boolean =>
  evaluation.reason === 'ERROR' && evaluation.errorCode === 'FLAG_NOT_FOUND';

/** Counts the evaluations that this server makes for applications. */
export type UsageCounters = {
  /** Returns the counter of a flag, variant and reason. Callers keep it, so an evaluation costs one addition. */
  readonly counterOf: (environment: string, series: UsageSeries) => Counter;
  /** Notes a key that is not that of a flag. */
  readonly noteUnknown: (environment: string, key: string) => void;
};

/** Returns the series of a result of the engine. */
export const seriesOf = (result: {
  readonly flagKey: string;
  readonly reason: UsageReason;
  readonly variant?: string;
}): UsageSeries => ({
  flag: result.flagKey,
  variant: result.variant ?? null,
  reason: result.reason,
});
