import type { Values } from '@pennon/sync';

import type { Evaluation } from './resolve.ts';

/** The part of `localStorage` that is used. */
export type Keeper = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export type Kept = {
  readonly subject: string;
  readonly at: number;
  readonly values: Values<Evaluation>;
};

/** The values that were last known, and when, of one subject: another subject's are removed, never answered. */
export type Copy = {
  /** Undefined where there are none of this subject. */
  read(subject: string): Kept | undefined;
  write(subject: string, values: Values<Evaluation>): void;
};

export type CopyOptions = {
  readonly url: string;
  readonly key: string;
  readonly keeper: Keeper | undefined;
  readonly maxAgeMs: number;
  readonly now: () => number;
};

/** A keeper may be full, forbidden or hold what others wrote there: then there is no copy. */
export const createCopy = ({ url, key, keeper, maxAgeMs, now }: CopyOptions): Copy => {
  // The end of a key tells keys apart, and is of no use to anybody.
  const slot = `pennon:${url}:${key.slice(-8)}`;

  const read = (subject: string): Kept | undefined => {
    try {
      const kept: unknown = JSON.parse(keeper?.getItem(slot) ?? 'null');
      if (isKept(kept) && kept.subject === subject && now() - kept.at <= maxAgeMs) return kept;
      keeper?.removeItem(slot);
    } catch {
      // There is no copy.
    }
    return undefined;
  };

  return {
    read,
    write(subject, values) {
      try {
        keeper?.setItem(slot, JSON.stringify({ subject, at: now(), values } satisfies Kept));
      } catch {
        // What is known stays known in memory; what is kept must not stay another subject's.
        read(subject);
      }
    },
  };
};

/** Whether it could have come from the server, which says what is inside an evaluation. */
export const isValues = (value: unknown): value is Values<Evaluation> => {
  const { revision, evaluations } = (value ?? {}) as Partial<Values<Evaluation>>;
  return typeof revision === 'number' && typeof evaluations === 'object' && evaluations !== null;
};

/** Whether it could have been written here. */
const isKept = (value: unknown): value is Kept => {
  const { at, values } = (value ?? {}) as Partial<Kept>;
  return typeof at === 'number' && isValues(values);
};

/** The browser's own, where it has one and lets the page use it. */
export const localKeeper = (): Keeper | undefined => {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
};
