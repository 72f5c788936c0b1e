import { createHash } from 'node:crypto';

import type { Evaluation } from '@pennon/schema';

import type { Counter, CounterOf } from './counter.ts';
import { isNotFound } from './counter.ts';

/** The evaluations of many flags for one context, by flag key. */
export type BulkEvaluationData = {
  revision: number;
  environment: string;
  evaluations: Record<string, Evaluation>;
};

/** A bulk evaluation that is ready to be sent. */
export type BulkEvaluation = {
  readonly data: BulkEvaluationData;
  /** `data` as JSON. */
  readonly json: string;
  /** The strong entity tag of `json`. */
  readonly etag: string;
  /** One for each evaluation. All are raised each time the bulk evaluation is served. */
  readonly counters: readonly Counter[];
};

const TAG_LENGTH = 27;

export const createBulkEvaluation = (
  data: BulkEvaluationData,
  counterOf: CounterOf,
): BulkEvaluation => {
  const json = JSON.stringify(data);
  return {
    data,
    json,
    etag: `"${createHash('sha256').update(json).digest('base64url').slice(0, TAG_LENGTH)}"`,
    counters: Object.values(data.evaluations).map(each =>
      counterOf(data.environment, each.flagKey, each.reason, !isNotFound(each)),
    ),
  };
};
