import { afterAll, expect, it } from 'vitest';

import { differencesIn } from './proof/compare.ts';
import { runProof } from './proof/run.ts';
import { removeDirectories } from './redis/servers.ts';

afterAll(removeDirectories);

/** `npx -y pnpm proof` runs the same with 1,000,000 events. */
const size = { seed: 1, seconds: 180, eventsPerSecond: 20, units: 450 };

it.each([
  { store: 'SQLite' as const, servers: 1 },
  { store: 'Redis' as const, servers: 2, fsync: 'always' as const },
])(
  'the moments in $store are those of all events, after kills, and those of the query in docs/events.md',
  async options => {
    const looks = await runProof({ ...options, size, kills: 2, hasWarehouse: true });
    expect(looks).toHaveLength(2);
    expect(differencesIn(looks)).toEqual([]);
  },
);
