import { expect, test } from 'vitest';

import { CONTROL_LEDGER } from '../src/store/store.ts';
import { newDirectory, openStore } from './store/sqlite-directory.ts';
import { expectPurgedOnce } from './support/purge.ts';

test('deleted environments in SQLite are purged once, even if servers are killed', async () => {
  const directory = newDirectory();
  await expectPurgedOnce({ PENNON_DATA: directory }, { together: 1 });
  const store = await openStore(directory);
  const records = (await store.read(CONTROL_LEDGER))?.records.deletedEnvironments;
  expect(records?.size).toBe(3);
  for (const { document } of records?.values() ?? []) {
    const ledger = { kind: 'flagSet', id: document.environment.ledger } as const;
    expect((await store.read(ledger))?.records.flags.size).toBe(0);
    expect(await store.versions(ledger, 'flags', { key: 'f', limit: 1 })).toEqual([]);
  }
  await store.close();
});
