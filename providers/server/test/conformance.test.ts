import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { OpenFeature } from '@openfeature/server-sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createFakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonProvider } from '../src/index.ts';
import {
  evaluateCase,
  expectedDetails,
  isRejected,
  isValidContext,
  readThemes,
  toJson,
  withoutTelemetry,
} from './support/cases.ts';
import type { Case } from './support/cases.ts';

const ignore = () => undefined;
OpenFeature.setLogger({ error: ignore, warn: ignore, info: ignore, debug: ignore });

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-cases-'));
});
afterAll(() => rm(directory, { recursive: true, maxRetries: 5 }));

const open = async ({ flagSet }: Case) => {
  const offlineFile = join(directory, 'flags.json');
  await writeFile(offlineFile, toJson(flagSet));
  return new PennonProvider({ offlineFile }, createFakeRuntime());
};

const withoutMessage = (result: object) =>
  Object.fromEntries(Object.entries(result).filter(([name]) => name !== 'errorMessage'));

describe.each(readThemes())('$theme', ({ cases }) => {
  it.each(cases)('$name', async testCase => {
    const provider = await open(testCase);
    if (isRejected(testCase)) {
      await expect(provider.initialize()).rejects.toThrow(/cannot be used|no flags available/);
      expect(provider.evaluate(testCase.flagKey)).toMatchObject({
        errorCode: 'PROVIDER_NOT_READY',
      });
      return provider.onClose();
    }
    await OpenFeature.setProviderAndWait('cases', provider);
    if (isValidContext(testCase.context)) {
      const resolved = await evaluateCase(OpenFeature.getClient('cases'), testCase);
      expect(withoutTelemetry(resolved)).toEqual(expectedDetails(testCase));
      for (const text of testCase.mentions ?? []) expect(resolved.errorMessage).toContain(text);
    }
    const result = provider.evaluate(testCase.flagKey, testCase.context as never);
    expect(withoutMessage(result)).toEqual(testCase.expected);
    return provider.onClose();
  });
});
