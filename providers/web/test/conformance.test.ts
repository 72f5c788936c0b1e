import { readdirSync, readFileSync } from 'node:fs';

import type { Client, EvaluationDetails, JsonValue } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { compile, evaluateAll } from '@pennon/engine';
import { startApplication } from './support/application.ts';

/** A shared case of the engines, evaluated here through the OpenFeature client. */
type Case = {
  readonly name: string;
  readonly flagSet: {
    readonly flags?: Readonly<Record<string, { readonly type?: unknown }>> | null;
  } | null;
  readonly flagKey: string;
  readonly context: unknown;
  readonly expected: {
    readonly reason: string;
    readonly variant?: string;
    readonly value?: JsonValue;
    readonly metadata?: object;
    readonly errorCode?: string;
  };
};

const folder = new URL('../../../packages/spec/cases/', import.meta.url);
const themes: readonly { theme: string; cases: readonly Case[] }[] = readdirSync(folder).map(file =>
  JSON.parse(readFileSync(new URL(file, folder), 'utf8')),
);

type Resolver = {
  readonly defaultValue: JsonValue;
  readonly details: (client: Client, key: string) => EvaluationDetails<JsonValue>;
};

const resolvers = new Map<string, Resolver>([
  [
    'boolean',
    { defaultValue: false, details: (client, key) => client.getBooleanDetails(key, false) },
  ],
  ['string', { defaultValue: 'x', details: (client, key) => client.getStringDetails(key, 'x') }],
  ['number', { defaultValue: -1, details: (client, key) => client.getNumberDetails(key, -1) }],
  ['object', { defaultValue: {}, details: (client, key) => client.getObjectDetails(key, {}) }],
]);

const resolverOf = ({ expected, flagSet, flagKey }: Case): Resolver | undefined => {
  const flags = flagSet?.flags ?? {};
  const type = Object.hasOwn(flags, flagKey) ? flags[flagKey]?.type : undefined;
  return (
    resolvers.get(expected.value === undefined ? String(type) : typeof expected.value) ??
    resolvers.get('boolean')
  );
};

describe.each(themes)('$theme', ({ cases }) => {
  it.each(cases)('$name', testCase => {
    const { flagSet, flagKey, context, expected } = testCase;
    const evaluations = evaluateAll(compile(flagSet), context);
    // Serialized and parsed, like the response of a server.
    const bootstrap = JSON.parse(JSON.stringify({ revision: 1, evaluations }));
    const { client } = startApplication({ bootstrap });
    const resolver = resolverOf(testCase);
    const details = resolver?.details(client, flagKey);
    expect(details).toMatchObject({
      flagKey,
      value: expected.value ?? resolver?.defaultValue,
      reason: expected.reason,
      flagMetadata: expected.metadata ?? {},
    });
    expect(details?.variant).toBe(expected.variant);
    expect(details?.errorCode).toBe(expected.errorCode);
  });
});
