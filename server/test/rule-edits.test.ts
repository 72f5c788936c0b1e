import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { TestResponse, TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const conditionsOf = (value: string) => [{ attribute: 'plan', operator: 'equals', value }];
const ruleOf = (id: string) => ({ id, conditions: conditionsOf(id), variant: 'blue' });

let count = 0;
let path: string;
/** Every test has a flag of its own with the rules a, b and c. */
beforeEach(async () => {
  count += 1;
  path = `/flags/flag-${count}`;
  const body = {
    key: `flag-${count}`,
    type: 'string',
    enabled: true,
    variants: { red: '#f00', blue: '#00f' },
    defaultVariant: 'red',
    rules: ['a', 'b', 'c'].map(ruleOf),
  };
  await server.api('POST', '/flags', { body });
});

const add = (body: object, headers = {}) =>
  server.api('POST', `${path}/rules`, { body: { variant: 'blue', ...body }, headers });
const update = (id: string, body: object, headers = {}) =>
  server.api('PATCH', `${path}/rules/${id}`, { body, headers });
const remove = (id: string, query = '', headers = {}) =>
  server.api('DELETE', `${path}/rules/${id}${query}`, { headers });

const idsOf = ({ body }: TestResponse) => body.rules.map(({ id }: { id: string }) => id);
const ruleIn = ({ body }: TestResponse, wanted: string) =>
  body.rules.find(({ id }: { id: string }) => id === wanted);
const readFlag = () => server.api('GET', path);

describe('POST /flags/{key}/rules', () => {
  it.each([
    [undefined, ['a', 'b', 'c', 'new']],
    [0, ['new', 'a', 'b', 'c']],
    [3, ['a', 'b', 'c', 'new']],
    [{ before: 'b' }, ['a', 'new', 'b', 'c']],
    [{ after: 'b' }, ['a', 'b', 'new', 'c']],
    [{ after: 'c' }, ['a', 'b', 'c', 'new']],
  ])('with the position %j adds the rule there', async (position, ids) => {
    const added = await add({ ...ruleOf('new'), position });
    expect([added.status, idsOf(added)]).toEqual([201, ids]);
    const flag = await readFlag();
    expect(flag.body).toEqual(added.body);
    expect([flag.headers['etag'], flag.body.version]).toEqual([added.headers['etag'], 2]);
    const { body: versions } = await server.api('GET', `${path}/versions`);
    expect(versions.items[0]).toMatchObject({ action: 'flag.update', changed: ['rules'] });
  });

  it('accepts the short form and creates an id that is not taken', async () => {
    const short = { attribute: 'country', operator: 'in', value: ['AT'], percentage: 5 };
    expect(ruleIn(await add(short), 'rule-1')).toEqual({
      id: 'rule-1',
      conditions: [{ attribute: 'country', operator: 'in', value: ['AT'] }],
      percentage: 5,
      bucketBy: 'targetingKey',
      variant: 'blue',
    });
    expect(idsOf(await add({ ...short, position: 0 }))).toEqual([
      'rule-2',
      'a',
      'b',
      'c',
      'rule-1',
    ]);
  });

  it('refuses an id that exists with CONFLICT', async () => {
    const refused = await add({ id: 'b' });
    expect([refused.status, refused.body.error.code]).toEqual([409, 'CONFLICT']);
    expect(refused.body.error.message).toContain('already has a rule "b"');
    expect((await readFlag()).body.version).toBe(1);
  });

  it.each([
    [{ position: 4 }, 'position', '0 to 3'],
    [{ position: -1 }, 'position', ''],
    [{ position: 'first' }, 'position', '{"before": "<rule id>"}'],
    [{ position: { before: 'ghost' } }, 'position.before', '"a", "b", "c"'],
    [{ position: { after: 'ghost' } }, 'position.after', '"a", "b", "c"'],
    [{ operator: 'equals' }, 'operator', 'together with "attribute"'],
    [{ conditions: [{ attribute: 'a', operator: 'x' }] }, 'conditions.0.operator', 'must be'],
    [{ percentage: 101 }, 'percentage', '0 to 100'],
    [{ colour: 'blue' }, 'colour', ''],
    [{ variant: 'green' }, 'rules.3.variant', 'green'],
  ])('refuses %j and names the field', async (body, field, part) => {
    const refused = await add(body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, field]);
    expect(refused.body.error.details[0].message).toContain(part);
  });

  it('refuses more rules than a flag may have', async () => {
    const rules = Array.from({ length: 200 }, (_, index) => ruleOf(`r${index}`));
    expect((await server.api('PATCH', path, { body: { rules } })).status).toBe(200);
    const refused = await add({ id: 'new' });
    expect([refused.status, refused.body.error.message]).toEqual([
      400,
      expect.stringContaining('at most 200 rules'),
    ]);
  });

  it('refuses a rule that changes nothing, unless the request sets another default', async () => {
    await server.api('PATCH', path, { body: { rules: [] } });
    const rule = { id: 'new', variant: 'red', percentage: 10 };
    const refused = await add(rule);
    expect(refused.body.error.code).toBe('NO_EFFECT');
    expect(refused.body.error.message).toContain('"defaultVariant": "blue"');
    expect((await add({ ...rule, defaultVariant: 'blue' })).body.defaultVariant).toBe('blue');
    expect((await add({ ...rule, id: 'other', allowNoEffect: true })).status).toBe(201);
  });

  it('is decided on a flag that exists and has the given entity tag', async () => {
    expect((await add({}, { 'if-match': '"old"' })).status).toBe(412);
    const { headers } = await readFlag();
    expect((await add({}, { 'if-match': headers['etag'] })).status).toBe(201);
    const absent = await server.api('POST', '/flags/absent/rules', { body: {} });
    expect([absent.status, absent.body.error.message]).toEqual([
      404,
      expect.stringContaining('flag "absent"'),
    ]);
  });
});

describe('PATCH /flags/{key}/rules/{id}', () => {
  it('changes the given fields and leaves the others', async () => {
    const { body: before } = await readFlag();
    const changed = await update('b', { percentage: 30, seed: 's' });
    expect(ruleIn(changed, 'b')).toEqual({ ...before.rules[1], percentage: 30, seed: 's' });
    expect(changed.body.rules.toSpliced(1, 1)).toEqual(before.rules.toSpliced(1, 1));
    const cleared = await update('b', { percentage: null, seed: null });
    expect(ruleIn(cleared, 'b')).toEqual(before.rules[1]);
  });

  it('replaces the conditions with one in the short form', async () => {
    const changed = await update('b', { attribute: 'x', operator: 'greaterThan', value: 3 });
    expect(ruleIn(changed, 'b').conditions).toEqual([
      { attribute: 'x', operator: 'greaterThan', value: 3 },
    ]);
  });

  it('replaces the variant with a split, and a split with a variant', async () => {
    const split = [{ variant: 'red', weight: 1 }];
    expect(ruleIn(await update('b', { split }), 'b')).not.toHaveProperty('variant');
    const changed = await update('b', { variant: 'blue' });
    expect(ruleIn(changed, 'b')).toMatchObject({ variant: 'blue' });
    expect(ruleIn(changed, 'b')).not.toHaveProperty('split');
    expect((await update('b', { variant: 'blue', split })).status).toBe(400);
  });

  it.each([
    [0, ['c', 'a', 'b']],
    [1, ['a', 'c', 'b']],
    [{ before: 'b' }, ['a', 'c', 'b']],
    [{ after: 'a' }, ['a', 'c', 'b']],
  ])('moves the rule to the position %j', async (position, ids) => {
    expect(idsOf(await update('c', { position }))).toEqual(ids);
  });

  it.each([[{ position: 3 }], [{ position: { before: 'c' } }], [{ position: { after: 'ghost' } }]])(
    'refuses to move it to %j',
    async body => {
      expect((await update('c', body)).status).toBe(400);
      expect((await readFlag()).body.version).toBe(1);
    },
  );

  it('writes no version if nothing changes', async () => {
    const before = await readFlag();
    const bodies = [{}, { variant: 'blue' }, { position: 1 }, { position: { before: 'c' } }];
    for (const body of bodies) {
      const same = await update('b', body);
      expect([same.status, same.body]).toEqual([200, before.body]);
      expect(same.headers['etag']).toBe(before.headers['etag']);
    }
  });

  it('refuses a rule that does not exist, and names those that do', async () => {
    for (const refused of [await update('ghost', {}), await remove('ghost')]) {
      expect([refused.status, refused.body.error.code]).toEqual([404, 'NOT_FOUND']);
      expect(refused.body.error.message).toContain('"ghost": its rules are "a", "b", "c"');
    }
  });

  it('refuses another id in the body, and an old entity tag', async () => {
    expect((await update('b', { id: 'x' })).status).toBe(400);
    expect((await update('b', { percentage: 1 }, { 'if-match': '"old"' })).status).toBe(412);
  });

  it('returns warnings about the flag', async () => {
    const { body } = await update('b', { percentage: 0 });
    expect(body.warnings).toMatchObject([{ path: 'rules.1' }]);
  });
});

describe('DELETE /flags/{key}/rules/{id}', () => {
  it('removes the rule and returns the flag', async () => {
    const removed = await remove('b');
    expect([removed.status, idsOf(removed)]).toEqual([200, ['a', 'c']]);
    expect((await remove('b')).status).toBe(404);
    const [entry] = (await server.api('GET', '/audit')).body.items;
    expect(entry).toMatchObject({ action: 'flag.update', before: { version: 1 } });
  });

  it('requires the given entity tag', async () => {
    expect((await remove('b', '', { 'if-match': '"old"' })).status).toBe(412);
  });

  it('refuses to leave only rules that change nothing, unless the query allows it', async () => {
    await update('a', { variant: 'red' });
    await remove('b');
    const refused = await remove('c');
    expect([refused.status, refused.body.error.code]).toEqual([400, 'NO_EFFECT']);
    expect((await remove('c', '?defaultVariant=blue')).body.defaultVariant).toBe('blue');
    expect((await remove('a')).body.rules).toEqual([]);
  });
});

it('the procedures have the same fields over tRPC', async () => {
  const key = path.slice('/flags/'.length);
  const call = async (name: string, body: object) => {
    const input = { environment: 'production', key, ...body };
    const response = await server.request('POST', `/trpc/flags.${name}`, { body: input });
    expect([name, response.status]).toEqual([name, 200]);
    return response.body.result.data;
  };
  const added = await call('addRule', { id: 'd', variant: 'blue', position: { before: 'a' } });
  expect(added.rules[0].id).toBe('d');
  const updated = await call('updateRule', { id: 'd', percentage: 3, ifMatch: added.etag });
  expect(updated.rules[0].percentage).toBe(3);
  expect((await call('deleteRule', { id: 'd' })).rules).toHaveLength(3);
});
