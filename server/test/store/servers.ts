import { describe, expect, test } from 'vitest';

import type { ServerReport } from '../../src/store/store.ts';
import type { Given } from './suite.ts';

const LASTS_MS = 60_000;

const report = (more: Partial<ServerReport> = {}): ServerReport => ({
  id: 'server-1',
  version: '1.0.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  revisions: { production: 7, __proto: 1 },
  streams: 3,
  degradedSeconds: 0,
  ...more,
});

export const describeServers = (given: () => Given): void => {
  describe('a server that is announced', () => {
    test('is alive, as it said last', async () => {
      const { store } = given();
      await store.heartbeat(report(), LASTS_MS);
      const alive = await store.heartbeat(report({ streams: 4 }), LASTS_MS);
      expect(alive).toEqual([{ report: report({ streams: 4 }), ageMs: 0 }]);
    });

    test('may depart, twice and before it was announced', async () => {
      const { store } = given();
      await store.leave('server-1');
      await store.heartbeat(report(), LASTS_MS);
      await store.leave('server-1');
      await store.leave('server-1');
      expect(await store.heartbeat(report({ id: 'server-2' }), LASTS_MS)).toEqual([
        { report: report({ id: 'server-2' }), ageMs: 0 },
      ]);
    });
  });
};
