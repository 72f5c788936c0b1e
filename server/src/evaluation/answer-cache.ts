import { LRUCache } from 'lru-cache';

import type { Clock } from '../clock.ts';
import type { BulkAnswer } from './bulk-answer.ts';

/**
 * Bulk answers of the last minute. The question holds the id of the flag set and the whole context, so
 * an answer can never be stale: the next change asks another question.
 */
export type AnswerCache = {
  answer(question: readonly unknown[], make: () => BulkAnswer): BulkAnswer;
  readonly size: () => number;
};

const KEPT_MS = 60_000;
const MOST_BYTES = 64 * 1_048_576;

/** `entries` answers at most, and 64 MiB of text; 0 keeps none. */
export const createAnswerCache = (entries: number, clock: Clock): AnswerCache => {
  if (entries === 0) return { answer: (_, make) => make(), size: () => 0 };
  const kept = new LRUCache<string, BulkAnswer>({
    max: entries,
    maxSize: MOST_BYTES,
    sizeCalculation: (answer, question) => 2 * (answer.body.length + question.length) + 1,
    ttl: KEPT_MS,
    ttlResolution: 0,
    perf: clock,
  });
  return {
    answer(question, make) {
      if (!isExact(question)) return make();
      const text = JSON.stringify(question);
      const known = kept.get(text);
      if (known !== undefined) return known;
      const made = make();
      kept.set(text, made);
      return made;
    },
    size: () => kept.size,
  };
};

/** Whether JSON text says all of a question: it writes 1e999, which is a number here, as null. */
const isExact = (value: unknown): boolean => {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isExact);
};
