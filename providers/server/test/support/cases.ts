import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type {
  Client,
  EvaluationContext,
  EvaluationDetails,
  JsonValue,
} from '@openfeature/server-sdk';

/** A shared test case: every engine and every provider runs it. */
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

/** Reads the cases without validating them: the tests of the engine do that. */
export const readThemes = (): Theme[] =>
  readdirSync(CASES)
    .filter(name => name.endsWith('.json'))
    .toSorted()
    .map((name): Theme => JSON.parse(readFileSync(join(CASES, name), 'utf8')));

const INFINITE = '\uE000infinite\uE000';

/** Returns JSON in which infinite numbers are written as 1e999, as in the case files. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => {
    if (member === Infinity) return INFINITE;
    return member === -Infinity ? `-${INFINITE}` : member;
  })
    .replaceAll(`"-${INFINITE}"`, '-1e999')
    .replaceAll(`"${INFINITE}"`, '1e999');

/** Whether the flag set is rejected as a whole, so the provider does not start. */
export const isRejected = ({ flagSet }: Case): boolean => {
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

/** Whether the SDK passes the context on unchanged: it turns lists and strings into objects. */
export const isValidContext = (context: unknown): context is EvaluationContext | null =>
  typeof context === 'object' && !Array.isArray(context);

/** Evaluates a case as an application does, with a default value of the type of the flag. */
export const evaluateCase = (
  client: Client,
  { flagKey, context, expected }: Case,
): Promise<EvaluationDetails<JsonValue>> => {
  const given = isValidContext(context) && context !== null ? context : undefined;
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

/** The expected result of a case in OpenFeature's form. */
export const expectedDetails = ({ expected, flagKey }: Case): object => {
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

/** The details without what cases do not specify: message, version, rule and flag set id. */
export const withoutTelemetry = (details: EvaluationDetails<JsonValue>): object => {
  const { flagKey, reason, value, variant, errorCode, flagMetadata } = details;
  const { version: _, flagSetId: __, ruleId: ___, ...metadata } = flagMetadata;
  return { flagKey, reason, value, variant, errorCode, flagMetadata: metadata };
};
