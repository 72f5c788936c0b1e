import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { FLAG_FIELDS, localFlagProblem } from '../src/local-flags.ts';

it('the fields of local flags are all fields of the contract', () => {
  const file = new URL('../../spec/fields.json', import.meta.url);
  const { flag } = JSON.parse(readFileSync(file, 'utf8'));
  expect(new Set(FLAG_FIELDS)).toEqual(
    new Set([...flag.sent, ...flag.descriptive, ...flag.serverManaged]),
  );
});

it.each([true, 'dark', 0, {}, { x: 1 }, { variants: 2 }, { enabled: false }])(
  '%j is a flag or its value',
  flag => {
    expect(localFlagProblem(flag, () => undefined)).toBeUndefined();
  },
);
