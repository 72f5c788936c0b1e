import { describe, expect, test } from 'vitest';

import type { ServerReport } from '../../../src/store/store.ts';
import type { OpenedStore } from '../suite.ts';

const TTL_MS = 60_000;

const report = (more: Partial<ServerReport> = {}): ServerReport => ({
  id: 'server-1',
  version: '1.0.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  revisions: { production: 7, __proto: 1 },
  streams: 3,
  degradedSeconds: 0,
  ...more,
});

export const describeFleet = (opened: () => OpenedStore): void => {
  describe('the fleet', () => {
    test('returns the last report of a server', async () => {
      const { store } = opened();
      await store.reportServer(report(), TTL_MS);
      const members = await store.reportServer(report({ streams: 4 }), TTL_MS);
      expect(members).toEqual([{ report: report({ streams: 4 }), ageMs: 0 }]);
    });

    test('lets a server leave, even twice and before its first report', async () => {
      const { store } = opened();
      await store.leave('server-1');
      await store.reportServer(report(), TTL_MS);
      await store.leave('server-1');
      await store.leave('server-1');
      expect(await store.reportServer(report({ id: 'server-2' }), TTL_MS)).toEqual([
        { report: report({ id: 'server-2' }), ageMs: 0 },
      ]);
    });
  });
};
