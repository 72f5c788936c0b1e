import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Store } from '../src/store/store.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startServer, type RequestOptions, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

/** Tests named contexts. `openStore` opens an empty store. */
export const describeContexts = (name: string, openStore: () => Store | Promise<Store>): void => {
  describe(`named contexts with ${name}`, () => {
    const ada = { targetingKey: 'ada', plan: 'pro' };
    let server: TestServer;
    let store: Store;
    let clock: FakeClock;
    beforeEach(async () => {
      clock = createFakeClock();
      store = await openStore();
      server = await startServer({
        store,
        clock,
        limits: { requestsPerSecond: 0 },
      });
    });
    afterEach(() => server.close());

    const list = async (options: RequestOptions = {}) => server.api('GET', '/contexts', options);
    const save = (key: string, body: object, options: RequestOptions = {}) =>
      server.api('PUT', `/contexts/${key}`, { body, ...options });
    const keysOf = async () => (await list()).body.items.map(({ key }: { key: string }) => key);

    it('are saved, replaced and deleted, each in its environment', async () => {
      expect((await list()).body).toEqual({ items: [], nextCursor: null });
      const saved = await save('ada', { name: 'Ada, pro', context: ada });
      const expected = { key: 'ada', name: 'Ada, pro', context: ada };
      expect([saved.status, saved.body]).toMatchObject([200, expected]);
      await save('bob', { context: { targetingKey: 'bob', deep: { list: [1, null, 'ß'] } } });
      expect((await list()).body.items).toMatchObject([
        saved.body,
        { key: 'bob', context: { deep: { list: [1, null, 'ß'] } } },
      ]);
      const replaced = await save('ada', { context: {} });
      expect(replaced.body).not.toHaveProperty('name');
      expect((await list()).body.items[0]).toEqual(replaced.body);
      const other = await server.request('GET', '/api/v1/contexts?environment=development');
      expect(other.body.items).toEqual([]);
      expect((await server.api('DELETE', '/contexts/ada')).status).toBe(204);
      expect(await keysOf()).toEqual(['bob']);
      const again = await server.api('DELETE', '/contexts/bobs');
      expect([again.status, again.body.error.message]).toEqual([
        404,
        'there is no named context "bobs"; did you mean "bob"?',
      ]);
    });

    it('are read by viewers and written by editors, and by no application', async () => {
      const key = await server.keyOf('viewer');
      await save('ada', { context: ada }, { key: await server.keyOf('editor') });
      expect((await list({ key })).body.items).toHaveLength(1);
      expect((await save('bob', { context: ada }, { key })).status).toBe(403);
      for (const role of ['server', 'client'] as const)
        expect((await list({ key: await server.keyOf(role) })).status).toBe(403);
    });

    it('change nothing that applications follow', async () => {
      const url = await server.listen();
      const key = await server.keyOf('server');
      const stream = await openSse(`${url}/api/v1/flag-set/stream`, { key });
      const before = await stream.next();
      await save('ada', { context: ada });
      await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
      expect(await stream.next()).toMatchObject({ data: { previous: before?.id, revision: 2 } });
      stream.close();
      const exported = await server.request('GET', '/api/v1/export');
      expect(exported.text).not.toContain('targetingKey');
    });

    it('are written one after another, at most 200', async () => {
      const keys = Array.from({ length: 10 }, (_, index) => `c${index}`);
      const saved = await Promise.all(keys.map(each => save(each, { context: ada })));
      expect(saved.map(({ status }) => status)).toEqual(keys.map(() => 200));
      expect(await keysOf()).toEqual(keys);
      for (let index = keys.length; index < 200; index += 1)
        await save(`c${index}`, { context: {} });
      const refused = await save('more', { context: {} });
      expect([refused.status, refused.body.error.message]).toEqual([
        409,
        'an environment has at most 200 named contexts: delete one first',
      ]);
      expect((await save('c0', { context: {} })).status).toBe(200);
      const first = (await server.api('GET', '/contexts?limit=150')).body;
      const rest = await server.api('GET', `/contexts?limit=150&cursor=${first.nextCursor}`);
      expect([first.items.length, rest.body.items.length]).toEqual([150, 50]);
    });

    it('stay with a deleted environment that is restored, and a new one has none', async () => {
      await save('ada', { context: ada });
      const environments = '/api/v1/environments';
      await server.request('DELETE', `${environments}/production?confirm=production`);
      clock.advance(1_000);
      await server.request('POST', environments, { body: { key: 'production' } });
      expect(await keysOf()).toEqual([]);
      await server.request('DELETE', `${environments}/production?confirm=production`);
      const { items } = (await server.request('GET', `${environments}?deleted=true`)).body;
      const [{ deletedAt }] = items;
      await server.request('POST', `${environments}/production/restore?deletedAt=${deletedAt}`);
      expect(await keysOf()).toEqual(['ada']);
    });

    it.each<readonly [string, object, string, string]>([
      ['without a context', {}, 'context', 'is missing'],
      ['with text as the context', { context: 'ada' }, 'context', ''],
      ['that are too large', { context: { text: 'x'.repeat(16_400) } }, 'context', '16 KiB'],
      ['with two lines as the name', { context: {}, name: 'a\nb' }, 'name', 'one line'],
      ['with another key in the body', { context: {}, key: 'b' }, 'key', 'as in the path'],
    ])('%s are refused', async (_, body, path, part) => {
      const refused = await save('a', body);
      expect([refused.status, refused.body.error.details[0].path]).toEqual([400, path]);
      expect(refused.body.error.details[0].message).toContain(part);
    });
  });
};
