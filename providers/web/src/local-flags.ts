import type { JsonValue } from '@openfeature/web-sdk';
import type { Values } from '@pennon/sync';
import { isJsonObject } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';

/** The value of each flag, or the flag in the short form, without rules. */
export type LocalFlags = Readonly<Record<string, JsonValue>>;

/** Evaluates flags that are the same for every context. Throws if one has rules. */
export const evaluateFlags = (flags: LocalFlags, revision: number): Values<Evaluation> => ({
  revision,
  evaluations: Object.fromEntries(
    Object.entries(flags).map(([flagKey, flag]) => [flagKey, evaluate(flagKey, flag)]),
  ),
});

/** An object with a boolean `enabled` is a flag in the short form. Anything else is a value. */
const evaluate = (flagKey: string, flag: JsonValue): Evaluation => {
  if (!isJsonObject(flag) || typeof flag['enabled'] !== 'boolean')
    return { reason: 'STATIC', variant: variantOf(flag), value: flag };
  const { enabled, rules = [], variants = { on: true, off: false }, defaultVariant = 'on' } = flag;
  const metadata = isJsonObject(flag['metadata']) ? { metadata: scalarsOf(flag['metadata']) } : {};
  const fail = (problem: string): never => {
    throw new TypeError(`PennonWebProvider: the flag "${flagKey}" ${problem}`);
  };
  if (JSON.stringify(rules) !== '[]') fail('has rules, which only a server can evaluate');
  if (!enabled) return { reason: 'DISABLED', ...metadata };
  if (defaultVariant === null) return { reason: 'DEFAULT', ...metadata };
  const isKnown =
    typeof defaultVariant === 'string' &&
    isJsonObject(variants) &&
    Object.hasOwn(variants, defaultVariant);
  return isKnown
    ? {
        reason: 'STATIC',
        variant: defaultVariant,
        value: variants[defaultVariant] ?? null,
        ...metadata,
      }
    : fail(`has no variant ${JSON.stringify(defaultVariant)}`);
};

const variantOf = (value: JsonValue): string => {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return 'value';
};

const scalarsOf = (metadata: { readonly [name: string]: JsonValue }) =>
  Object.fromEntries(
    Object.entries(metadata).filter(
      (entry): entry is [string, string | number | boolean] => typeof entry[1] !== 'object',
    ),
  );
