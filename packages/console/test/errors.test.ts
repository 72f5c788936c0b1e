import { expect, it } from 'vitest';

import { ApiError, isRefused } from '../src/api/errors.ts';

it.each([
  [404, true],
  [403, true],
  [429, false],
  [503, false],
])('a response with the status %i is final: %s', (status, isFinal) => {
  expect(isRefused(new ApiError('no', status))).toBe(isFinal);
});

it('a request without a response may be sent again', () => {
  expect(isRefused(new TypeError('Failed to fetch'))).toBe(false);
});
