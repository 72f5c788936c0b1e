import { expect, it } from 'vitest';

import type { FlagDocument, Rule } from '../src/flag/document.ts';
import { mergeFlags } from '../src/flag/merge.ts';

const rule = (id: string, percentage = 100): Rule => ({
  id,
  conditions: [],
  variant: 'on',
  percentage,
});

const BASE: FlagDocument = {
  key: 'checkout',
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [rule('a'), rule('b'), rule('c')],
  seed: 'checkout',
  clientVisible: false,
  metadata: {},
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};

const merge = (mine: Partial<FlagDocument>, theirs: Partial<FlagDocument>) =>
  mergeFlags({
    base: BASE,
    mine: { ...BASE, ...mine },
    theirs: { ...BASE, ...theirs, version: 2 },
  });

it('keeps changes of different fields, and the version of the other', () => {
  const { document, conflicts } = merge({ enabled: false }, { owner: 'ada' });
  expect(conflicts).toEqual([]);
  expect(document).toEqual({ ...BASE, enabled: false, owner: 'ada', version: 2 });
});

it('keeps changes of different rules, also if one of the two has moved or removed others', () => {
  const { document, conflicts } = merge(
    { rules: [rule('b'), rule('a', 10)] },
    { rules: [rule('a'), rule('b', 20), rule('c')] },
  );
  expect(conflicts).toEqual([]);
  expect(document.rules).toEqual([rule('b', 20), rule('a', 10)]);
});

it.each([
  ['the same field', { defaultVariant: 'on' }, { defaultVariant: null }, 'defaultVariant'],
  ['the same rule', { rules: [rule('a', 1)] }, { rules: [rule('a', 2)] }, 'rules'],
  [
    'a rule that the other has removed',
    { rules: [rule('a'), rule('b')] },
    { rules: [rule('a'), rule('b'), rule('c', 5)] },
    'rules',
  ],
  [
    'the order of rules',
    { rules: [rule('b'), rule('a'), rule('c')] },
    { rules: [rule('c'), rule('a'), rule('b')] },
    'rules',
  ],
])('leaves a choice if both have changed %s', (_, mine, theirs, field) => {
  const { document, conflicts } = merge(mine, theirs);
  expect(conflicts).toEqual([field]);
  expect(document).toMatchObject(mine);
});

it('has nothing to choose if both have made the same change', () => {
  const { conflicts } = merge({ rules: [rule('a', 5)] }, { rules: [rule('a', 5)] });
  expect(conflicts).toEqual([]);
});
