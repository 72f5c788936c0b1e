import { createHash } from 'node:crypto';

import type { Evaluation } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { type Audience, versionFor } from './audience.ts';
import type { Counter, CounterOf } from './counter.ts';
import { isNotFound } from './counter.ts';
import { resultText, versionOf, withVersion } from './result-text.ts';

/** A bulk evaluation that is ready to be sent. */
export type BulkEvaluation = {
  /** The revision, the environment and the evaluations by flag key, as JSON in UTF-8. */
  readonly body: Buffer;
  /** The strong entity tag of `body`. */
  readonly etag: string;
  /** One for each evaluation. All are raised each time the bulk evaluation is served. */
  readonly counters: readonly Counter[];
};

const TAG_LENGTH = 27;

/** Joins the texts of the results. The tag is made from their hashes, which is faster than hashing the body. */
export const createBulkEvaluation = (
  view: FlagSetView,
  audience: Audience,
  evaluations: readonly Evaluation[],
  counterOf: CounterOf,
): BulkEvaluation => {
  const { environment } = view.flagSet;
  const { revision } = versionFor(view, audience);
  const head = `{"revision":${revision},"environment":${JSON.stringify(environment)},"evaluations":{`;
  const members: string[] = [];
  let digests = head;
  for (const evaluation of evaluations) {
    const { open, quotedKey, digest } = resultText(evaluation);
    const version = versionOf(view, evaluation);
    members.push(`${quotedKey}:${withVersion(open, version)}}`);
    digests += `${digest}${version ?? ''}`;
  }
  return {
    body: Buffer.from(`${head}${members.join(',')}}}`),
    etag: `"${createHash('sha256').update(digests).digest('base64url').slice(0, TAG_LENGTH)}"`,
    counters: evaluations.map(each =>
      counterOf(environment, each.flagKey, each.reason, !isNotFound(each)),
    ),
  };
};
