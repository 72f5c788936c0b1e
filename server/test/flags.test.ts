import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { systemClock } from '../src/clock.ts';
import { createFakeClock } from './support/fake-clock.ts';
import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const on = { enabled: true };
const colour = {
  enabled: true,
  type: 'string',
  variants: { red: '#f00', blue: '#00f' },
  defaultVariant: 'red',
};

describe('creating a flag', () => {
  it('expands the short form and stores the full form', async () => {
    const made = await server.api('POST', '/flags', { body: { key: 'short', ...on } });
    expect(made.status).toBe(201);
    expect(made.headers.location).toBe('/api/v1/flags/short?environment=production');
    expect(made.body).toEqual({
      key: 'short',
      type: 'boolean',
      enabled: true,
      variants: { on: true, off: false },
      defaultVariant: 'on',
      rules: [],
      seed: 'short',
      clientVisible: false,
      metadata: {},
      version: 1,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAt: made.body.createdAt,
    });
    const read = await server.api('GET', '/flags/short');
    expect(read.body).toEqual(made.body);
    expect(read.headers.etag).toBe(made.headers.etag);
    expect(read.headers.etag).toMatch(/^"[^"]+"$/);
  });

  it('uses "off" as the default variant of a short flag with rules', async () => {
    const rule = { attribute: 'plan', operator: 'equals', value: 'pro', percentage: 50 };
    const made = await server.api('POST', '/flags', {
      body: { key: 'short-rules', ...on, rules: [rule] },
    });
    expect(made.body.defaultVariant).toBe('off');
    expect(made.body.rules).toEqual([
      {
        id: expect.any(String),
        conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
        variant: 'on',
        percentage: 50,
        bucketBy: 'targetingKey',
      },
    ]);
  });

  it('is a conflict if the flag already exists, and does not change it', async () => {
    await server.api('POST', '/flags', { body: { key: 'twice', ...on, description: 'first' } });
    const again = await server.api('POST', '/flags', { body: { key: 'twice', ...on } });
    expect(again.status).toBe(409);
    expect(again.body.error).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('twice'),
    });
    expect((await server.api('GET', '/flags/twice')).body.description).toBe('first');
  });

  it.each([
    ['an unknown variant in a rule', { rules: [{ variant: 'onn' }] }, /rules\.0\.variant/, /"onn"/],
    ['an unknown segment', { rules: [{ conditions: [{ segment: 'nobody' }] }] }, /rules/, /nobody/],
    [
      'an unknown flag',
      { rules: [{ conditions: [{ flag: 'ghost', variants: ['on'] }] }] },
      /rules/,
      /ghost/,
    ],
    ['an unknown field', { colour: 'red' }, /^colour$/, /unknown field/],
    ['a string instead of a boolean', { enabled: 'false' }, /^enabled$/, /true or false/],
    [
      'a rule with both variant and split',
      { rules: [{ variant: 'on', split: [{ variant: 'on', weight: 1 }] }] },
      /rules\.0/,
      /./,
    ],
    [
      'a percentage finer than a thousandth',
      { rules: [{ percentage: 0.0005 }] },
      /percentage/,
      /./,
    ],
    [
      'an invalid pattern',
      { rules: [{ attribute: 'a', operator: 'matches', value: '(' }] },
      /value/,
      /./,
    ],
    ['a key with two dots', { key: 'a..b' }, /^key$/, /\.\./],
    ['a key that is too long', { key: 'x'.repeat(101) }, /^key$/, /100/],
    [
      'a variant named __proto__',
      JSON.parse('{"variants":{"on":true,"__proto__":false}}'),
      /__proto__/,
      /./,
    ],
  ])('rejects %s with its path, and stores nothing', async (_, more, path, message) => {
    const before = await server.api('GET', '/flags?limit=200');
    const refused = await server.api('POST', '/flags', {
      body: { key: 'refused', ...on, ...more },
    });
    expect(refused.status).toBe(400);
    expect(refused.body.error.code).toBe('BAD_REQUEST');
    expect(refused.body.error.details[0].path).toMatch(path);
    expect(refused.body.error.details[0].message).toMatch(message);
    expect((await server.api('GET', '/flags?limit=200')).body).toEqual(before.body);
  });

  it('rejects a cycle of flags and changes neither', async () => {
    await server.api('POST', '/flags', { body: { key: 'a', ...on } });
    const onA = { conditions: [{ flag: 'a', variants: ['on'] }], variant: 'on' };
    await server.api('POST', '/flags', { body: { key: 'b', ...on, rules: [onA] } });
    const rules = [{ id: 'r', conditions: [{ flag: 'b', variants: ['on'] }], variant: 'on' }];
    const cycle = await server.api('PATCH', '/flags/a', { body: { rules } });
    expect(cycle.status).toBe(400);
    expect(cycle.body.error.message).toContain('depends on');
    expect((await server.api('GET', '/flags/a')).body.version).toBe(1);
  });

  it('warns about rules without effect, unreachable rules and a different type elsewhere', async () => {
    const same = await server.api('POST', '/flags', {
      body: {
        key: 'same',
        ...on,
        defaultVariant: 'on',
        rules: [{ attribute: 'a', operator: 'exists' }],
        allowNoEffect: true,
      },
    });
    expect(same.body.warnings).toEqual([
      { path: 'rules', message: expect.stringContaining('"on"') },
    ]);
    const hidden = await server.api('POST', '/flags', {
      body: {
        key: 'hidden',
        ...on,
        rules: [{ percentage: 20 }, { percentage: 20, variant: 'off' }],
      },
    });
    expect(hidden.body.warnings).toEqual([
      { path: 'rules.1', message: expect.stringContaining('never serves') },
    ]);
    const shadowed = await server.api('POST', '/flags', {
      body: { key: 'shadowed', ...on, rules: [{ variant: 'on' }, { variant: 'off' }] },
    });
    expect(shadowed.body.warnings).toEqual([
      { path: 'rules', message: expect.stringContaining('every outcome is the variant "on"') },
      { path: 'rules.1', message: expect.stringContaining('never serves') },
    ]);
    const elsewhere = await server.request('POST', '/api/v1/flags?environment=development', {
      body: { key: 'same', ...colour },
    });
    expect(elsewhere.body.warnings).toEqual([
      { path: 'type', message: expect.stringContaining('production') },
    ]);
    expect((await server.api('GET', '/flags/same')).body).not.toHaveProperty('warnings');
  });
});

describe('changing a flag', () => {
  it('replaces the whole flag, keeps createdAt and increases version and updatedAt', async () => {
    const clock = createFakeClock();
    await using own = await startServer({ clock });
    const made = await own.api('POST', '/flags', {
      body: { key: 'f', ...colour, description: 'old', tags: ['x'] },
    });
    const put = await own.api('PUT', '/flags/f', {
      body: { ...made.body, description: undefined, enabled: false },
    });
    expect(put.status).toBe(200);
    expect(put.body).toMatchObject({
      enabled: false,
      version: 2,
      createdAt: made.body.createdAt,
      tags: ['x'],
    });
    expect(put.body).not.toHaveProperty('description');
    expect(put.body.updatedAt > made.body.updatedAt).toBe(true);
    expect(put.headers.etag).not.toBe(made.headers.etag);
  });

  it('patches only the given fields; null clears a field', async () => {
    await server.api('POST', '/flags', {
      body: { key: 'patched', ...colour, description: 'd', metadata: { team: 'a' } },
    });
    const patched = await server.api('PATCH', '/flags/patched', {
      body: { description: null, metadata: null, defaultVariant: null },
    });
    expect(patched.status).toBe(200);
    expect(patched.body).toMatchObject({
      version: 2,
      variants: colour.variants,
      metadata: {},
      defaultVariant: null,
    });
    expect(patched.body).not.toHaveProperty('description');
  });

  it.each([
    ['a type change', { type: 'boolean' }],
    ['an unknown variant in a rule', { rules: [{ id: 'r', conditions: [], variant: 'green' }] }],
    ['a rule in short form, which a patch does not expand', { rules: [{ variant: 'red' }] }],
    ['clearing a required field', { variants: null }],
    ['fields that the server manages', { version: 7 }],
    ['a key that differs from the path', { key: 'other' }],
  ])('rejects %s and changes nothing', async (_, body) => {
    const key = 'guarded';
    await server.api('POST', '/flags', { body: { key, ...colour } });
    const before = await server.api('GET', `/flags/${key}`);
    expect((await server.api('PATCH', `/flags/${key}`, { body })).status).toBe(400);
    expect((await server.api('GET', `/flags/${key}`)).body).toEqual(before.body);
  });

  it.each(['null', '', '[]', '"text"'])('rejects the body %s and changes nothing', async text => {
    await server.api('POST', '/flags', { body: { key: 'bodiless', ...on } });
    const refused = await server.api('PATCH', '/flags/bodiless', { text });
    expect(refused.status).toBe(400);
    expect((await server.api('GET', '/flags/bodiless')).body.version).toBe(1);
  });

  it('checks If-Match: a previous tag is 412 with the current version', async () => {
    const made = await server.api('POST', '/flags', { body: { key: 'matched', ...on } });
    const headers = { 'if-match': String(made.headers.etag) };
    const first = await server.api('PATCH', '/flags/matched', {
      body: { enabled: false },
      headers,
    });
    expect(first.status).toBe(200);
    const second = await server.api('PATCH', '/flags/matched', {
      body: { enabled: true },
      headers,
    });
    expect(second.status).toBe(412);
    expect(second.headers.etag).toBe(first.headers.etag);
    expect(second.body.error).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('version is 2'),
    });
    expect(
      (await server.api('PUT', '/flags/matched', { body: on, headers: { 'if-match': '*' } }))
        .status,
    ).toBe(200);
    expect((await server.api('DELETE', '/flags/matched', { headers })).status).toBe(412);
  });

  it('accepts only one of two concurrent changes with the same If-Match', async () => {
    const made = await server.api('POST', '/flags', { body: { key: 'raced', ...on } });
    const headers = { 'if-match': String(made.headers.etag) };
    const edits = ['one', 'two'].map(description =>
      server.api('PATCH', '/flags/raced', { body: { description }, headers }),
    );
    const statuses = (await Promise.all(edits)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 412]);
  });

  it('returns 304 if the entity tag is current, and 404 if the flag does not exist', async () => {
    const made = await server.api('POST', '/flags', { body: { key: 'cached', ...on } });
    const headers = { 'if-none-match': String(made.headers.etag) };
    const same = await server.api('GET', '/flags/cached', { headers });
    expect([same.status, same.text]).toEqual([304, '']);
    await server.api('PATCH', '/flags/cached', { body: { enabled: false } });
    expect((await server.api('GET', '/flags/cached', { headers })).status).toBe(200);
    expect((await server.api('GET', '/flags/ghost')).status).toBe(404);
    expect((await server.api('PATCH', '/flags/ghost', { body: on })).status).toBe(404);
  });

  it('never reuses an entity tag after the flag is deleted and created again', async () => {
    const first = await server.api('POST', '/flags', { body: { key: 'reborn', ...on } });
    await server.api('DELETE', '/flags/reborn');
    const second = await server.api('POST', '/flags', { body: { key: 'reborn', ...on } });
    expect(second.body.version).toBe(2);
    expect(second.headers.etag).not.toBe(first.headers.etag);
  });
});

describe('deleting a flag', () => {
  it('returns 204, then 404', async () => {
    await server.api('POST', '/flags', { body: { key: 'gone', ...on } });
    const deleted = await server.api('DELETE', '/flags/gone');
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect((await server.api('DELETE', '/flags/gone')).status).toBe(404);
  });

  it('is a conflict while other flags depend on it, and names them', async () => {
    await server.api('POST', '/flags', { body: { key: 'base', ...on } });
    const rules = [{ conditions: [{ any: [{ flag: 'base', variants: ['on'] }] }] }];
    await server.api('POST', '/flags', { body: { key: 'user', ...on, rules } });
    const refused = await server.api('DELETE', '/flags/base');
    expect(refused.status).toBe(409);
    expect(refused.body.error.message).toContain('"user"');
  });
});

describe('listing flags', () => {
  it('returns every flag in a stable order, despite concurrent writes', async () => {
    await using own = await startServer();
    const keys = Array.from({ length: 25 }, (_, i) => `flag-${String(i).padStart(2, '0')}`);
    for (const key of keys) await own.api('POST', '/flags', { body: { key, ...on } });
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page = await own.api(
        'GET',
        `/flags?limit=10${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...page.body.items.map(({ key }: { key: string }) => key));
      cursor = page.body.nextCursor;
      pages += 1;
      await own.api('POST', '/flags', { body: { key: `aaa-${pages}`, ...on } });
    } while (cursor !== null);
    expect(seen).toEqual(keys);
    expect(pages).toBe(3);
  });

  it('reads the flags of the page only, and ends it before it has more than 1 MiB', async () => {
    await using own = await startServer();
    const variants = Object.fromEntries(
      Array.from({ length: 6 }, (_, index) => [`v${index}`, 'x'.repeat(60_000)]),
    );
    for (const key of ['a', 'b', 'c', 'd', 'e'])
      await own.api('POST', '/flags', { body: { ...colour, key, variants, defaultVariant: 'v0' } });
    const first = await own.api('GET', '/flags');
    const keysOf = ({ body }: { body: { items: { key: string }[] } }) =>
      body.items.map(({ key }) => key);
    expect(keysOf(first)).toEqual(['a', 'b']);
    const second = await own.api('GET', `/flags?cursor=${first.body.nextCursor}`);
    expect(keysOf(second)).toEqual(['c', 'd']);
    const third = await own.api('GET', `/flags?cursor=${second.body.nextCursor}`);
    expect([...keysOf(third), third.body.nextCursor]).toEqual(['e', null]);
  });

  it('searches many flags in several turns of the event loop', async () => {
    let time = 0;
    await using own = await startServer({
      clock: { ...systemClock, monotonic: () => (time += 1) },
    });
    const keys = Array.from({ length: 300 }, (_, index) => `flag-${index}`);
    for (const key of keys) await own.api('POST', '/flags', { body: { key, ...on } });
    let turns = 0;
    let isDone = false;
    const countTurn = () => {
      turns += 1;
      if (!isDone) setImmediate(countTurn);
    };
    setImmediate(countTurn);
    expect((await own.api('GET', '/flags?search=nothing')).body.items).toEqual([]);
    isDone = true;
    expect(turns).toBeGreaterThan(30);
  });

  it('finds a flag by the text that it has now', async () => {
    await using own = await startServer();
    await own.api('POST', '/flags', { body: { key: 'a', ...on, description: 'The FIRST' } });
    const found = async (text: string) =>
      (await own.api('GET', `/flags?search=${text}`)).body.items.length;
    expect(await found('first')).toBe(1);
    await own.api('PATCH', '/flags/a', { body: { description: 'the second' } });
    expect([await found('first'), await found('SECOND')]).toEqual([0, 1]);
  });

  it('filters by search, tag, enabled and type', async () => {
    await using own = await startServer();
    await own.api('POST', '/flags', {
      body: { key: 'alpha', ...on, tags: ['web'], description: 'The BIG one' },
    });
    await own.api('POST', '/flags', { body: { key: 'beta', ...colour, enabled: false } });
    const keysOf = async (query: string) =>
      (await own.api('GET', `/flags?${query}`)).body.items.map(({ key }: { key: string }) => key);
    expect(await keysOf('search=big')).toEqual(['alpha']);
    expect(await keysOf('tag=web')).toEqual(['alpha']);
    expect(await keysOf('enabled=false')).toEqual(['beta']);
    expect(await keysOf('type=string')).toEqual(['beta']);
    expect(await keysOf('type=string&enabled=true')).toEqual([]);
  });

  it.each([
    'limit=0',
    'limit=201',
    'limit=1.5',
    'limit=abc',
    'limit=',
    'enabled=FALSE',
    'enabled=1',
    'type=int',
    'cursor=abc',
    'colour=red',
    'limit=5&limit=6',
  ])('rejects ?%s', async query => {
    const refused = await server.api('GET', `/flags?${query}`);
    expect(refused.status).toBe(400);
    expect(refused.body.error.details[0].path).toBe(query.split('=')[0]);
  });

  it('rejects a cursor of another list', async () => {
    const page = await server.api('GET', '/flags?limit=1');
    expect(
      (await server.api('GET', `/flags?limit=1&tag=x&cursor=${page.body.nextCursor}`)).status,
    ).toBe(400);
    expect((await server.api('GET', `/audit?cursor=${page.body.nextCursor}`)).status).toBe(400);
  });
});

describe('copying a flag', () => {
  /** Creates a flag in `development`, and returns the request that copies it to `production`. */
  const flagToCopy = async (own: TestServer) => {
    await own.request('POST', '/api/v1/flags?environment=development', {
      body: { key: 'f', ...colour },
    });
    return (body: object) =>
      own.request('POST', '/api/v1/flags/f/copy?environment=development', {
        body: { to: 'production', ...body },
      });
  };

  it('returns what would change, copies, and overwrites only with `overwrite`', async () => {
    await using own = await startServer();
    const copy = await flagToCopy(own);

    const plan = await copy({ dryRun: true });
    expect(plan.body).toMatchObject({ dryRun: true, outcome: 'create' });
    expect((await own.api('GET', '/flags/f')).status).toBe(404);

    expect((await copy({})).body).toMatchObject({
      key: 'f',
      version: 1,
      variants: colour.variants,
    });
    await own.api('PATCH', '/flags/f', { body: { description: 'here' } });
    const diff = await copy({ dryRun: true });
    expect(diff.body).toMatchObject({
      outcome: 'refused',
      differences: [{ path: 'description', before: 'here', after: null }],
    });
    expect((await copy({})).status).toBe(409);
    expect((await copy({ dryRun: true, overwrite: true })).body.outcome).toBe('overwrite');
    expect((await copy({ overwrite: true })).body).toMatchObject({ enabled: false, version: 3 });
    expect((await copy({ to: 'nowhere' })).status).toBe(404);
    expect((await copy({ to: 'development' })).status).toBe(400);
  });

  it('writes nothing if the other environment has the same flag, as the dry run shows', async () => {
    await using own = await startServer();
    const copy = await flagToCopy(own);
    const first = await copy({});
    const before = await own.api('GET', '/flag-set');

    expect((await copy({ dryRun: true, overwrite: true })).body.outcome).toBe('unchanged');
    const again = await copy({ overwrite: true });
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(again.headers['etag']).toBe(first.headers['etag']);
    expect((await own.api('GET', '/flag-set')).body.id).toBe(before.body.id);
    expect((await own.api('GET', '/audit?action=flag.copy')).body.items).toHaveLength(1);
  });

  it('rejects a copy that refers to a segment missing in the other environment', async () => {
    await using own = await startServer();
    const at = '?environment=development';
    await own.request('POST', `/api/v1/segments${at}`, {
      body: { key: 's', conditions: [{ attribute: 'a', operator: 'exists' }] },
    });
    await own.request('POST', `/api/v1/flags${at}`, {
      body: { key: 'f', ...on, rules: [{ conditions: [{ segment: 's' }] }] },
    });
    const refused = await own.request('POST', `/api/v1/flags/f/copy${at}`, {
      body: { to: 'production' },
    });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toContain('"s"');
    const plan = await own.request('POST', `/api/v1/flags/f/copy${at}`, {
      body: { to: 'production', dryRun: true },
    });
    expect(plan.body).toMatchObject({
      outcome: 'refused',
      problems: [{ path: 'rules.0.conditions.0.segment' }],
    });
  });

  it('requires a key that can write in both environments', async () => {
    const key = await server.keyOf('editor');
    await server.api('POST', '/flags', { body: { key: 'mine', ...on } });
    const refused = await server.request('POST', '/api/v1/flags/mine/copy', {
      key,
      body: { to: 'development' },
    });
    expect(refused.status).toBe(403);
  });
});
