import type { Evaluation } from '@pennon/schema';

type Kept = { readonly flagKey: string; readonly answer: Evaluation; readonly at: number };

/** Answers of the server by flag and whole context. Of too many, the one that was asked for least lately goes. */
export type AnswerCache = {
  /** An answer that is no older than the time to live. */
  readonly fresh: (question: string) => Evaluation | undefined;
  /** An answer of any age, for when the server is away. */
  readonly any: (question: string) => Evaluation | undefined;
  keep(question: string, answer: Evaluation): void;
  /** Forgets the answers of these flags. */
  drop(flagKeys: readonly string[]): void;
};

export const createAnswerCache = (
  entries: number,
  ttlMs: number,
  now: () => number,
): AnswerCache => {
  /** Least lately asked for first, since a Map keeps the order in which keys came. */
  const kept = new Map<string, Kept>();

  const touch = (question: string): Kept | undefined => {
    const found = kept.get(question);
    if (found === undefined) return undefined;
    kept.delete(question);
    kept.set(question, found);
    return found;
  };

  return {
    fresh(question) {
      const found = touch(question);
      return found !== undefined && now() - found.at < ttlMs ? found.answer : undefined;
    },
    any: question => kept.get(question)?.answer,
    keep(question, answer) {
      kept.delete(question);
      kept.set(question, { flagKey: answer.flagKey, answer, at: now() });
      const [oldest] = kept.keys();
      if (kept.size > entries && oldest !== undefined) kept.delete(oldest);
    },
    drop(flagKeys) {
      const gone = new Set(flagKeys);
      for (const [question, { flagKey }] of kept) if (gone.has(flagKey)) kept.delete(question);
    },
  };
};
