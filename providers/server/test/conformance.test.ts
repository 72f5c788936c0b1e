import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { OpenFeature } from '@openfeature/server-sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createFakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonProvider } from '../src/index.ts';
import {
  ask,
  inOpenFeature,
  isRefused,
  reachesUs,
  readThemes,
  toJson,
  withoutFacts,
} from './support/cases.ts';
import type { Case } from './support/cases.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-cases-'));
});
afterAll(() => rm(directory, { recursive: true }));

const open = async ({ flagSet }: Case) => {
  const offlineFile = join(directory, 'flags.json');
  await writeFile(offlineFile, toJson(flagSet));
  return new PennonProvider({ offlineFile }, createFakeRuntime());
};

const withoutMessage = (answer: object) =>
  Object.fromEntries(Object.entries(answer).filter(([name]) => name !== 'errorMessage'));

describe.each(readThemes())('$theme', ({ cases }) => {
  it.each(cases)('$name', async one => {
    const provider = await open(one);
    if (isRefused(one)) {
      await expect(provider.initialize()).rejects.toThrow(/cannot be used|no flags could be had/);
      expect(provider.evaluate(one.flagKey)).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
      return provider.onClose();
    }
    await OpenFeature.setProviderAndWait('cases', provider);
    if (reachesUs(one.context)) {
      const resolved = await ask(OpenFeature.getClient('cases'), one);
      expect(withoutFacts(resolved)).toEqual(inOpenFeature(one));
      for (const text of one.mentions ?? []) expect(resolved.errorMessage).toContain(text);
    }
    const answer = provider.evaluate(one.flagKey, one.context as never);
    expect(withoutMessage(answer)).toEqual(one.expected);
    return provider.onClose();
  });
});
