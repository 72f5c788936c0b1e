import type { Runtime, Values } from '@pennon/sync';
import { ageOf, isJsonObject } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';

/** The part of `localStorage` that the provider uses. */
export type ValueStorage = {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
  removeItem(name: string): void;
};

/** The stored JSON document. */
export type PersistedValues = {
  /** The subject that the values were evaluated for. */
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

/** Keeps the last values of one subject across page loads, for each server, key and domain. */
export type Persistence = {
  /** Returns the stored values if they are of this subject and not too old. Otherwise removes them. */
  load(subject: string): LoadedValues | undefined;
  save(subject: string, values: Values<Evaluation>): void;
};

type PersistenceOptions = {
  readonly url: string;
  readonly key: string;
  /** The domain of the provider. Each domain has its own context, and so its own values. */
  readonly domain: string | undefined;
  readonly storage: ValueStorage | undefined;
  readonly maxAgeMs: number;
  readonly runtime: Pick<Runtime, 'now'>;
};

/** The storage may be full, blocked or hold anything else. The provider then works without it. */
export const createPersistence = ({
  url,
  key,
  domain,
  storage,
  maxAgeMs,
  runtime,
}: PersistenceOptions): Persistence => {
  // The last characters distinguish keys, but cannot be used as a key.
  const slot = `pennon:${url}:${key.slice(-8)}${domain === undefined ? '' : `:${domain}`}`;

  /** Values of an unknown age are too old, unless every age is allowed. */
  const parse = (stored: unknown, subject: string): LoadedValues | undefined => {
    if (!isPersisted(stored) || stored.subject !== subject) return undefined;
    const ageMs = ageOf(stored.at, runtime);
    return (ageMs ?? Infinity) <= maxAgeMs ? { values: stored.values, ageMs } : undefined;
  };

  const load = (subject: string): LoadedValues | undefined => {
    try {
      const stored: unknown = JSON.parse(storage?.getItem(slot) ?? 'null');
      const loaded = parse(stored, subject);
      if (loaded !== undefined) return loaded;
      storage?.removeItem(slot);
    } catch {
      // Unreadable values are like missing ones.
    }
    return undefined;
  };

  return {
    load,
    save(subject, values) {
      try {
        const persisted: PersistedValues = { subject, at: runtime.now(), values };
        storage?.setItem(slot, JSON.stringify(persisted));
      } catch {
        // The values of another subject must not stay in the storage, even if new ones do not fit.
        load(subject);
      }
    },
  };
};

/** Checks the envelope only: unknown fields, and the fields of each evaluation, are up to the server. */
export const isValues = (value: unknown): value is Values<Evaluation> =>
  isJsonObject(value) &&
  typeof value['revision'] === 'number' &&
  isJsonObject(value['evaluations']);

const isPersisted = (value: unknown): value is PersistedValues =>
  isJsonObject(value) && typeof value['at'] === 'number' && isValues(value['values']);

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
