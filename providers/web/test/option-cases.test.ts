import { OpenFeature } from '@openfeature/web-sdk';
import { expect, it } from 'vitest';

import {
  collectWarnings,
  nameInError,
  readOptionCases,
  refusal,
} from '../../../packages/sync/test/support/options.ts';
import { PennonWebProvider } from '../src/development.ts';

it.each(readOptionCases('web'))('$name', ({ options, refused, warned }) => {
  const { warnings, logger } = collectWarnings();
  OpenFeature.setLogger(logger);
  const message = refusal(() => Reflect.construct(PennonWebProvider, [options]));
  expect(warnings).toEqual(warned === undefined ? [] : [expect.stringContaining(`"${warned}"`)]);
  if (refused === undefined) return expect(message).toBeUndefined();
  expect(message).toContain(nameInError(refused));
  expect(message).not.toContain('s3cret');
});
