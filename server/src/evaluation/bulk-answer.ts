import { createHash } from 'node:crypto';

import type { Evaluation } from '@pennon/schema';

import type { Counter, CounterOf } from './count.ts';
import { isUnknown } from './count.ts';

export type Evaluations = {
  revision: number;
  evaluations: Record<string, Evaluation>;
};

/** A bulk answer, ready to be sent: its JSON text and the strong entity tag of that text. */
export type BulkAnswer = {
  readonly body: string;
  readonly etag: string;
  /** The same as data. */
  readonly answer: Evaluations;
  /** One for each evaluation in it: each asking counts them all. */
  readonly counters: readonly Counter[];
};

const TAG_LENGTH = 27;

export const makeBulkAnswer = (
  environment: string,
  answer: Evaluations,
  counterOf: CounterOf,
): BulkAnswer => {
  const body = JSON.stringify(answer);
  return {
    body,
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, TAG_LENGTH)}"`,
    answer,
    counters: Object.values(answer.evaluations).map(each =>
      counterOf(environment, each.flagKey, each.reason, !isUnknown(each)),
    ),
  };
};
