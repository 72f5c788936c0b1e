import type { Status, Values } from '@pennon/sync';
import { changedNames } from '@pennon/sync';

import type { Copy } from './persistence.ts';
import type { Evaluation } from './resolve.ts';

/** How current the values are, and why. `storage` and `bootstrap`: the server has not answered yet. */
export type Freshness = Omit<Status, 'source'> & {
  readonly source: Status['source'] | 'storage' | 'bootstrap';
};

/** The values that are known, whose they are, and since when. One subject never gets those of another. */
export type Known = {
  values(): Values<Evaluation> | undefined;
  /** The values of this subject, to go on from. */
  of(subject: string): { readonly data: Values<Evaluation>; readonly at: number } | undefined;
  /**
   * Stores values that the server sent and returns the keys of the flags that changed: `changed`, or all that
   * differ from the stored values if it is undefined.
   */
  learn(subject: string, values: Values<Evaluation>, changed: string[] | undefined): string[];
  /** What whoever rendered the page says. */
  bring(subject: string, values: Values<Evaluation>): void;
  /** Makes do with what was last known of this subject: answers whether anything was. */
  recall(subject: string): boolean;
  /** Of the values, as far as the follower of the moment does not know better. */
  freshness(status: Status): Freshness;
  /** The server said or showed so long ago that these are the values. */
  confirm(ageMs: number | undefined): void;
};

type State = {
  readonly owner: string;
  readonly values: Values<Evaluation> | undefined;
  /** Where from, if not from the server. */
  readonly from?: 'storage' | 'bootstrap';
  at: number;
};

export const createKnown = (copy: Copy, now: () => number): Known => {
  let state: State | undefined;

  return {
    values: () => state?.values,
    of: subject =>
      state?.values !== undefined && state.owner === subject
        ? { data: state.values, at: state.at }
        : undefined,
    learn(subject, values, changed) {
      const flagsChanged =
        changed ?? changedNames(state?.values?.evaluations ?? {}, values.evaluations);
      state = { owner: subject, values, at: now() };
      copy.write(subject, values);
      return flagsChanged;
    },
    bring(subject, values) {
      // What is kept of another subject goes, also where the server is away.
      copy.read(subject);
      state = { owner: subject, values, from: 'bootstrap', at: now() };
    },
    recall(subject) {
      if (state?.owner !== subject) {
        state = {
          owner: subject,
          values: undefined,
          at: 0,
          ...copy.read(subject),
          from: 'storage',
        };
      }
      return state.values !== undefined;
    },
    freshness(status) {
      if (state?.values === undefined || state.from === undefined) return status;
      const { from, at, values } = state;
      return { ...status, revision: values.revision, source: from, dataAgeMs: now() - at };
    },
    confirm(ageMs) {
      if (state !== undefined && ageMs !== undefined) state.at = now() - ageMs;
    },
  };
};
