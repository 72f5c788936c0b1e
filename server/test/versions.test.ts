import { describe, expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import type { TestResponse, TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];

/** How the test writes each kind of resource. */
const KINDS = [
  { path: '/flags/x', list: '/flags', kind: 'flag', body: { key: 'x', enabled: false } },
  { path: '/segments/x', list: '/segments', kind: 'segment', body: { key: 'x', conditions } },
] as const;

const numbers = ({ body }: TestResponse) =>
  body.items.map(({ version }: { version: number }) => version);

const listed = async (server: TestServer, path: string, query = 'limit=200') =>
  numbers(await server.api('GET', `${path}/versions?${query}`));

/** Creates the flag `f` and changes its description until it has `count` versions. */
const writeVersions = async (server: TestServer, count: number) => {
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
  for (let version = 2; version <= count; version += 1)
    await server.api('PATCH', '/flags/f', { body: { description: `version ${version}` } });
};

describe.each(KINDS)('the versions of a $kind', ({ path, list, kind, body }) => {
  it('are listed newest first: who, when, how and what changed', async () => {
    const clock = createFakeClock();
    await using server = await startServer({ clock });
    const editor = await server.keyOf('editor');
    await server.request('POST', `/api/v1${list}`, { key: editor, body });
    clock.advance(60_000);
    await server.api('PATCH', path, {
      body: { description: 'second', tags: ['a'] },
      headers: { 'x-on-behalf-of': 'ada@example.com' },
    });
    const { status, body: page } = await server.api('GET', `${path}/versions`);
    expect([status, page]).toEqual([
      200,
      {
        items: [
          {
            version: 2,
            at: '2026-01-31T12:01:00.000Z',
            actor: { kind: 'key', id: 'admin', name: 'admin', onBehalfOf: 'ada@example.com' },
            action: `${kind}.update`,
            changed: ['description', 'tags'],
          },
          {
            version: 1,
            at: '2026-01-31T12:00:00.000Z',
            actor: { kind: 'key', id: expect.any(String), name: 'editor of production' },
            action: `${kind}.create`,
            changed: expect.arrayContaining(['key']),
          },
        ],
        nextCursor: null,
      },
    ]);
  });

  it('are read with the whole document as it was', async () => {
    await using server = await startServer();
    await server.api('POST', list, { body });
    const first = await server.api('GET', path);
    await server.api('PATCH', path, { body: { description: 'second' } });
    const second = await server.api('GET', path);
    await server.api('DELETE', path);
    const read = async (version: number) => server.api('GET', `${path}/versions/${version}`);
    expect((await read(1)).body.document).toEqual(first.body);
    expect((await read(2)).body).toMatchObject({
      version: 2,
      action: `${kind}.update`,
      changed: ['description'],
      document: second.body,
    });
  });

  it('are compared from the older to the newer one, by default with the one before', async () => {
    await using server = await startServer();
    await server.api('POST', list, { body });
    await server.api('PATCH', path, { body: { description: 'second' } });
    await server.api('PATCH', path, { body: { name: 'third' } });
    const diff = async (query: string) =>
      (await server.api('GET', `${path}/versions/${query}`)).body;
    const description = { path: 'description', before: null, after: 'second' };
    const name = { path: 'name', before: null, after: 'third' };
    expect(await diff('3/diff')).toEqual({
      key: 'x',
      environment: 'production',
      from: 2,
      to: 3,
      differences: [name],
    });
    const both = { from: 1, to: 3, differences: expect.arrayContaining([description, name]) };
    expect(await diff('3/diff?with=1')).toMatchObject(both);
    expect(await diff('1/diff?with=3')).toMatchObject(both);
    expect(await diff('2/diff?with=2')).toMatchObject({ from: 2, to: 2, differences: [] });
    expect(await diff('1/diff')).toMatchObject({ from: null, to: 1 });
  });

  it('are brought back as a new version', async () => {
    await using server = await startServer();
    const first = await server.api('POST', list, { body });
    await server.api('PATCH', path, { body: { description: 'second', name: 'second' } });
    const reverted = await server.api('POST', `${path}/revert`, { body: { version: 1 } });
    expect(reverted.status).toBe(200);
    const { etag, ...current } = { ...(await server.api('GET', path)).body, etag: '' };
    expect(reverted.body).toEqual(current);
    expect([reverted.headers['etag'], etag]).toEqual([expect.stringMatching(/^"/), '']);
    expect(current).toEqual({
      ...first.body,
      version: 3,
      createdAt: first.body.createdAt,
      updatedAt: expect.any(String),
    });
    const { items } = (await server.api('GET', '/audit?limit=1')).body;
    expect(items[0]).toMatchObject({
      action: `${kind}.revert`,
      key: 'x',
      before: { version: 2, name: 'second' },
      after: current,
    });
    expect(await listed(server, path)).toEqual([3, 2, 1]);
  });

  it('are brought back after the deletion, and continue their numbers', async () => {
    await using server = await startServer();
    const first = await server.api('POST', list, { body });
    await server.api('PATCH', path, { body: { description: 'second' } });
    await server.api('DELETE', path);
    expect(await listed(server, path)).toEqual([2, 1]);
    const reverted = await server.api('POST', `${path}/revert`, { body: { version: 1 } });
    expect([reverted.status, reverted.body.version]).toEqual([200, 3]);
    const { version: _v, createdAt: _c, updatedAt: _u, ...content } = reverted.body;
    expect(first.body).toMatchObject(content);
    expect((await server.api('GET', path)).body).toEqual(reverted.body);
  });

  it('continue their numbers if the key is deleted and created again, however often', async () => {
    await using server = await startServer();
    for (const version of [1, 2, 3]) {
      const made = await server.api('POST', list, { body: { ...body, description: `${version}` } });
      expect([made.status, made.body.version]).toEqual([201, version]);
      await server.api('DELETE', path);
    }
    for (const version of [1, 2, 3])
      expect((await server.api('GET', `${path}/versions/${version}`)).body.document).toMatchObject({
        version,
        description: `${version}`,
      });
  });

  it('are written by copies, in the environment that is copied into', async () => {
    await using server = await startServer();
    const elsewhere = async (method: 'GET' | 'POST' | 'DELETE', rest: string, sent?: object) =>
      server.request(method, `/api/v1${rest}?environment=development`, sent && { body: sent });
    await server.api('POST', list, { body });
    await server.api('PATCH', path, { body: { description: 'second' } });
    await elsewhere('POST', list, body);
    await elsewhere('DELETE', path);
    await server.api('POST', `${path}/copy`, { body: { to: 'development' } });
    const { items } = (await elsewhere('GET', `${path}/versions`)).body;
    expect(items).toMatchObject([
      { version: 2, action: `${kind}.copy`, changed: ['description'] },
      { version: 1, action: `${kind}.create` },
    ]);
    expect(await listed(server, path)).toEqual([2, 1]);
  });

  it('do not exist for a key that never existed, nor for a number that was not used', async () => {
    await using server = await startServer();
    await server.api('POST', list, { body });
    const send = async (method: 'GET' | 'POST', rest: string, sent?: object) => {
      const response = await server.api(method, rest, sent && { body: sent });
      return [response.status, response.body.error?.message];
    };
    const unknown = [404, `${kind} "ghost" does not exist in environment "production"`];
    const ghost = `${list}/ghost`;
    expect(await send('GET', `${ghost}/versions`)).toEqual(unknown);
    expect(await send('GET', `${ghost}/versions/1`)).toEqual(unknown);
    expect(await send('GET', `${ghost}/versions/1/diff`)).toEqual(unknown);
    expect(await send('POST', `${ghost}/revert`, { version: 1 })).toEqual(unknown);
    const unused = [404, `${kind} "x" has no version 7: the last one is 1`];
    expect(await send('GET', `${path}/versions/7`)).toEqual(unused);
    expect(await send('GET', `${path}/versions/1/diff?with=7`)).toEqual(unused);
    expect(await send('POST', `${path}/revert`, { version: 7 })).toEqual(unused);
    for (const version of ['0', '-1', '1.5', 'one', '99999999999999999999'])
      expect((await send('GET', `${path}/versions/${version}`))[0]).toBe(400);
    for (const sent of [{}, { version: '1' }, { version: 0 }, { version: 1, bogus: true }])
      expect((await send('POST', `${path}/revert`, sent))[0]).toBe(400);
  });
});

describe('versions', () => {
  it('are listed in pages that do not change while versions are added', async () => {
    await using server = await startServer();
    await writeVersions(server, 7);
    const first = await server.api('GET', '/flags/f/versions?limit=3');
    expect(numbers(first)).toEqual([7, 6, 5]);
    expect(first.body.items[2].changed).toEqual(['description']);
    await server.api('PATCH', '/flags/f', { body: { description: 'version 8' } });
    const next = `limit=3&cursor=${first.body.nextCursor}`;
    const second = await server.api('GET', `/flags/f/versions?${next}`);
    expect(numbers(second)).toEqual([4, 3, 2]);
    const third = await server.api(
      'GET',
      `/flags/f/versions?limit=3&cursor=${second.body.nextCursor}`,
    );
    expect([numbers(third), third.body.nextCursor]).toEqual([[1], null]);
    await server.api('POST', '/flags', { body: { key: 'g', enabled: true } });
    expect((await server.api('GET', `/flags/g/versions?${next}`)).status).toBe(400);
  });

  it('of a flag are evaluated again once they are brought back', async () => {
    await using server = await startServer();
    await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
    await server.api('PATCH', '/flags/f', { body: { defaultVariant: 'off' } });
    const evaluate = async () =>
      (await server.api('POST', '/evaluate', { body: { flagKey: 'f', context: {} } })).body.variant;
    expect(await evaluate()).toBe('off');
    await server.api('POST', '/flags/f/revert', { body: { version: 1 } });
    expect(await evaluate()).toBe('on');
  });

  it('are brought back only if If-Match has the current tag', async () => {
    await using server = await startServer();
    await writeVersions(server, 2);
    const old = String((await server.api('GET', '/flags/f')).headers['etag']);
    await server.api('PATCH', '/flags/f', { body: { description: 'third' } });
    const revert = async (ifMatch: string) =>
      server.api('POST', '/flags/f/revert', {
        body: { version: 1 },
        headers: { 'if-match': ifMatch },
      });
    const current = String((await server.api('GET', '/flags/f')).headers['etag']);
    const refused = await revert(old);
    expect([refused.status, refused.headers['etag']]).toEqual([412, current]);
    expect((await revert(current)).body.version).toBe(4);
    await server.api('DELETE', '/flags/f');
    expect((await revert('*')).status).toBe(412);
    expect((await server.api('GET', '/flags/f')).status).toBe(404);
  });

  it('are not added by bringing back what is current', async () => {
    await using server = await startServer();
    await writeVersions(server, 2);
    const current = await server.api('GET', '/flags/f');
    const reverted = await server.api('POST', '/flags/f/revert', { body: { version: 2 } });
    expect([reverted.status, reverted.body]).toEqual([200, current.body]);
    expect(reverted.headers['etag']).toBe(current.headers['etag']);
    expect(await listed(server, '/flags/f')).toEqual([2, 1]);
  });

  it('that the current data does not allow are refused with the field and the remedy', async () => {
    await using server = await startServer();
    await server.api('POST', '/segments', { body: { key: 's', conditions } });
    const rules = [{ id: 'r', conditions: [{ segment: 's' }], variant: 'on' }];
    await server.api('POST', '/flags', { body: { key: 'f', enabled: true, rules } });
    await server.api('PATCH', '/flags/f', { body: { rules: [] } });
    await server.api('DELETE', '/segments/s');
    const refused = await server.api('POST', '/flags/f/revert', { body: { version: 1 } });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toMatch(
      /^version 1 of flag "f" cannot be brought back: .*rules\.0\.conditions\.0\.segment refers to segment "s", which does not exist.*Bring back what it refers to first, or write the flag with PUT$/,
    );
    expect(refused.body.error.details[0].path).toMatch(/^rules/);
    await server.api('POST', '/segments/s/revert', { body: { version: 1 } });
    const allowed = await server.api('POST', '/flags/f/revert', { body: { version: 1 } });
    expect([allowed.status, allowed.body.rules]).toEqual([200, expect.objectContaining({})]);
  });

  it('of another type are refused', async () => {
    await using server = await startServer();
    await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
    await server.api('DELETE', '/flags/f');
    const body = { key: 'f', type: 'string', variants: { a: 'a' }, defaultVariant: 'a' };
    await server.api('POST', '/flags', { body: { ...body, enabled: true } });
    const refused = await server.api('POST', '/flags/f/revert', { body: { version: 1 } });
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, 'type']);
  });

  it('are read by readers, and brought back by editors', async () => {
    await using server = await startServer();
    await writeVersions(server, 2);
    const [viewer, editor] = [await server.keyOf('viewer'), await server.keyOf('editor')];
    const statusOf = async (method: 'GET' | 'POST', path: string, key: string) => {
      const sent = method === 'GET' ? { key } : { key, body: { version: 1 } };
      return (await server.request(method, `/api/v1/flags/f${path}`, sent)).status;
    };
    expect(await statusOf('GET', '/versions', viewer)).toBe(200);
    expect(await statusOf('GET', '/versions/1', viewer)).toBe(200);
    expect(await statusOf('POST', '/revert', viewer)).toBe(403);
    expect(await statusOf('POST', '/revert', editor)).toBe(200);
  });

  it('of two editors who bring back different versions at once are both kept', async () => {
    await using server = await startServer();
    await writeVersions(server, 3);
    const all = await Promise.all(
      [1, 2].map(async version => server.api('POST', '/flags/f/revert', { body: { version } })),
    );
    expect(new Set(all.map(({ body }) => body.version))).toEqual(new Set([4, 5]));
    expect(await listed(server, '/flags/f')).toEqual([5, 4, 3, 2, 1]);
  });
});

describe('an import', () => {
  it('adds versions of what it changes, after the last ones', async () => {
    await using server = await startServer();
    await writeVersions(server, 2);
    await server.api('POST', '/flags', { body: { key: 'same', enabled: true } });
    await server.api('POST', '/flags', { body: { key: 'gone', enabled: true } });
    const { body: exported } = await server.api('GET', '/export');
    await server.api('PATCH', '/flags/f', { body: { description: 'after the export' } });
    await server.api('DELETE', '/flags/gone');
    const importNow = async () =>
      server.request('POST', '/api/v1/import?overwrite=true', { body: exported });
    expect((await importNow()).status).toBe(200);
    const current = (await server.api('GET', '/flags/f')).body;
    expect(current).toMatchObject({ version: 4, description: 'version 2' });
    const { items } = (await server.api('GET', '/flags/f/versions')).body;
    expect(items[0]).toMatchObject({
      version: 4,
      action: 'environment.import',
      actor: { id: 'admin' },
      changed: ['description'],
    });
    expect((await server.api('GET', '/flags/f/versions/4')).body.document).toEqual(current);
    expect(await listed(server, '/flags/same')).toEqual([1]);
    expect(await listed(server, '/flags/gone')).toEqual([2, 1]);
    const again = await importNow();
    expect(again.body.environments).toMatchObject([{ outcome: 'unchanged', changes: [] }]);
  });

  it('into a new environment starts with the versions of the export, without their history', async () => {
    await using source = await startServer();
    await using target = await startServer();
    await writeVersions(source, 3);
    const { body } = await source.request('GET', '/api/v1/export');
    const environments = [{ ...body.environments[1], key: 'staging' }];
    const { formatVersion } = body;
    await target.request('POST', '/api/v1/import', { body: { formatVersion, environments } });
    const versions = await target.request('GET', '/api/v1/flags/f/versions?environment=staging');
    expect(numbers(versions)).toEqual([3]);
    const flag = await target.request('GET', '/api/v1/flags/f?environment=staging');
    expect(flag.body.version).toBe(3);
  });
});
