import { readdirSync, readFileSync } from 'node:fs';

import type { Client, EvaluationDetails, JsonValue } from '@openfeature/web-sdk';
import { describe, expect, it } from 'vitest';

import { compile, evaluateAll } from '@pennon/engine';
import { startApplication } from './support/application.ts';

/** The engine's shared cases, through the face that applications see. */
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

type RequestSpec = {
  readonly given: JsonValue;
  readonly details: (client: Client, key: string) => EvaluationDetails<JsonValue>;
};

const asked = new Map<string, RequestSpec>([
  ['boolean', { given: false, details: (client, key) => client.getBooleanDetails(key, false) }],
  ['string', { given: 'x', details: (client, key) => client.getStringDetails(key, 'x') }],
  ['number', { given: -1, details: (client, key) => client.getNumberDetails(key, -1) }],
  ['object', { given: {}, details: (client, key) => client.getObjectDetails(key, {}) }],
]);

const buildRequest = ({ expected, flagSet, flagKey }: Case): RequestSpec | undefined => {
  const flags = flagSet?.flags ?? {};
  const type = Object.hasOwn(flags, flagKey) ? flags[flagKey]?.type : undefined;
  return (
    asked.get(expected.value === undefined ? String(type) : typeof expected.value) ??
    asked.get('boolean')
  );
};

describe.each(themes)('$theme', ({ cases }) => {
  it.each(cases)('$name', each => {
    const { flagSet, flagKey, context, expected } = each;
    const evaluations = evaluateAll(compile(flagSet), context);
    // As it comes over the network: text, and no more than the server answers.
    const bootstrap = JSON.parse(JSON.stringify({ revision: 1, evaluations }));
    const { client } = startApplication({ bootstrap });
    const ask = buildRequest(each);
    const details = ask?.details(client, flagKey);
    expect(details).toMatchObject({
      flagKey,
      value: expected.value ?? ask?.given,
      reason: expected.reason,
      flagMetadata: expected.metadata ?? {},
    });
    expect(details?.variant).toBe(expected.variant);
    expect(details?.errorCode).toBe(expected.errorCode);
  });
});
