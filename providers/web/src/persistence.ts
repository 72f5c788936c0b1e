import type { Runtime, Values } from '@pennon/sync';
import { ageOf, isJsonObject } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';
import type { ServerOptions } from './shared-follower.ts';
import { listOf, objectOf, readJson, writeJson } from './storage.ts';
import type { ValueStorage } from './storage.ts';
import { hashOf } from './subject.ts';
import { MAX_SUBJECTS } from './limits.ts';

/** The values of one subject. The stored JSON document has a list of them, the latest first. */
type PersistedValues = {
  /** The hash of the subject that the values were evaluated for, and of the headers of the requests. */
  readonly subject: string;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly values: Values<Evaluation>;
};

/** Values, and how long ago the server sent or confirmed them. Undefined if the clock has been set back since. */
export type LoadedValues = readonly [values?: Values<Evaluation>, ageMs?: number | undefined];

/** Keeps the last values of some subjects across page loads, for each server, key and domain. */
export type Persistence = readonly [
  /** Returns the stored values of this subject, unless they are too old. */
  load: (subject: string) => LoadedValues,
  save: (subject: string, values: Values<Evaluation>) => void,
];

/**
 * The storage may be full, blocked or hold anything else. The provider then works without it. A gateway may choose an
 * environment by the headers. Each domain has its own context, and so its own values.
 */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const createPersistence = (
  { url, key, headers }: ServerOptions,
  domain: string | undefined,
  storage: ValueStorage | undefined,
  maxAgeMs: number,
  runtime: Runtime,
): Persistence => {
  const slot = `pennon:${hashOf(JSON.stringify([url, key, domain]))}`;
  const suffix = hashOf(JSON.stringify(headers));

  /** Returns the values of one subject, and of the others. Unreadable ones are like missing ones. */
  const read = (subject: string): [PersistedValues | undefined, PersistedValues[]] => {
    const all = listOf(objectOf(readJson(storage, slot))['subjects']).filter(isPersisted);
    const isOther = (each: PersistedValues) => each.subject !== subject + suffix;
    return [all.find(each => !isOther(each)), all.filter(isOther)];
  };
  return [
    subject => {
      const [stored] = read(subject);
      const ageMs = ageOf(stored?.at, runtime);
      // Values of an unknown age are too old, unless every age is allowed.
      return stored && (ageMs ?? Infinity) <= maxAgeMs ? [stored.values, ageMs] : [];
    },
    (subject, values) => {
      const latest = { subject: subject + suffix, at: runtime.now(), values };
      // Another page may have written since the last call.
      const subjects = [latest, ...read(subject)[1]].slice(0, MAX_SUBJECTS);
      // If the storage is full, the oldest make room.
      while (!writeJson(storage, slot, { subjects }) && subjects.length > 1) subjects.pop();
    },
  ];
};

/** Checks the envelope only: unknown fields, and the fields of each evaluation, are up to the server. */
export const isValues = (value: unknown): value is Values<Evaluation> =>
  isJsonObject(value) &&
  typeof value['revision'] === 'number' &&
  isJsonObject(value['evaluations']) &&
  Object.values(value['evaluations']).every(isJsonObject);

const isPersisted = (value: unknown): value is PersistedValues =>
  isJsonObject(value) && typeof value['at'] === 'number' && isValues(value['values']);
