import { beforeAll, expect, it } from 'vitest';

import { Key } from '../../../server/test/support/key-schema.ts';

import { keyProblem } from '../src/components/key-rule.ts';
import { loadLanguage } from '../src/i18n/i18n.ts';

beforeAll(() => loadLanguage('en'));

it.each([
  'a',
  'new-checkout',
  'a.b_c-D9',
  '9',
  'x'.repeat(100),
  '',
  'x'.repeat(101),
  '.a',
  '-a',
  'a..b',
  'a b',
  'ä',
  'a/b',
  'a\n',
  '\u202Ea',
])('%j is a key in the console if it is one at the server', text => {
  expect(keyProblem(text) === '').toBe(Key.safeParse(text).success);
});
