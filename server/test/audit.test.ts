import { expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { CONTROL_LEDGER } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

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
    actor: {
      kind: 'key',
      id: expect.any(String),
      name: 'editor of production',
      onBehalfOf: 'ada@example.com',
    },
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

it('filters by ramp, which has the key of its flag here', async () => {
  await using server = await startServer();
  await server.api('POST', '/flags', { body: { key: 'one', enabled: true } });
  const steps = [{ share: 5, holdMinutes: 60 }];
  const body = { key: 'one', flag: 'one', rule: 'release', treatment: 'on', steps };
  expect((await server.api('POST', '/ramps', { body })).status).toBe(201);
  expect(actions(await server.api('GET', '/audit?ramp=one'))).toEqual(['ramp.create one']);
  expect(actions(await server.api('GET', '/audit?experiment=one'))).toEqual([]);
});

it('ends a page before its entries have more than 1 MiB, and the next page continues there', async () => {
  await using server = await startServer();
  const variants = Object.fromEntries(
    Array.from({ length: 6 }, (_, index) => [`v${index}`, 'x'.repeat(60_000)]),
  );
  for (const key of ['a', 'b', 'c', 'd', 'e'])
    await server.api('POST', '/flags', {
      body: { key, type: 'string', enabled: true, variants, defaultVariant: 'v0' },
    });
  const pages: string[][] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Awaited<ReturnType<TestServer['api']>> = await server.api(
      'GET',
      `/audit?limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    pages.push(actions(page));
    cursor = page.body.nextCursor;
  }
  expect(pages).toEqual([
    ['flag.create e', 'flag.create d'],
    ['flag.create c', 'flag.create b'],
    ['flag.create a'],
  ]);
});

it.each([
  'limit=0',
  'limit=201',
  'cursor=abc',
  'action=flag.explode',
  'from=yesterday',
  'flag=a&segment=b',
  'segment=a&ramp=b',
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

it('of all environments has their flags and segments, environments and keys, deleted ones too', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock });
  const conditions = [{ attribute: 'a', operator: 'exists' }];
  const send = async (method: 'POST' | 'DELETE', path: string, body?: object) => {
    clock.advance(1_000);
    await server.request(method, `/api/v1${path}`, body && { body });
  };
  await send('POST', '/flags?environment=production', { key: 'a', enabled: true });
  await send('POST', '/segments?environment=development', { key: 'b', conditions });
  await send('POST', '/environments', { key: 'staging' });
  await send('POST', '/flags?environment=staging', { key: 'c', enabled: true });
  await send('DELETE', '/environments/staging?confirm=staging');
  await send('POST', '/flags?environment=development', { key: 'd', enabled: true });
  const log = async (query: string) => server.request('GET', `/api/v1/audit?${query}`);
  const all = await log('environment=*&limit=200');
  expect(actions(all).slice(0, 6)).toEqual([
    'flag.create d',
    'environment.delete staging',
    'flag.create c',
    'environment.create staging',
    'segment.create b',
    'flag.create a',
  ]);
  expect(actions(await log('environment=*&action=flag.create'))).toEqual([
    'flag.create d',
    'flag.create c',
    'flag.create a',
  ]);
  expect(actions(await log('environment=*&segment=b'))).toEqual(['segment.create b']);
  expect(actions(await log('environment=staging'))).toEqual(['flag.create c']);
  const paged: unknown[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = `environment=*&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const page: Awaited<ReturnType<typeof log>> = await log(query);
    paged.push(...page.body.items);
    cursor = page.body.nextCursor;
    await send('POST', '/environments', { key: `new-${paged.length}` });
    await send('POST', `/flags?environment=new-${paged.length}`, { key: 'late', enabled: true });
  }
  expect(paged).toEqual(all.body.items);
});

it('of a deleted environment is not shown to keys of a new one with the same name', async () => {
  await using server = await startServer();
  const create = async () => {
    await server.request('POST', '/api/v1/environments', { body: { key: 'staging' } });
    await server.request('POST', '/api/v1/flags?environment=staging', {
      body: { key: 'f', enabled: true },
    });
  };
  await create();
  await server.request('DELETE', '/api/v1/environments/staging?confirm=staging');
  await create();
  const admin = await server.keyOf('admin', 'staging');
  const own = await server.request('GET', '/api/v1/audit?action=flag.create', { key: admin });
  expect(actions(own)).toEqual(['flag.create f']);
  const all = await server.request('GET', '/api/v1/audit?environment=staging&flag=f');
  expect(actions(all)).toEqual(['flag.create f', 'flag.create f']);
});

it('can be filtered by the user that a key acted for', async () => {
  await using server = await startServer();
  for (const [key, name] of [
    ['a', 'Zoë'],
    ['b', 'Bo'],
    ['c', 'Zoë'],
  ]) {
    const headers = { 'x-on-behalf-of': Buffer.from(name ?? '').toString('latin1') };
    await server.api('POST', '/flags', { body: { key, enabled: true }, headers });
  }
  const found = async (name: string) =>
    actions(await server.api('GET', `/audit?onBehalfOf=${encodeURIComponent(name)}`));
  expect(await found('Zoë')).toEqual(['flag.create c', 'flag.create a']);
  expect(await found('Ada')).toEqual([]);
  expect((await server.api('GET', '/audit?onBehalfOf=')).status).toBe(400);
});

const latin1 = (text: string) => Buffer.from(text).toString('latin1');

it('has the comment of a change, and so has its version', async () => {
  await using server = await startServer();
  const comment = `${'😀'.repeat(498)}Ö!`;
  const headers = { 'x-change-comment': latin1(`  ${comment} `) };
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true }, headers });
  await server.request('POST', '/api/v1/environments', { body: { key: 'staging' }, headers });
  await server.api('PATCH', '/flags/f', { body: { enabled: false } });
  const [second, first] = (await server.api('GET', '/audit?flag=f')).body.items;
  expect(first.comment).toBe(comment);
  expect(second).not.toHaveProperty('comment');
  const control = (await server.request('GET', '/api/v1/audit?environment=*')).body.items;
  expect(control.find(({ key }: { key: string }) => key === 'staging').comment).toBe(comment);
  const versions = (await server.api('GET', '/flags/f/versions')).body.items;
  expect(versions.map((each: { comment?: string }) => each.comment)).toEqual([undefined, comment]);
});

it.each([
  ['longer than 500 characters', latin1('😀'.repeat(501)), 'must be at most 500 characters'],
  ['invalid UTF-8', 'caf\u00e9', 'must be UTF-8'],
])('rejects a change with a comment that is %s, and changes nothing', async (_, header, reason) => {
  await using server = await startServer();
  const headers = { 'x-change-comment': header };
  const send = async (url: string, body: object) => {
    const { status, text } = await server.request('POST', url, { body, headers });
    return [status, text.includes(`X-Change-Comment ${reason}`)];
  };
  const input = { environment: 'production', key: 'f', enabled: true };
  expect(await send('/api/v1/flags?environment=production', { key: 'f', enabled: true })).toEqual([
    400,
    true,
  ]);
  expect(await send('/trpc/flags.create', input)).toEqual([400, true]);
  expect((await server.api('GET', '/flags/f')).status).toBe(404);
});

it('ignores a comment without text', async () => {
  await using server = await startServer();
  await server.api('POST', '/flags', {
    body: { key: 'f', enabled: true },
    headers: { 'x-change-comment': '  ' },
  });
  expect((await server.api('GET', '/audit')).body.items[0]).not.toHaveProperty('comment');
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
  expect(await actorFor('')).toEqual({ kind: 'key', id: 'admin', name: 'admin' });
  expect((await actorFor('Ada Löve')).onBehalfOf).toBe('Ada Löve');
  expect((await actorFor(`a${'😀'.repeat(300)}`)).onBehalfOf).toBe(`a${'😀'.repeat(199)}`);
});

it('leaves out what only a later version has a name for', async () => {
  const store = openMemoryStore({ random: secureRandom });
  await using server = await startServer({ store });
  await server.api('POST', '/flags', { body: { key: 'before', enabled: true } });
  const control = await store.read(CONTROL_LEDGER);
  const id = control?.records.environments.get('production')?.document.ledger ?? '';
  const ledger = { kind: 'flagSet', id } as const;
  await store.commit(ledger, {
    expect: (await store.head(ledger)) ?? '',
    writes: {},
    audit: [
      {
        at: '2026-01-31T12:00:00.000Z',
        actor: { kind: 'system', id: 'later', name: 'later' },
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this version does not have it
        action: 'robot.create' as never,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nor this
        kind: 'robot' as never,
        environment: 'production',
        key: 'r2',
        before: null,
        after: {},
      },
    ],
  });
  await server.api('POST', '/flags', { body: { key: 'after', enabled: true } });
  const listed = await server.api('GET', '/audit');
  expect([listed.status, actions(listed)]).toEqual([
    200,
    ['flag.create after', 'flag.create before'],
  ]);
  const { body } = await server.api('GET', '/audit?limit=2');
  const next = await server.api('GET', `/audit?limit=2&cursor=${body.nextCursor}`);
  expect([actions({ body }), actions(next)]).toEqual([
    ['flag.create after'],
    ['flag.create before'],
  ]);
});
