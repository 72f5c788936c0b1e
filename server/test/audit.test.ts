import { expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer } from './support/server.ts';

const actions = (response: { body: { items: { action: string; key: string }[] } }) =>
  response.body.items.map(({ action, key }) => `${action} ${key}`);

it('records one entry per change: who, when, what, before and after', async () => {
  await using server = await startServer({ clock: createFakeClock() });
  const editor = await server.keyOf('editor');
  const made = await server.request('POST', '/api/v1/flags', {
    key: editor,
    body: { key: 'f', enabled: true },
    headers: { 'x-on-behalf-of': 'ada@example.com' },
  });
  const patched = await server.api('PATCH', '/flags/f', { body: { enabled: false } });
  await server.api('DELETE', '/flags/f');
  const { body } = await server.api('GET', '/audit');
  expect(actions({ body })).toEqual([
    'flag.delete f',
    'flag.update f',
    'flag.create f',
    expect.stringMatching(/^key\.create /),
  ]);
  expect(body.items[2]).toEqual({
    id: expect.any(String),
    at: '2026-01-31T12:00:00.000Z',
    actor: { id: expect.any(String), name: 'editor of production', onBehalfOf: 'ada@example.com' },
    action: 'flag.create',
    environment: 'production',
    kind: 'flag',
    key: 'f',
    revision: expect.any(Number),
    before: null,
    after: made.body,
  });
  expect(body.items[1]).toMatchObject({
    actor: { id: 'admin' },
    before: made.body,
    after: patched.body,
  });
  expect(body.items[0]).toMatchObject({ before: patched.body, after: null });
});

it('records nothing for a rejected change', async () => {
  await using server = await startServer();
  await server.api('POST', '/flags', { body: { key: 'f', enabled: 'yes' } });
  await server.api('PATCH', '/flags/ghost', { body: { enabled: true } });
  expect((await server.api('GET', '/audit')).body.items).toEqual([]);
});

it('filters by flag, segment, actor, action and time, and pages', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  const editor = await server.keyOf('editor');
  const conditions = [{ attribute: 'a', operator: 'exists' }];
  await server.request('POST', '/api/v1/flags', {
    key: editor,
    body: { key: 'one', enabled: true },
  });
  clock.advance(60_000);
  await server.api('POST', '/segments', { body: { key: 'one', conditions } });
  await server.api('POST', '/flags', { body: { key: 'two', enabled: true } });
  await server.api('PATCH', '/flags/two', { body: { enabled: false } });
  const found = async (query: string) => actions(await server.api('GET', `/audit?${query}`));
  expect(await found('flag=one')).toEqual(['flag.create one']);
  expect(await found('segment=one')).toEqual(['segment.create one']);
  expect(await found('actor=editor%20of%20production')).toEqual(['flag.create one']);
  expect(await found('action=flag.create')).toEqual(['flag.create two', 'flag.create one']);
  expect(await found('until=2026-01-31T12:00:30Z')).toEqual([
    'flag.create one',
    expect.stringMatching(/^key\.create /),
  ]);
  expect(await found('from=2026-01-31T12:01:00Z&action=flag.update')).toEqual(['flag.update two']);
  const first = await server.api('GET', '/audit?limit=3');
  const second = await server.api('GET', `/audit?limit=3&cursor=${first.body.nextCursor}`);
  expect([...actions(first), ...actions(second)]).toEqual(await found('limit=200'));
  expect(second.body.nextCursor).toBeNull();
});

it.each([
  'limit=0',
  'limit=201',
  'cursor=abc',
  'action=flag.explode',
  'from=yesterday',
  'flag=a&segment=b',
  'who=me',
])('rejects the query ?%s', async query => {
  await using server = await startServer();
  expect((await server.api('GET', `/audit?${query}`)).status).toBe(400);
});

it('lists changes of environments and keys only for keys of all environments', async () => {
  await using server = await startServer();
  await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
  const viewer = await server.keyOf('viewer');
  const log = await server.request('GET', '/api/v1/audit?environment=*');
  expect(actions(log).slice(0, 2)).toEqual([
    expect.stringMatching(/^key\.create /),
    'environment.create staging',
  ]);
  expect((await server.request('GET', '/api/v1/audit?environment=*', { key: viewer })).status).toBe(
    403,
  );
});

it("lists the changes of an environment's keys together with those of its flags", async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  const admin = await server.keyOf('admin', 'development');
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) {
    clock.advance(1_000);
    const body = { name: 'v', role: 'viewer', environment: 'development' };
    ids.push((await server.request('POST', '/api/v1/keys', { key: admin, body })).body.id);
    await server.keyOf('viewer', 'production');
    await server.request('POST', '/api/v1/flags', {
      key: admin,
      body: { key: `f${i}`, enabled: true },
    });
  }
  await server.request('DELETE', `/api/v1/keys/${ids[0]}`, { key: admin });
  const log = async (query: string) =>
    server.request('GET', `/api/v1/audit?${query}`, { key: admin });
  const whole = await log('limit=200');
  expect(actions(whole)).toHaveLength(12);
  expect(actions(whole)[0]).toMatch(/^flag\.create f4|^key\.delete/);
  expect(whole.body.items.map(({ at }: { at: string }) => at)).toEqual(
    whole.body.items
      .map(({ at }: { at: string }) => at)
      .toSorted()
      .toReversed(),
  );
  const paged: unknown[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Awaited<ReturnType<typeof log>> = await log(
      `limit=5${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    paged.push(...page.body.items);
    cursor = page.body.nextCursor;
  }
  expect(paged).toEqual(whole.body.items);
  expect(actions(await log('action=key.delete'))).toEqual([`key.delete ${ids[0]}`]);
});

it('continues with older entries on the next page, even if newer ones are added in between', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  await server.keyOf('viewer');
  for (const key of ['a', 'b', 'c']) {
    clock.advance(1_000);
    await server.api('POST', '/flags', { body: { key, enabled: true } });
  }
  const first = await server.api('GET', '/audit?limit=2');
  clock.advance(1_000);
  await server.keyOf('editor');
  await server.api('POST', '/flags', { body: { key: 'd', enabled: true } });
  const rest = await server.api('GET', `/audit?limit=2&cursor=${first.body.nextCursor}`);
  expect([...actions(first), ...actions(rest)]).toEqual([
    'flag.create c',
    'flag.create b',
    'flag.create a',
    expect.stringMatching(/^key\.create /),
  ]);
  expect(rest.body.items[1].after.role).toBe('viewer');
  expect(rest.body.nextCursor).toBeNull();
});

it('truncates X-On-Behalf-Of between code points, and leaves it out if it is empty', async () => {
  await using server = await startServer();
  const actorFor = async (name: string) => {
    const headers = { 'x-on-behalf-of': Buffer.from(name).toString('latin1') };
    await server.api('POST', '/flags', {
      body: { key: `f${name.length}`, enabled: true },
      headers,
    });
    return (await server.api('GET', '/audit?limit=1')).body.items[0].actor;
  };
  expect(await actorFor('')).toEqual({ id: 'admin', name: 'admin' });
  expect((await actorFor('Ada Löve')).onBehalfOf).toBe('Ada Löve');
  expect((await actorFor(`a${'😀'.repeat(300)}`)).onBehalfOf).toBe(`a${'😀'.repeat(199)}`);
});
