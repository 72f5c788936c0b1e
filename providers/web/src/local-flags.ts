import type { JsonValue } from '@openfeature/web-sdk';
import { isJsonObject, NOT_STARTED } from '@pennon/sync';
import type { Values } from '@pennon/sync';

import { fail } from './options.ts';
import type { Source } from './reconciler.ts';
import type { Evaluation } from './resolution.ts';

/** The value of each flag, or the flag in the short form, without rules. */
export type LocalFlags = Readonly<Record<string, JsonValue>>;

/** Evaluates flags that are the same for every context. Throws if one has rules. */
export const evaluateFlags = (flags: LocalFlags, revision: number): Values<Evaluation> => ({
  revision,
  evaluations: Object.fromEntries(
    Object.entries(flags).map(([key, flag]) => [key, evaluate(key, flag)]),
  ),
});

type Evaluations = Values<Evaluation>['evaluations'];

/** Has values without a server. `onChange` is called when `setFlags` has replaced them. */
export const createLocalSource = (
  flags: LocalFlags,
  onChange: (previous: Evaluations, next: Evaluations) => void,
): Source => {
  let values = evaluateFlags(flags, 1);
  return {
    values: () => values,
    isRestored: () => false,
    freshness: () => ({
      ...NOT_STARTED,
      mode: 'flags',
      source: 'flags',
      revision: values.revision,
    }),
    reconcile: async () => {},
    noticePause() {},
    refresh: async () => true,
    close() {},
    setFlags(next) {
      const previous = values;
      values = evaluateFlags(next, previous.revision + 1);
      onChange(previous.evaluations, values.evaluations);
    },
  };
};

/** An object with `enabled` is a flag in the short form. Anything else is a value. */
const evaluate = (flagKey: string, flag: JsonValue): Evaluation => {
  const failWith = (problem: string) => fail(`the flag "${flagKey}": ${problem}`);
  if (!isJsonObject(flag) || !('enabled' in flag))
    return { reason: 'STATIC', variant: variantOf(flag), value: flag };
  const { enabled, rules = [], variants = booleanVariants(flag), defaultVariant = 'on' } = flag;
  const metadata = isJsonObject(flag['metadata']) ? { metadata: scalarsOf(flag['metadata']) } : {};
  if (JSON.stringify(rules) !== '[]') failWith('it has rules, which only a server can evaluate');
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
    : failWith(`it has no variant ${JSON.stringify(defaultVariant)}`);
};

/** A flag without variants must be boolean. */
const booleanVariants = ({ type = 'boolean' }: { readonly type?: unknown }): JsonValue =>
  type === 'boolean' ? { on: true, off: false } : {};

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
