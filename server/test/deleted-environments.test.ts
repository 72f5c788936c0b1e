import { describe, expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { openMemoryStore, type MemoryData } from '../src/store/memory.ts';
import { CONTROL_LEDGER, type Store } from '../src/store/store.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import type { RequestOptions, TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

const DAY_MS = 86_400_000;
const STAGING = '/api/v1/environments/staging';

/** Creates the environment `staging` with the flag `f`. Returns the secret of a key for it. */
const createStaging = async (server: TestServer): Promise<string> => {
  await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
  const body = { key: 'f', enabled: true };
  await server.request('POST', '/api/v1/flags?environment=staging', { body });
  return server.keyOf('server', 'staging');
};

const remove = async (server: TestServer) => server.request('DELETE', `${STAGING}?confirm=staging`);
const restore = async (server: TestServer, query = '') =>
  server.request('POST', `${STAGING}/restore${query}`);
const deleted = async (server: TestServer, options?: RequestOptions) =>
  (await server.request('GET', '/api/v1/environments?deleted=true', options)).body.items;
const evaluate = async (server: TestServer, key: string) =>
  server.request('POST', '/api/v1/evaluate', { key, body: { flagKey: 'f', context: {} } });

describe('an environment', () => {
  it.each(['', '?confirm=', '?confirm=Staging', '?confirm=production', '?confirm=true'])(
    'is not deleted with %j in place of its key, and the response has the remedy',
    async query => {
      await using server = await startServer();
      const key = await createStaging(server);
      const refused = await server.request('DELETE', STAGING + query);
      expect([refused.status, refused.body.error.details[0].path]).toEqual([400, 'confirm']);
      expect(refused.body.error.message).toContain('add ?confirm=staging');
      expect((await evaluate(server, key)).status).toBe(200);
      const trpc = await server.request('POST', '/trpc/environments.delete', {
        body: { key: 'staging' },
      });
      expect(trpc.status).toBe(400);
    },
  );

  it('that does not exist is not found, confirmed or not', async () => {
    await using server = await startServer();
    for (const query of ['', '?confirm=staging'])
      expect((await server.request('DELETE', STAGING + query)).status).toBe(404);
  });

  it('is deleted with its keys at once, and its streams end', async () => {
    await using server = await startServer();
    const key = await createStaging(server);
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    await stream.next();
    expect((await remove(server)).status).toBe(204);
    expect((await evaluate(server, key)).status).toBe(401);
    for (let event = await stream.next(); event !== undefined; event = await stream.next())
      expect(event.event).toBe('heartbeat');
    const { body } = await server.request('GET', '/api/v1/environments');
    expect(body.items).toHaveLength(2);
    expect((await server.request('GET', '/api/v1/flags?environment=staging')).status).toBe(404);
  });
});

describe('a deleted environment', () => {
  it('is listed with its times, to keys of all environments only', async () => {
    await using server = await startServer({ clock: createFakeClock() });
    await createStaging(server);
    expect(await deleted(server)).toEqual([]);
    await remove(server);
    expect(await deleted(server)).toEqual([
      {
        key: 'staging',
        createdAt: '2026-01-31T12:00:00.000Z',
        deletedAt: '2026-01-31T12:00:00.000Z',
        purgeAt: '2026-03-02T12:00:00.000Z',
      },
    ]);
    expect(await deleted(server, { key: await server.keyOf('viewer') })).toEqual([]);
    expect(await deleted(server, { key: await server.keyOf('viewer', '*') })).toHaveLength(1);
  });

  it('is restored with its flags, their versions, and its keys', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const key = await createStaging(server);
    const before = await server.request('GET', '/api/v1/flags/f?environment=staging');
    await remove(server);
    clock.jump(30 * DAY_MS - 1);
    const restored = await restore(server);
    expect([restored.status, restored.body.key]).toEqual([200, 'staging']);
    expect((await evaluate(server, key)).status).toBe(200);
    const after = await server.request('GET', '/api/v1/flags/f?environment=staging');
    expect([after.body, after.headers['etag']]).toEqual([before.body, before.headers['etag']]);
    const versions = await server.request('GET', '/api/v1/flags/f/versions?environment=staging');
    expect(versions.body.items).toHaveLength(1);
    expect(await deleted(server)).toEqual([]);
    const { items } = (await server.request('GET', '/api/v1/audit?environment=*&limit=2')).body;
    expect(items.map(({ action }: { action: string }) => action)).toEqual([
      'key.create',
      'environment.restore',
    ]);
    clock.jump(DAY_MS);
    expect((await evaluate(server, key)).status).toBe(200);
  });

  it('is restored by admins of all environments only', async () => {
    await using server = await startServer();
    await createStaging(server);
    await remove(server);
    const statusFor = async (key: string) =>
      (await server.request('POST', `${STAGING}/restore`, { key })).status;
    expect(await statusFor(await server.keyOf('admin'))).toBe(403);
    expect(await statusFor(await server.keyOf('editor', '*'))).toBe(403);
    expect(await statusFor(await server.keyOf('admin', '*'))).toBe(200);
  });

  it('is not restored if it exists or never did', async () => {
    await using server = await startServer();
    expect((await restore(server)).status).toBe(404);
    await createStaging(server);
    expect((await restore(server)).status).toBe(409);
    expect((await server.request('POST', `${STAGING}/restore`, { body: { x: 1 } })).status).toBe(
      400,
    );
  });

  it('can be replaced by a new one, and is restored once that is deleted', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const key = await createStaging(server);
    await remove(server);
    clock.advance(1_000);
    await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    expect((await server.request('GET', '/api/v1/flags?environment=staging')).body.items).toEqual(
      [],
    );
    const [{ deletedAt }] = await deleted(server);
    const refused = await restore(server, `?deletedAt=${deletedAt}`);
    expect(refused.status).toBe(409);
    expect(refused.body.error.message).toContain(
      `delete it, then restore with ?deletedAt=${deletedAt}`,
    );
    await remove(server);
    expect(await deleted(server)).toHaveLength(2);
    expect((await restore(server, `?deletedAt=${deletedAt}`)).status).toBe(200);
    expect((await evaluate(server, key)).status).toBe(200);
    expect(await deleted(server)).toHaveLength(1);
  });

  it('is not restored if one of its keys was imported in the meantime', async () => {
    await using server = await startServer();
    await createStaging(server);
    const exported = (await server.request('GET', '/api/v1/export')).body;
    await remove(server);
    const keys = exported.keys.map((key: object) => ({ ...key, environment: 'production' }));
    const body = { formatVersion: exported.formatVersion, environments: [], keys };
    expect((await server.request('POST', '/api/v1/import', { body })).status).toBe(200);
    const refused = await restore(server);
    expect(refused.status).toBe(409);
    expect(refused.body.error.message).toContain('revoke it first');
  });
});

describe('after 30 days a deleted environment', () => {
  /** Resolves once all due purges are complete. */
  const purged = async (store: Store) => {
    for (let turn = 0; turn < 1_000; turn += 1) {
      const { deletedEnvironments } = (await store.read(CONTROL_LEDGER))?.records ?? {};
      const all = [...(deletedEnvironments?.values() ?? [])].map(({ document }) => document);
      if (all.every(({ isCleared }) => isCleared === true)) return all;
      await new Promise(resolve => setImmediate(resolve));
    }
    throw new Error('not purged');
  };

  const startOn = (data: MemoryData, clock: FakeClock, wrap = (store: Store) => store) =>
    startServer({ clock, wrapStore: () => wrap(openMemoryStore({ random: secureRandom, data })) });

  const purges = async (server: TestServer) =>
    (await server.request('GET', '/api/v1/audit?environment=*&action=environment.purge')).body
      .items;

  it('is purged, cannot be restored, and keeps the audit log of its flags', async () => {
    const clock = createFakeClock();
    const data: MemoryData = new Map();
    await using server = await startOn(data, clock);
    await createStaging(server);
    await server.request('DELETE', '/api/v1/flags/f?environment=staging');
    await remove(server);
    clock.jump(30 * DAY_MS);
    const [document] = await purged(openMemoryStore({ random: secureRandom, data }));
    expect(document).toMatchObject({ keys: [], purgedAt: '2026-03-02T12:00:00.000Z' });
    expect(await deleted(server)).toEqual([]);
    const refused = await restore(server);
    expect(refused.status).toBe(404);
    expect(refused.body.error.message).toContain('can no longer be restored');
    expect(await purges(server)).toMatchObject([{ key: 'staging', actor: { id: 'system' } }]);
    for (const environment of ['staging', '*']) {
      const log = await server.request('GET', `/api/v1/audit?environment=${environment}&flag=f`);
      expect(log.body.items.map(({ action }: { action: string }) => action)).toEqual([
        'flag.delete',
        'flag.create',
      ]);
    }
    const ledger = { kind: 'flagSet', id: document?.environment.ledger ?? '' } as const;
    const store = openMemoryStore({ random: secureRandom, data });
    expect((await store.read(ledger))?.records.flags.size).toBe(0);
    expect(await store.versions(ledger, 'flags', { key: 'f', limit: 5 })).toEqual([]);
    await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    expect((await server.request('GET', '/api/v1/flags?environment=staging')).status).toBe(200);
  });

  it('is purged by a server that starts later', async () => {
    const clock = createFakeClock();
    const data: MemoryData = new Map();
    const first = await startOn(data, clock);
    await createStaging(first);
    await remove(first);
    await first.close();
    clock.jump(31 * DAY_MS);
    await using second = await startOn(data, clock);
    await purged(openMemoryStore({ random: secureRandom, data }));
    expect(await purges(second)).toHaveLength(1);
  });

  it('is purged once and completely, whichever step of the purge fails', async () => {
    for (const failing of ['before', 'after'] as const) {
      const clock = createFakeClock();
      const data: MemoryData = new Map();
      let fails = true;
      await using server = await startOn(data, clock, store => ({
        ...store,
        async clear(ledger) {
          if (fails && failing === 'before') throw new Error('fails');
          await store.clear(ledger);
          if (fails) throw new Error('fails');
        },
      }));
      await createStaging(server);
      await remove(server);
      clock.jump(30 * DAY_MS);
      const store = openMemoryStore({ random: secureRandom, data });
      await expect(purged(store)).rejects.toThrow('not purged');
      expect((await restore(server)).status).toBe(404);
      expect(server.logs()).toContain('a deleted environment is not purged yet');
      fails = false;
      clock.jump(60_000);
      await purged(store);
      expect(await purges(server)).toHaveLength(1);
    }
  });
});
