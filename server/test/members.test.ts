import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** Two conditions of `email`, one of `country` in groups, one of `ip`, and one without a list. */
const conditions = [
  { attribute: 'email', operator: 'in', value: ['a', 'b'] },
  { attribute: 'email', operator: 'notIn', value: ['z'] },
  {
    any: [
      { all: [{ attribute: 'country', operator: 'in', value: ['AT'], not: true }] },
      { attribute: 'ip', operator: 'inCidr', value: ['10.0.0.0/8'] },
    ],
  },
  { attribute: 'plan', operator: 'equals', value: 'pro' },
];

const KINDS = [
  {
    kind: 'segment',
    collection: '/segments',
    below: '',
    base: 'conditions',
    body: { conditions },
    conditionsOf: (document: { conditions: object[] }) => document.conditions,
  },
  {
    kind: 'flag',
    collection: '/flags',
    below: '/rules/r2',
    base: 'rules.1.conditions',
    body: {
      enabled: true,
      defaultVariant: 'off',
      rules: [
        { id: 'r1', attribute: 'email', operator: 'in', value: ['other'] },
        { id: 'r2', conditions },
      ],
    },
    conditionsOf: ({ rules }: { rules: { conditions: object[] }[] }) => rules[1]?.conditions,
  },
] as const;

let count = 0;

describe.each(KINDS)('the members of a list of a $kind', each => {
  let path: string;
  let before: { status: number; headers: Readonly<Record<string, unknown>>; body: object };
  beforeEach(async () => {
    count += 1;
    path = `${each.collection}/m-${count}`;
    await server.api('POST', each.collection, { body: { key: `m-${count}`, ...each.body } });
    before = await server.api('GET', path);
  });

  const change = (body: object, headers = {}) =>
    server.api('POST', `${path}${each.below}/members`, { body, headers });
  const changedWith = async (body: object) => {
    const response = await change(body);
    expect([response.status, response.body.error]).toEqual([200, undefined]);
    return each.conditionsOf(response.body);
  };

  it('are added and removed in one write, and duplicates collapse', async () => {
    const change1 = {
      attribute: 'email',
      operator: 'in',
      add: ['c', 'b', 'c', 'd'],
      remove: ['a'],
    };
    const changed = await changedWith(change1);
    expect(changed).toEqual([
      { attribute: 'email', operator: 'in', value: ['b', 'c', 'd'] },
      ...conditions.slice(1),
    ]);
    const { body, headers } = await server.api('GET', path);
    expect([body.version, each.conditionsOf(body)]).toEqual([2, changed]);
    const again = await change(change1);
    expect([again.body, again.headers['etag']]).toEqual([body, headers['etag']]);
    const [entry] = (await server.api('GET', '/audit')).body.items;
    expect(entry).toMatchObject({ action: `${each.kind}.update`, after: { version: 2 } });
  });

  it('are found in groups', async () => {
    const [, , group] = conditions;
    const [countries, networks] = group?.any ?? [];
    expect(await changedWith({ attribute: 'country', add: ['DE'] })).toEqual(
      conditions.with(2, {
        any: [
          { all: [{ attribute: 'country', operator: 'in', value: ['AT', 'DE'], not: true }] },
          networks,
        ],
      } as never),
    );
    const changed = await changedWith({ attribute: 'ip', add: ['::1'], remove: ['10.0.0.0/8'] });
    expect(changed?.[2]).toEqual({
      any: [
        { ...countries, all: [expect.objectContaining({ value: ['AT', 'DE'] })] },
        { ...networks, value: ['::1'] },
      ],
    });
  });

  it('that are already there or absent change nothing', async () => {
    for (const body of [
      { add: ['b'], remove: ['x'] },
      { add: [] },
      { remove: ['c'] },
      { add: ['a', 'b', 'a'] },
    ]) {
      const same = await change({ attribute: 'email', operator: 'in', ...body });
      expect([same.status, same.body]).toEqual([200, before.body]);
      expect(same.headers['etag']).toBe(before.headers['etag']);
    }
  });

  it('may all be removed', async () => {
    const body = { attribute: 'email', operator: 'notIn', remove: ['z'] };
    expect((await changedWith(body))?.[1]).toEqual({ ...conditions[1], value: [] });
    expect((await changedWith({ ...body, remove: [], add: ['y'] }))?.[1]).toMatchObject({
      value: ['y'],
    });
  });

  it('require "operator" if several conditions have a list of the attribute', async () => {
    const refused = await change({ attribute: 'email', add: ['c'] });
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, 'attribute']);
    const { message } = refused.body.error;
    expect(message).toContain(`${each.base}.0 ("email" in), ${each.base}.1 ("email" notIn)`);
    expect(message).toContain('send "operator" too');
  });

  it.each([
    [{ attribute: 'plan', add: ['x'] }],
    [{ attribute: 'ghost', add: ['x'] }],
    [{ attribute: 'country', operator: 'notIn', add: ['x'] }],
  ])('are refused with the paths of the lists if none is addressed: %j', async body => {
    const refused = await change(body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, 'attribute']);
    const paths = ['0 ("email" in)', '1 ("email" notIn)', '2.any.0.all.0 ("country" not in)'];
    for (const found of [...paths, '2.any.1 ("ip" inCidr)'])
      expect(refused.body.error.message).toContain(`${each.base}.${found}`);
  });

  it.each([
    [{ attribute: 'email' }, 'add', '"add", to "remove"'],
    [{ attribute: 'country', add: ['x', 'y'], remove: ['z', 'y'] }, 'remove.1', '"add" too'],
    [{ attribute: 'country', add: [null] }, 'add.0', 'must be'],
    [{ attribute: 'country', add: [['x']] }, 'add.0', 'must be'],
    [{ add: ['x'] }, 'attribute', 'is missing'],
    [{ attribute: 'country', operator: 'equals', add: ['x'] }, 'operator', '"notIn"'],
  ])('are refused if the request is not valid: %j', async (body, field, part) => {
    const refused = await change(body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, field]);
    expect(refused.body.error.message).toContain(part);
    expect((await server.api('GET', path)).body).toEqual(before.body);
  });

  it('are limited like the list itself', async () => {
    const many = Array.from({ length: 9_999 }, (_, index) => `m${index}`);
    const add = (members: readonly string[]) => change({ attribute: 'country', add: members });
    expect((await add(many)).status).toBe(200);
    const refused = await add(['one more']);
    expect([refused.status, refused.body.error.message]).toEqual([
      400,
      expect.stringContaining('at most 10000 values'),
    ]);
    expect((await add(many)).status).toBe(200);
  });

  it('are checked as operands', async () => {
    const refused = await change({ attribute: 'ip', add: ['no network'] });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toContain(`${each.base}.2.any.1.value`);
  });

  it('require the given entity tag and a document that exists', async () => {
    const body = { attribute: 'country', add: ['x'] };
    expect((await change(body, { 'if-match': '"old"' })).status).toBe(412);
    expect((await change(body, { 'if-match': before.headers['etag'] })).status).toBe(200);
    path = `${each.collection}/ghost`;
    expect((await change(body)).status).toBe(404);
  });
});

it('members of a rule that does not exist are refused with the ids of the rules', async () => {
  const body = { key: 'named', enabled: true, rules: [{ id: 'only' }] };
  await server.api('POST', '/flags', { body });
  const refused = await server.api('POST', '/flags/named/rules/ghost/members', {
    body: { attribute: 'a', add: ['b'] },
  });
  expect([refused.status, refused.body.error.message]).toEqual([
    404,
    expect.stringContaining('its rules are "only"'),
  ]);
});

it('members can be changed in a flag whose rules change nothing', async () => {
  const body = {
    key: 'no-effect',
    enabled: true,
    rules: [{ id: 'r', attribute: 'a', operator: 'in', value: ['x'], variant: 'off' }],
    allowNoEffect: true,
  };
  await server.api('POST', '/flags', { body });
  const changed = await server.api('POST', '/flags/no-effect/rules/r/members', {
    body: { attribute: 'a', add: ['y'] },
  });
  expect(changed.status).toBe(200);
});
