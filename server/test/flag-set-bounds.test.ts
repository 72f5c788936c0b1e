import { expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import type { Store } from '../src/store/store.ts';
import { startServer, type TestServer } from './support/server.ts';

const flagOf = (key: string, description = '') => ({ key, enabled: true, description });

const create = (server: TestServer, key: string, description = '') =>
  server.api('POST', '/flags', { body: flagOf(key, description) });

const keysIn = async (server: TestServer): Promise<string[]> =>
  Object.keys((await server.api('GET', '/flag-set')).body.flags);

/** Two servers on one store, with the same limits. */
const startTwo = async (limits: object) => {
  const store = openMemoryStore({ random: secureRandom });
  const wrapStore = (): Store => ({ ...store, close: async () => undefined });
  const a = await startServer({ limits, wrapStore });
  return { a, b: await startServer({ limits, wrapStore }) };
};

const exportOf = (...keys: readonly string[]) => ({
  formatVersion: 1,
  environments: [
    {
      key: 'imported',
      createdAt: '2026-01-01T00:00:00.000Z',
      flags: keys.map(key => ({
        ...flagOf(key),
        type: 'boolean',
        variants: { on: true, off: false },
        defaultVariant: 'on',
        rules: [],
        seed: key,
        clientVisible: false,
        metadata: {},
        version: 1,
        createdAt: '2026-01-01T00:00:00.000Z',
        updatedAt: '2026-01-01T00:00:00.000Z',
      })),
      segments: [],
    },
  ],
});

it('a flag beyond the bound is refused with 413, the figure and the setting', async () => {
  await using server = await startServer({ limits: { flags: 2 } });
  await create(server, 'a');
  await create(server, 'b');
  const refused = await create(server, 'c');
  expect(refused.status).toBe(413);
  expect(refused.body.error).toEqual({
    code: 'PAYLOAD_TOO_LARGE',
    message:
      'environment "production" would have 3 flags, and may have at most 2: delete what is no longer used, or raise PENNON_MAX_FLAGS',
  });
  expect((await server.api('DELETE', '/flags/a')).status).toBe(204);
  expect((await create(server, 'c')).status).toBe(201);
  expect(await keysIn(server)).toEqual(['b', 'c']);
});

it('a flag of a full flag set can be switched off and on, as often as needed', async () => {
  await using probe = await startServer({ limits: { flagSetBytes: 1_024 } });
  const refused = await create(probe, 'a', 'x'.repeat(1_000));
  const [, bytes] = /would have (\d+) bytes/.exec(refused.body.error.message) ?? [];
  await using server = await startServer({ limits: { flagSetBytes: Number(bytes) } });
  expect((await create(server, 'a', 'x'.repeat(1_000))).status).toBe(201);
  const longer = await server.api('PATCH', '/flags/a', {
    body: { description: 'x'.repeat(1_001) },
  });
  expect(longer.status).toBe(413);
  for (let time = 0; time < 12; time += 1) {
    const patched = await server.api('PATCH', '/flags/a', { body: { enabled: time % 2 === 1 } });
    expect(patched.status).toBe(200);
  }
});

it('segments have a bound of their own', async () => {
  await using server = await startServer({ limits: { segments: 1 } });
  const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];
  const post = (key: string) => server.api('POST', '/segments', { body: { key, conditions } });
  expect((await post('a')).status).toBe(201);
  const refused = await post('b');
  expect([refused.status, refused.body.error.message]).toEqual([
    413,
    expect.stringContaining('would have 2 segments, and may have at most 1'),
  ]);
});

it.each([
  ['POST', '/flags', flagOf('b', 'x'.repeat(2_000))],
  ['PUT', '/flags/b', { enabled: true, description: 'x'.repeat(2_000) }],
  ['PATCH', '/flags/a', { description: 'x'.repeat(2_000) }],
] as const)('bytes beyond the bound are refused: %s %s', async (method, path, body) => {
  await using server = await startServer({ limits: { flagSetBytes: 2_000 } });
  await create(server, 'a');
  const before = await server.api('GET', '/flag-set');
  const refused = await server.api(method, path, { body });
  expect([refused.status, refused.body.error.message]).toEqual([
    413,
    expect.stringMatching(
      /would have 2\d{3} bytes of flags and segments, and may have at most 2000: /,
    ),
  ]);
  expect((await server.api('GET', '/flag-set')).body).toEqual(before.body);
});

it('a flag set that exceeds a lowered bound is served, and can be changed unless it grows', async () => {
  const store = openMemoryStore({ random: secureRandom });
  const wrapStore = (): Store => ({ ...store, close: async () => undefined });
  await using large = await startServer({ wrapStore });
  for (const key of ['a', 'b', 'c']) await create(large, key, 'x'.repeat(500));
  await using server = await startServer({ wrapStore, limits: { flags: 1, flagSetBytes: 1_024 } });
  expect(await keysIn(server)).toEqual(['a', 'b', 'c']);
  const patch = (description: string) => server.api('PATCH', '/flags/a', { body: { description } });
  expect((await patch('x'.repeat(600))).status).toBe(413);
  expect((await patch('short')).status).toBe(200);
  expect((await create(server, 'd')).status).toBe(413);
  expect((await server.api('DELETE', '/flags/a')).status).toBe(204);
  expect(await keysIn(server)).toEqual(['b', 'c']);
});

it('concurrent writes of two servers never exceed a bound together', async () => {
  const { a, b } = await startTwo({ flags: 5 });
  const creations = Array.from({ length: 20 }, (_, i) => create(i % 2 === 0 ? a : b, `flag-${i}`));
  const statuses = (await Promise.all(creations)).map(({ status }) => status);
  expect(statuses.filter(status => status === 201)).toHaveLength(5);
  expect(statuses.filter(status => status === 413)).toHaveLength(15);
  expect(await keysIn(a)).toHaveLength(5);
  await Promise.all([a.close(), b.close()]);
});

it('an import at another server, and a change after it, are counted', async () => {
  const { a, b } = await startTwo({ flags: 3 });
  const importAtB = (...keys: readonly string[]) =>
    b.request('POST', '/api/v1/import?overwrite=true', { body: exportOf(...keys) });
  const createAt = async (server: TestServer, key: string) => {
    const body = flagOf(key);
    return (await server.request('POST', '/api/v1/flags?environment=imported', { body })).status;
  };
  expect((await importAtB('a')).status).toBe(200);
  expect(await createAt(a, 'b')).toBe(201);
  expect((await importAtB('c')).status).toBe(200);
  expect(await createAt(b, 'e')).toBe(201);
  expect(await createAt(a, 'f')).toBe(201);
  expect(await createAt(a, 'g')).toBe(413);
  await Promise.all([a.close(), b.close()]);
});

it('an import beyond the bound is refused before anything is written, into new and existing environments', async () => {
  await using server = await startServer({ limits: { flags: 2 } });
  const importOf = (...keys: readonly string[]) =>
    server.request('POST', '/api/v1/import?overwrite=true', { body: exportOf(...keys) });
  const read = () => server.request('GET', '/api/v1/flag-set?environment=imported');
  const refused = await importOf('a', 'b', 'c');
  expect([refused.status, refused.body.error.message]).toEqual([
    413,
    expect.stringContaining('environment "imported" would have 3 flags, and may have at most 2'),
  ]);
  expect((await read()).status).toBe(404);
  expect((await importOf('a', 'b')).status).toBe(200);
  expect((await importOf('a', 'b', 'c')).status).toBe(413);
  expect(Object.keys((await read()).body.flags)).toEqual(['a', 'b']);
});
