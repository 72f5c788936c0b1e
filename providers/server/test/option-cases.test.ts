import { OpenFeature } from '@openfeature/server-sdk';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import {
  collectWarnings,
  nameInError,
  readOptionCases,
  refusal,
} from '../../../packages/sync/test/support/options.ts';
import { PennonProvider } from '../src/index.ts';

beforeEach(() => {
  for (const name of [
    'PENNON_URL',
    'PENNON_KEY',
    'HTTPS_PROXY',
    'https_proxy',
    'NO_PROXY',
    'no_proxy',
  ])
    vi.stubEnv(name, undefined);
});
afterEach(() => void vi.unstubAllEnvs());

const cases = readOptionCases('node');

it.each(cases)('$name', ({ options, variables = {}, refused, warned }) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  const { warnings, logger } = collectWarnings();
  OpenFeature.setLogger(logger);
  const message = refusal(() => Reflect.construct(PennonProvider, [options]));
  expect(warnings).toEqual(warned === undefined ? [] : [expect.stringContaining(`"${warned}"`)]);
  if (refused === undefined) return expect(message).toBeUndefined();
  expect(message).toContain(nameInError(refused));
  expect(message).not.toContain('s3cret');
});
