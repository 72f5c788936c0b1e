import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { OpenFeature } from '@openfeature/server-sdk';
import type { EvaluationContext } from '@openfeature/server-sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createFakeWorld } from '../../../packages/follow/test/support/fake-world.ts';
import { PennonProvider } from '../src/index.ts';
import { readThemes, toJson } from './support/cases.ts';
import type { Case } from './support/cases.ts';

const DEFAULTS = { boolean: false, string: 'default', number: -1, object: { default: true } };
type Type = keyof typeof DEFAULTS;
const TYPES = Object.keys(DEFAULTS) as Type[];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-cases-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** What is no flag set at all is refused as a whole, and the application is told instead of asked. */
const isRefused = ({ flagSet }: Case): boolean => {
  if (typeof flagSet !== 'object' || flagSet === null || Array.isArray(flagSet)) return true;
  const { flags, formatVersion } = flagSet as { flags?: unknown; formatVersion?: unknown };
  const isSet = typeof flags === 'object' && flags !== null && !Array.isArray(flags);
  return !isSet || (formatVersion ?? 1) !== 1;
};

const typeOf = (value: unknown): Type => TYPES.find(type => type === typeof value) ?? 'boolean';

const open = async ({ flagSet }: Case) => {
  const offlineFile = join(directory, 'flags.json');
  await writeFile(offlineFile, toJson(flagSet));
  return new PennonProvider({ offlineFile }, createFakeWorld());
};

/** The SDK makes an object of every context, and its own attributes of a list's items or a text's letters. */
const reachesUs = (context: unknown): context is object | null =>
  typeof context === 'object' && !Array.isArray(context);

const details = async (provider: PennonProvider, { flagKey, context, expected }: Case) => {
  await OpenFeature.setProviderAndWait('cases', provider);
  const client = OpenFeature.getClient('cases');
  const given = context === null ? undefined : (context as EvaluationContext);
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

/** The same answer in OpenFeature's terms. */
const inOpenFeature = ({ expected, flagKey }: Case) => {
  const { reason, variant, value, errorCode, metadata } = expected;
  return {
    flagKey,
    reason,
    value: variant === undefined ? DEFAULTS[typeOf(value)] : value,
    ...(variant !== undefined && { variant }),
    ...(errorCode !== undefined && { errorCode }),
    flagMetadata: { ...metadata },
  };
};

const withoutMessage = (answer: object) =>
  Object.fromEntries(Object.entries(answer).filter(([name]) => name !== 'errorMessage'));

/** Cases' flags have no version, and their sets no environment, unless a case is about that. */
const withoutFacts = ({ flagMetadata, ...rest }: { flagMetadata?: object }) => {
  const { version: _, flagSetId: __, ...metadata } = { ...flagMetadata } as Record<string, unknown>;
  return { ...rest, flagMetadata: metadata };
};

describe.each(readThemes())('$theme', ({ cases }) => {
  it.each(cases)('$name', async one => {
    const provider = await open(one);
    if (isRefused(one)) {
      await expect(provider.initialize()).rejects.toThrow(/cannot be used|no flags could be had/);
      expect(provider.evaluate(one.flagKey)).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
      return provider.onClose();
    }
    if (reachesUs(one.context)) {
      const { errorMessage, ...resolved } = await details(provider, one);
      expect(withoutFacts(resolved)).toEqual(inOpenFeature(one));
      for (const text of one.mentions ?? []) expect(errorMessage).toContain(text);
    } else await provider.initialize();
    const answer = provider.evaluate(one.flagKey, one.context as never);
    expect(withoutMessage(answer)).toEqual(one.expected);
    return provider.onClose();
  });
});
