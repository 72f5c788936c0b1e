import { isObject, ownValue, type Fields } from './fields.ts';

/** The facts about the subject, read by own names only. */
export type Attributes = Fields;

/** Reads one attribute of a context; undefined is missing. */
export type Read = (context: Attributes) => unknown;

const NOTHING: Attributes = Object.freeze({});

/** A context that is no object is an empty one. */
export const attributesOf = (context: unknown): Attributes =>
  isObject(context) ? context : NOTHING;

/** NaN and the infinities are missing, and so is null. */
const usable = (value: unknown): unknown => {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return value === null ? undefined : value;
};

const alwaysMissing: Read = () => undefined;

/** What almost every draw reads: a name that is written out is found faster than one in a variable. */
const targetingKey: Read = context => {
  const value = context['targetingKey'];
  if (value === undefined || !Object.hasOwn(context, 'targetingKey')) return undefined;
  return usable(value);
};

/** An inherited value is found first and refused then: most names are own or nowhere. */
const byName =
  (name: string): Read =>
  context => {
    const value = context[name];
    if (value === undefined || !Object.hasOwn(context, name)) return undefined;
    return usable(value);
  };

/** Steps through objects only, never through lists or text. */
const walk = (context: Attributes, steps: readonly string[]): unknown => {
  let reached: unknown = context;
  for (const step of steps) {
    if (!isObject(reached)) return undefined;
    reached = ownValue(reached, step);
  }
  return usable(reached);
};

const byPath = (name: string, steps: readonly string[]): Read => {
  const leadsNowhere = steps.includes('__proto__');
  return context => {
    const exact = ownValue(context, name) ?? undefined;
    if (exact !== undefined) return usable(exact);
    return leadsNowhere ? undefined : walk(context, steps);
  };
};

/** An attribute's reader: its exact own name first, then the dotted path. */
export const reader = (name: string): Read => {
  if (name === '__proto__') return alwaysMissing;
  if (name === 'targetingKey') return targetingKey;
  const steps = name.split('.');
  return steps.length === 1 ? byName(name) : byPath(name, steps);
};

/** The text that is hashed for a subject; undefined where there is nothing to hash. */
export const unitOf = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};
