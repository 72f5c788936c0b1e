import { PersistentMap } from '@pennon/engine/persistent-map';
import type { Flag } from '@pennon/schema';
import { expect, it } from 'vitest';

import { overviewSteps } from '../src/flags/overview.ts';
import { runAtOnce } from '../src/slices.ts';
import type { Stored } from '../src/store/store.ts';

const AT = '2026-01-01T00:00:00.000Z';
const flag: Flag = {
  key: 'f',
  type: 'boolean',
  enabled: true,
  variants: { on: true },
  defaultVariant: 'on',
  rules: [],
  seed: 'f',
  clientVisible: false,
  metadata: {},
  version: 1,
  createdAt: AT,
  updatedAt: AT,
};

const columnOf = (key: string, keys: readonly string[]) => ({
  environment: { key, createdAt: AT },
  lastEvaluated: new Map<string, number>(),
  snapshot: {
    id: 'epoch.7.nonce',
    records: {
      flags: PersistentMap.from<Stored<Flag>>(
        keys.map(each => [each, { document: { ...flag, key: each }, changeId: 'c' }]),
      ),
      segments: PersistentMap.from<never>([]),
      metrics: PersistentMap.from<never>([]),
      experiments: PersistentMap.from<never>([]),
      layers: PersistentMap.from<never>([]),
      ramps: PersistentMap.from<never>([]),
    },
  },
});

it('an overview has 10,000 flags, and counts the others', () => {
  const keys = Array.from({ length: 10_002 }, (_, index) => `f${index}`);
  const columns = [columnOf('a', keys.slice(0, 6_000)), columnOf('b', keys.slice(5_000))];
  const { flags, moreFlags, revisions } = runAtOnce(overviewSteps(columns));
  expect([flags.length, moreFlags, revisions]).toEqual([10_000, 2, { a: 7, b: 7 }]);
  expect(flags.map(({ key }) => key)).toEqual(keys.toSorted().slice(0, 10_000));
});
