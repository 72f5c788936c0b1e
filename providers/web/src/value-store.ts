import type { FollowerStatus, Values } from '@pennon/sync';
import { changedNames, sameJson } from '@pennon/sync';

import type { Persistence } from './persistence.ts';
import type { Evaluation } from './resolution.ts';

/**
 * How current the values are. The sources `storage` and `bootstrap` mean that the server sent none yet; the
 * mode and source `flags`, that there is no server.
 */
export type Freshness = Omit<FollowerStatus, 'mode' | 'source'> & {
  readonly mode: FollowerStatus['mode'] | 'flags';
  readonly source: FollowerStatus['source'] | 'storage' | 'bootstrap' | 'flags';
};

/** Values, and how long ago the server sent or confirmed them, if that is known. */
export type KnownValues = { readonly data: Values<Evaluation>; readonly ageMs: number | undefined };

/** The current values and the subject that they belong to. A subject never gets the values of another one. */
export type ValueStore = {
  values(): Values<Evaluation> | undefined;
  /** Whether the values come from the storage. */
  isRestored(): boolean;
  /** Returns the values if they belong to this subject. */
  valuesOf(subject: string): KnownValues | undefined;
  /** Returns whether `restore` would find values of this subject. */
  has(subject: string): boolean;
  /** Stores the values that the page came with. */
  seed(subject: string, values: Values<Evaluation>): void;
  /**
   * Stores values that the server sent. Returns the keys of the flags that changed: `changed`, or if that is
   * undefined, all that differ from the previous values. A new version alone is not a change.
   */
  update(subject: string, values: Values<Evaluation>, changed: string[] | undefined): string[];
  /** Switches to the last known values of this subject. Returns whether there are any. */
  restore(subject: string): boolean;
  /** Records that the server confirmed the values `ageMs` ago. */
  touch(ageMs: number | undefined): void;
  freshness(status: FollowerStatus): Freshness;
};

type StoredValues = {
  readonly subject: string;
  readonly values: Values<Evaluation> | undefined;
  /** Undefined when the values came from the server. */
  readonly source?: 'storage' | 'bootstrap';
  /** When the server sent or confirmed them, by the monotonic clock. */
  currentAt: number | undefined;
};

export const createValueStore = (persistence: Persistence, monotonic: () => number): ValueStore => {
  let current: StoredValues | undefined;
  const currentAge = (): number | undefined =>
    current?.currentAt === undefined ? undefined : monotonic() - current.currentAt;

  return {
    values: () => current?.values,
    isRestored: () => current?.source === 'storage',
    has: subject =>
      (current?.subject === subject ? current : persistence.load(subject))?.values !== undefined,
    valuesOf: subject =>
      current?.values !== undefined && current.subject === subject
        ? { data: current.values, ageMs: currentAge() }
        : undefined,
    seed(subject, values) {
      // A cache may have kept the page for any time.
      current = { subject, values, source: 'bootstrap', currentAt: undefined };
    },
    update(subject, values, changed) {
      const previous = current?.values?.evaluations ?? {};
      const flagsChanged = (changed ?? changedNames(previous, values.evaluations)).filter(
        key => !isSameResult(previous[key], values.evaluations[key]),
      );
      current = { subject, values, currentAt: monotonic() };
      persistence.save(subject, values);
      return flagsChanged;
    },
    restore(subject) {
      if (current?.subject !== subject) {
        const { values, ageMs } = persistence.load(subject) ?? {};
        const currentAt = ageMs === undefined ? undefined : monotonic() - ageMs;
        current = { subject, values, source: 'storage', currentAt };
      }
      return current.values !== undefined;
    },
    touch(ageMs) {
      if (current !== undefined && ageMs !== undefined) current.currentAt = monotonic() - ageMs;
    },
    freshness(status) {
      if (current?.values === undefined || current.source === undefined) return status;
      const { source, values } = current;
      return { ...status, revision: values.revision, source, dataAgeMs: currentAge() };
    },
  };
};

/** The version grows with every edit of a flag, even with one of its description. */
const isSameResult = (a: Evaluation | undefined, b: Evaluation | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  sameJson({ ...a, version: undefined }, { ...b, version: undefined });
