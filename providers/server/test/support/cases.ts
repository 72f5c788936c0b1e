import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type {
  Client,
  EvaluationContext,
  EvaluationDetails,
  JsonValue,
} from '@openfeature/server-sdk';

/** A case that every engine and every provider runs. */
export type Case = {
  readonly name: string;
  readonly flagSet: unknown;
  readonly flagKey: string;
  readonly context: unknown;
  readonly expected: {
    readonly flagKey: string;
    readonly enabled: boolean;
    readonly reason: string;
    readonly variant?: string;
    readonly value?: unknown;
    readonly errorCode?: string;
    readonly metadata?: object;
  };
  readonly mentions?: readonly string[];
};

export type Theme = { readonly theme: string; readonly cases: readonly Case[] };

const CASES = new URL('../../../../packages/spec/cases/', import.meta.url).pathname;

/** What the files of cases say is trusted: the engine's own tests look at it. */
export const readThemes = (): Theme[] =>
  readdirSync(CASES)
    .filter(name => name.endsWith('.json'))
    .toSorted()
    .map((name): Theme => JSON.parse(readFileSync(join(CASES, name), 'utf8')));

const INFINITE = '\uE000infinite\uE000';

/** JSON as the cases write it: infinite numbers as 1e999. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => {
    if (member === Infinity) return INFINITE;
    return member === -Infinity ? `-${INFINITE}` : member;
  })
    .replaceAll(`"-${INFINITE}"`, '-1e999')
    .replaceAll(`"${INFINITE}"`, '1e999');

/** What is no flag set at all is refused as a whole, and the application is told instead of asked. */
export const isRefused = ({ flagSet }: Case): boolean => {
  if (typeof flagSet !== 'object' || flagSet === null || Array.isArray(flagSet)) return true;
  const { flags, formatVersion } = flagSet as { flags?: unknown; formatVersion?: unknown };
  const isSet = typeof flags === 'object' && flags !== null && !Array.isArray(flags);
  return !isSet || (formatVersion ?? 1) !== 1;
};

const DEFAULTS = { boolean: false, string: 'default', number: -1, object: { default: true } };
type Type = keyof typeof DEFAULTS;

const typeOf = (value: unknown): Type => {
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'object' ? type : 'boolean';
};

/** The SDK makes an object of every context, and its own attributes of a list's items or a text's letters. */
export const reachesUs = (context: unknown): context is EvaluationContext | null =>
  typeof context === 'object' && !Array.isArray(context);

/** Asks as an application does, with a default of the flag's own type. */
export const ask = (
  client: Client,
  { flagKey, context, expected }: Case,
): Promise<EvaluationDetails<JsonValue>> => {
  const given = reachesUs(context) && context !== null ? context : undefined;
  switch (typeOf(expected.value)) {
    case 'boolean':
      return client.getBooleanDetails(flagKey, DEFAULTS.boolean, given);
    case 'string':
      return client.getStringDetails(flagKey, DEFAULTS.string, given);
    case 'number':
      return client.getNumberDetails(flagKey, DEFAULTS.number, given);
    case 'object':
      return client.getObjectDetails(flagKey, DEFAULTS.object, given);
  }
};

/** What a case expects, in OpenFeature's terms. */
export const inOpenFeature = ({ expected, flagKey }: Case): object => {
  const { reason, variant, value, errorCode, metadata } = expected;
  return {
    flagKey,
    reason,
    value: variant === undefined ? DEFAULTS[typeOf(value)] : value,
    variant,
    errorCode,
    flagMetadata: { ...metadata },
  };
};

/** What was resolved, without what cases leave open: messages, versions and names of sets. */
export const withoutFacts = (details: EvaluationDetails<JsonValue>): object => {
  const { flagKey, reason, value, variant, errorCode, flagMetadata } = details;
  const { version: _, flagSetId: __, ...metadata } = flagMetadata;
  return { flagKey, reason, value, variant, errorCode, flagMetadata: metadata };
};
