import { expect, it } from 'vitest';

import { createCaller } from '../src/auth/caller.ts';
import { createRateLimit } from '../src/auth/rate-limit.ts';
import { joinFleet } from '../src/status/fleet.ts';
import type { FleetMember, ServerReport, Store } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startServer } from './support/server.ts';

it('the status has the only server of an embedded store, with its revisions', async () => {
  await using server = await startServer();
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
  const { status, body } = await server.request('GET', '/api/v1/status');
  expect(status).toBe(200);
  expect(body).toEqual({
    store: 'available',
    environments: [
      { key: 'development', revision: 1 },
      { key: 'production', revision: 2 },
    ],
    servers: [
      {
        id: expect.any(String),
        self: true,
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        startedAt: expect.stringMatching(/Z$/),
        heardSecondsAgo: 0,
        degradedSeconds: 0,
        streams: 0,
        environments: [
          { key: 'development', revision: 1, behind: 0 },
          { key: 'production', revision: 2, behind: 0 },
        ],
      },
    ],
  });
});

it('the status requires a key for all environments', async () => {
  await using server = await startServer();
  const key = await server.keyOf('viewer');
  const everywhere = await server.keyOf('viewer', '*');
  expect((await server.request('GET', '/api/v1/status', { key })).status).toBe(403);
  expect((await server.request('GET', '/api/v1/status', { key: everywhere })).status).toBe(200);
});

const report = (id: string): ServerReport => ({
  id,
  version: '1.0.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  revisions: {},
  streams: 0,
  degradedSeconds: 0,
});

it('while the store is unavailable the last known servers are still counted', async () => {
  const clock = createFakeClock();
  let members: FleetMember[] | undefined = ['b', 'c'].map(id => ({
    report: report(id),
    ageMs: 500,
  }));
  const store: Pick<Store, 'reportServer' | 'leave'> = {
    reportServer: async () => members ?? Promise.reject(new Error('unavailable')),
    leave: async () => undefined,
  };
  const fleet = await joinFleet({ store, clock, report: () => report('a') });
  expect(fleet.size()).toBe(3);
  members = undefined;
  clock.advance(60_000);
  await Promise.resolve();
  expect(fleet.size()).toBe(3);
  expect(fleet.members().map(({ report: { id }, ageMs }) => [id, ageMs])).toEqual([
    ['a', 0],
    ['b', 60_500],
    ['c', 60_500],
  ]);
});

it('a server leaves after the report that is still on its way', async () => {
  const clock = createFakeClock();
  const calls: string[] = [];
  let arrive = () => {};
  const store: Pick<Store, 'reportServer' | 'leave'> = {
    async reportServer() {
      await new Promise<void>(resolve => {
        arrive = resolve;
        if (calls.length === 0) resolve();
      });
      calls.push('report');
      return [];
    },
    leave: async () => void calls.push('leave'),
  };
  const fleet = await joinFleet({ store, clock, report: () => report('a') });
  clock.advance(2_000);
  const closed = fleet.close();
  arrive();
  await closed;
  expect(calls).toEqual(['report', 'report', 'leave']);
});

const caller = createCaller(
  {
    actor: { kind: 'key', id: 'k', name: 'k' },
    credential: { kind: 'key', id: 'k' },
    expiresAt: undefined,
    visitor: '127.0.0.1',
  },
  new Map([['*', 'editor']]),
);

const granted = (count: ReturnType<typeof createRateLimit>): number => {
  for (let requests = 0; ; requests += 1)
    try {
      count(caller);
    } catch {
      return requests;
    }
};

it('a server grants its share of the limit, and the whole limit once it is alone', () => {
  const clock = createFakeClock();
  let servers = 4;
  const count = createRateLimit(100, () => servers, clock);
  expect(granted(count)).toBe(25);
  clock.advance(1_000);
  expect(granted(count)).toBe(25);
  servers = 1;
  clock.advance(1_000);
  expect(granted(count)).toBe(100);
});

it('a share below one request per second still grants single requests', () => {
  const clock = createFakeClock();
  const count = createRateLimit(1, () => 5, clock);
  expect(granted(count)).toBe(1);
  clock.advance(4_000);
  expect(() => count(caller)).toThrow('the limit of 1 requests per second is exceeded');
  clock.advance(1_000);
  expect(granted(count)).toBe(1);
});

it('a store that only one server uses has nothing to restore', async () => {
  await using server = await startServer();
  const { status, body } = await server.request('POST', '/api/v1/restore');
  expect([status, body.error]).toEqual([
    409,
    {
      code: 'CONFLICT',
      message: 'there is nothing to restore: the store has all of its data',
    },
  ]);
});
