import type { Evaluation } from '@pennon/schema';

/** How often something was evaluated. Whoever holds one counts by raising it: a bulk answer has many. */
export type Counter = { count: number };

/** The counter of one environment, flag and reason. `known` is false where there is no such flag. */
export type CounterOf = (
  environment: string,
  flagKey: string,
  reason: string,
  known: boolean,
) => Counter;

/** Whether an answer says that there is no such flag. */
export const isUnknown = (answer: Evaluation): boolean =>
  answer.reason === 'ERROR' && answer.errorCode === 'FLAG_NOT_FOUND';
