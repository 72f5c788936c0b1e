import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const send = (path: string, body: unknown, key = ADMIN_KEY) =>
  server.request('POST', path, { key, body });

describe('a large import', () => {
  it('may be up to 64 MiB, over REST and tRPC', async () => {
    // Blanks are parsed faster than anything else. A body that fits is an import without its fields: 400.
    const fits = `${' '.repeat(64 * 1_048_576 - 2)}{}`;
    for (const path of ['/api/v1/import', '/trpc/transfer.import']) {
      const post = (text: string) => server.request('POST', path, { text });
      expect((await post(fits)).status).toBe(400);
      expect((await post(` ${fits}`)).status).toBe(413);
    }
  });

  const flags = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      key: `flag-${String(i).padStart(3, '0')}`,
      type: 'boolean',
      enabled: true,
      variants: { on: true, off: false },
      defaultVariant: 'off',
      description: 'x'.repeat(1_000),
      clientVisible: false,
      rules: [],
      tags: [],
      metadata: {},
      seed: `flag-${i}`,
      version: 1,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    }));
  const document = (key: string, contents: object) => ({
    formatVersion: 1,
    environments: [
      { key, createdAt: '2026-01-01T00:00:00.000Z', flags: [], segments: [], ...contents },
    ],
  });
  it('reports the first changes, up to a number and a size, and counts the others', async () => {
    const reportOf = async (key: string, contents: object, query: string) => {
      const imported = await send(`/api/v1/import?${query}`, document(key, contents));
      expect(imported.status).toBe(200);
      const [{ changes, moreChanges }] = imported.body.environments;
      return { listed: changes.length, moreChanges, bytes: imported.text.length };
    };
    const created = await reportOf('reported', { flags: flags(1_200) }, 'dryRun=true');
    expect(created).toMatchObject({ listed: 1_000, moreChanges: 200 });
    await reportOf('reported', { flags: flags(1_000) }, '');
    const changed = flags(1_000).map(flag => ({ ...flag, description: 'y'.repeat(2_000) }));
    const report = await reportOf('reported', { flags: changed }, 'overwrite=true');
    expect(report.listed + report.moreChanges).toBe(1_000);
    expect(report.listed).toBeGreaterThan(200);
    expect(report.bytes).toBeLessThan(1_100_000);
  });

  const nulls = (count: number) => Array.from({ length: count }, () => null);

  it('is checked in a thread, over REST and tRPC, alone and in a batch', async () => {
    const body = document('large', { flags: flags(300) });
    const imported = await send('/api/v1/import', body);
    expect([imported.status, imported.body.error]).toEqual([200, undefined]);
    const stored = (await server.request('GET', '/api/v1/export')).body;
    expect(stored.environments).toContainEqual(body.environments[0]);
    const options = { dryRun: true, overwrite: true };
    const changed = { ...document('large', { flags: flags(299) }), ...options };
    const report = {
      dryRun: true,
      environments: [{ key: 'large', outcome: 'overwrite', changes: [{ key: 'flag-299' }] }],
    };
    const alone = await send('/trpc/transfer.import', changed);
    expect(alone.body.result.data).toMatchObject(report);
    const batch = await send('/trpc/transfer.import?batch=1', { 0: changed });
    expect(batch.body[0].result.data).toMatchObject(report);
    const two = await send('/trpc/transfer.import,transfer.import?batch=1', {
      0: changed,
      1: changed,
    });
    expect(two.body).toMatchObject([{ result: { data: report } }, { result: { data: report } }]);
  });

  it('with very many problems lists the first and counts up to 1,000', async () => {
    const refused = await send('/api/v1/import', document('production', { flags: nulls(50_000) }));
    expect(refused.status).toBe(400);
    const { details } = refused.body.error;
    expect(details).toHaveLength(21);
    expect(details[0].path).toBe('environments.0.flags.0');
    expect(details[20]).toEqual({ path: '', message: 'has at least 980 more problems' });
  });

  it.each([
    ['JSON values', () => document('production', { flags: [nulls(5_000_001)] })],
    ['flags or segments in one environment', () => document('x', { flags: nulls(50_001) })],
    ['environments', () => ({ formatVersion: 1, environments: nulls(1_001) })],
    ['keys', () => ({ formatVersion: 1, environments: [], keys: nulls(10_001) })],
    [
      'names in one object',
      () => Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`name${i}`, 0])),
    ],
    ['bytes in one flag or segment', () => document('x', { flags: ['y'.repeat(1_100_000)] })],
  ])('is refused if it has too many %s', async (what, body) => {
    const refused = await send('/api/v1/import', body());
    expect([refused.status, refused.body.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(refused.body.error.message).toContain(what);
  });

  it('is refused if it is nested too deeply', async () => {
    const text = '['.repeat(100_000);
    expect((await server.request('POST', '/api/v1/import', { text })).status).toBe(413);
  });

  it('of others than the own environment is refused before its content is checked', async () => {
    const admin = await server.keyOf('admin', 'development');
    const refused = await send(
      '/api/v1/import',
      document('production', { flags: nulls(50_000) }),
      admin,
    );
    expect([refused.status, refused.body.error.code]).toEqual([403, 'FORBIDDEN']);
  });
});
