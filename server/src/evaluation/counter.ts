import type { Evaluation } from '@pennon/schema';

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
