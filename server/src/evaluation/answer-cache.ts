import { createHash } from 'node:crypto';

import type { Evaluation } from '@pennon/schema';
import { LRUCache } from 'lru-cache';

import type { Clock } from '../clock.ts';

/** A bulk answer, ready to be sent: its JSON text and the strong entity tag of that text. */
export type BulkAnswer = {
  readonly body: string;
  readonly etag: string;
  /** The same as data. */
  readonly answer: () => Evaluations;
  /** Flag key, reason and whether there is such a flag: what is counted for each asking. */
  readonly tally: readonly (readonly [string, string, boolean])[];
};

export type Evaluations = {
  revision: number;
  evaluations: Record<string, Evaluation>;
};

/**
 * Bulk answers of the last minute. The question holds the id of the flag set and the whole context, so
 * an answer can never be stale: the next change asks another question.
 */
export type AnswerCache = {
  answer(question: readonly unknown[], evaluations: () => Evaluations): BulkAnswer;
  readonly size: () => number;
};

const KEPT_MS = 60_000;
const MOST_BYTES = 64 * 1_048_576;

/** `entries` answers at most, and 64 MiB of text; 0 keeps none. */
export const createAnswerCache = (entries: number, clock: Clock): AnswerCache => {
  if (entries === 0)
    return { answer: (_, evaluations) => makeAnswer(evaluations()), size: () => 0 };
  const kept = new LRUCache<string, BulkAnswer>({
    max: entries,
    maxSize: MOST_BYTES,
    sizeCalculation: (answer, question) => 2 * (answer.body.length + question.length) + 1,
    ttl: KEPT_MS,
    ttlResolution: 0,
    perf: clock,
  });
  return {
    answer(question, evaluations) {
      const text = JSON.stringify(question);
      const known = kept.get(text);
      if (known !== undefined) return known;
      const made = makeAnswer(evaluations());
      kept.set(text, made);
      return made;
    },
    size: () => kept.size,
  };
};

const makeAnswer = ({ revision, evaluations }: Evaluations): BulkAnswer => {
  const body = JSON.stringify({ revision, evaluations });
  return {
    body,
    answer: () => ({ revision, evaluations }),
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`,
    tally: Object.values(evaluations).map(answer => [
      answer.flagKey,
      answer.reason,
      !(answer.reason === 'ERROR' && answer.errorCode === 'FLAG_NOT_FOUND'),
    ]),
  };
};
