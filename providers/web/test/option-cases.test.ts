import { expect, it } from 'vitest';

import {
  nameInError,
  readOptionCases,
  refusal,
} from '../../../packages/sync/test/support/options.ts';
import { PennonWebProvider } from '../src/index.ts';

it.each(readOptionCases('web'))('$name', ({ options, refused }) => {
  const message = refusal(() => Reflect.construct(PennonWebProvider, [options]));
  if (refused === undefined) return expect(message).toBeUndefined();
  expect(message).toContain(nameInError(refused));
  expect(message).not.toContain('s3cret');
});
