import type { Runtime, Values } from '@pennon/sync';
import { ageOf, isJsonObject } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';
import { hashOf } from './subject.ts';

/** The part of `localStorage` that the provider uses. */
export type ValueStorage = {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
  removeItem(name: string): void;
};

/** The values of one subject. The stored JSON document has a list of them, the latest first. */
export type PersistedValues = {
  /** The hash of the subject that the values were evaluated for, and of the headers of the requests. */
  readonly subject: string;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly values: Values<Evaluation>;
};

export type LoadedValues = {
  readonly values: Values<Evaluation>;
  /** Undefined if the clock has been set back since they were saved. */
  readonly ageMs: number | undefined;
};

/** Keeps the last values of some subjects across page loads, for each server, key and domain. */
export type Persistence = {
  /** Returns the stored values of this subject, unless they are too old. */
  load(subject: string): LoadedValues | undefined;
  save(subject: string, values: Values<Evaluation>): void;
};

type PersistenceOptions = {
  readonly url: string;
  readonly key: string;
  /** A gateway may choose an environment by them. */
  readonly headers: Readonly<Record<string, string>>;
  /** The domain of the provider. Each domain has its own context, and so its own values. */
  readonly domain: string | undefined;
  readonly storage: ValueStorage | undefined;
  readonly maxAgeMs: number;
  readonly runtime: Pick<Runtime, 'now'>;
};

/** How many subjects one document has. The page of a visitor who signs in and out has two. */
const MAX_SUBJECTS = 10;

/** The storage may be full, blocked or hold anything else. The provider then works without it. */
export const createPersistence = (options: PersistenceOptions): Persistence => {
  const { url, key, headers, domain, storage, maxAgeMs, runtime } = options;
  const slot = `pennon:${hashOf(JSON.stringify([url, key, domain]))}`;
  const suffix = hashOf(JSON.stringify(headers));

  /** Another page may have written since the last call. Unreadable values are like missing ones. */
  const read = (): PersistedValues[] => {
    try {
      const stored: unknown = JSON.parse(storage?.getItem(slot) ?? 'null');
      const subjects = isJsonObject(stored) ? stored['subjects'] : undefined;
      return Array.isArray(subjects) ? subjects.filter(isPersisted) : [];
    } catch {
      return [];
    }
  };
  const write = (subjects: readonly PersistedValues[]): boolean => {
    try {
      storage?.setItem(slot, JSON.stringify({ subjects }));
      return true;
    } catch {
      return false;
    }
  };

  return {
    load(subject) {
      const stored = read().find(each => each.subject === subject + suffix);
      if (stored === undefined) return undefined;
      const ageMs = ageOf(stored.at, runtime);
      // Values of an unknown age are too old, unless every age is allowed.
      return (ageMs ?? Infinity) <= maxAgeMs ? { values: stored.values, ageMs } : undefined;
    },
    save(subject, values) {
      const others = read().filter(each => each.subject !== subject + suffix);
      const latest = { subject: subject + suffix, at: runtime.now(), values };
      const subjects = [latest, ...others].slice(0, MAX_SUBJECTS);
      // If the storage is full, the oldest make room.
      while (!write(subjects) && subjects.length > 1) subjects.pop();
    },
  };
};

/** Checks the envelope only: unknown fields, and the fields of each evaluation, are up to the server. */
export const isValues = (value: unknown): value is Values<Evaluation> =>
  isJsonObject(value) &&
  typeof value['revision'] === 'number' &&
  isJsonObject(value['evaluations']) &&
  Object.values(value['evaluations']).every(isJsonObject);

const isPersisted = (value: unknown): value is PersistedValues =>
  isJsonObject(value) &&
  typeof value['subject'] === 'string' &&
  typeof value['at'] === 'number' &&
  isValues(value['values']);

/**
 * Returns `localStorage`, or undefined when there is none or the browser blocks it. Outside of a page it is not
 * even looked at: Node.js 26 prints a warning then.
 */
export const browserStorage = (): ValueStorage | undefined => {
  try {
    return typeof document === 'undefined' ? undefined : globalThis.localStorage;
  } catch {
    return undefined;
  }
};
