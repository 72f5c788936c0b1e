import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

let count = 0;
/** Creates flags with new keys, which end in the given names, and returns a function that completes a name. */
const createFlags = async (fields: Readonly<Record<string, object>>) => {
  count += 1;
  const keyOf = (name: string) => `f${count}-${name}`;
  for (const [name, body] of Object.entries(fields)) {
    const created = await server.api('POST', '/flags', {
      body: { key: keyOf(name), enabled: true, ...body },
    });
    expect([name, created.status]).toEqual([name, 201]);
  }
  return keyOf;
};

const update = (body: object) => server.api('PATCH', '/flags', { body });
const read = async (key: string) => server.api('GET', `/flags/${key}`);
const revision = async () => (await server.api('GET', '/flag-set')).body.revision;

describe('PATCH /flags', () => {
  it('changes all flags in one revision, with a version and an audit entry for each', async () => {
    const keyOf = await createFlags({ a: {}, b: { description: 'same' }, c: {} });
    const keys = ['c', 'a', 'b', 'a'].map(keyOf);
    const before = await revision();
    const response = await update({ keys, patch: { description: 'same', tags: null } });
    expect(response.status).toBe(200);
    const [c, a, b] = keys;
    expect(response.body.items).toMatchObject([
      { key: c, description: 'same', version: 2 },
      { key: a, description: 'same', version: 2 },
      { key: b, description: 'same', version: 2, tags: [] },
    ]);
    expect(response.body.changed).toEqual([c, a, b]);
    expect(await revision()).toBe(before + 1);
    for (const item of response.body.items) {
      const flag = await read(item.key);
      expect([flag.body, flag.headers['etag']]).toEqual([item, response.body.etags[item.key]]);
      const versions = await server.api('GET', `/flags/${item.key}/versions`);
      expect(versions.body.items).toMatchObject([{ version: 2, action: 'flag.update' }, {}]);
    }
    const { items } = (await server.api('GET', '/audit?limit=3')).body;
    for (const entry of items)
      expect(entry).toMatchObject({ action: 'flag.update', revision: before + 1 });
    expect(items.map(({ key }: { key: string }) => key).toSorted()).toEqual([a, b, c]);
  });

  it('leaves flags alone that the patch does not change', async () => {
    const keyOf = await createFlags({ a: { owner: 'x' }, b: {} });
    const keys = ['a', 'b'].map(keyOf);
    const before = await read(keyOf('a'));
    const first = await update({ keys, patch: { owner: 'x' } });
    expect(first.body.changed).toEqual([keyOf('b')]);
    const same = await read(keyOf('a'));
    expect([same.body, same.headers['etag']]).toEqual([before.body, before.headers['etag']]);
    expect(first.body.etags[keyOf('a')]).toBe(before.headers['etag']);
    const at = await revision();
    const again = await update({ keys, patch: { owner: 'x' } });
    expect(again.body).toEqual({ ...first.body, changed: [] });
    expect(await revision()).toBe(at);
  });

  it('names all keys that do not exist, and writes nothing', async () => {
    const keyOf = await createFlags({ a: {} });
    const before = await read(keyOf('a'));
    const refused = await update({ keys: ['ghost', keyOf('a'), 'nix'], patch: { owner: 'x' } });
    expect([refused.status, refused.body.error.code]).toEqual([404, 'NOT_FOUND']);
    expect(refused.body.error.message).toContain('"ghost", "nix" do not exist');
    expect(refused.body.error.details).toHaveLength(2);
    expect((await read(keyOf('a'))).body).toEqual(before.body);
  });

  it('writes nothing if one flag would not be valid', async () => {
    const variants = { x: 'x', y: 'y' };
    const keyOf = await createFlags({
      a: { type: 'string', variants, defaultVariant: 'x' },
      b: {},
    });
    const keys = ['a', 'b'].map(keyOf);
    const at = await revision();
    for (const patch of [{ defaultVariant: 'y' }, { type: 'string' }, { rules: [{ id: 'x' }] }]) {
      const refused = await update({ keys, patch });
      expect([refused.status, refused.body.error.message]).toEqual([
        400,
        expect.stringMatching(/flag "f\d+-[ab]"/),
      ]);
    }
    expect(await revision()).toBe(at);
  });

  it('refuses a patch that makes one of the flags depend on itself', async () => {
    const keyOf = await createFlags({ a: {}, b: {} });
    const rules = (name: string) => [
      { conditions: [{ flag: keyOf(name), variants: ['on'] }], variant: 'off' },
    ];
    const body = { key: keyOf('c'), enabled: true, defaultVariant: 'on', rules: rules('b') };
    expect((await server.api('POST', '/flags', { body })).status).toBe(201);
    const refused = await update({ keys: ['a', 'b'].map(keyOf), patch: { rules: rules('c') } });
    expect(refused.status).toBe(400);
    expect((await read(keyOf('a'))).body.version).toBe(1);
    expect((await update({ keys: [keyOf('a')], patch: { rules: rules('c') } })).status).toBe(200);
  });

  it('writes nothing if an entity tag is not current', async () => {
    const keyOf = await createFlags({ a: {}, b: {} });
    const [a, b] = [keyOf('a'), keyOf('b')];
    const tag = (await read(a)).headers['etag'];
    const patch = { owner: 'x' };
    const refused = await update({ keys: [a, b], patch, ifMatch: { [a]: tag, [b]: '"old"' } });
    expect([refused.status, refused.body.error.message]).toEqual([
      412,
      expect.stringContaining(`flag "${b}" has changed`),
    ]);
    expect((await read(a)).body.version).toBe(1);
    const unknown = await update({ keys: [a], patch, ifMatch: { [b]: tag } });
    expect([unknown.status, unknown.body.error.details]).toEqual([
      400,
      [{ path: `ifMatch.${b}`, message: 'is not one of "keys"' }],
    ]);
    expect((await update({ keys: [a, b], patch, ifMatch: { [a]: tag } })).status).toBe(200);
  });

  it('refuses rules that change nothing, unless the request allows them', async () => {
    const keyOf = await createFlags({ a: { defaultVariant: 'off' }, b: { defaultVariant: 'on' } });
    const keys = ['a', 'b'].map(keyOf);
    const patch = { rules: [{ attribute: 'plan', operator: 'equals', value: 'pro' }] };
    const refused = await update({ keys, patch });
    expect([refused.body.error.code, refused.body.error.message]).toEqual([
      'NO_EFFECT',
      expect.stringContaining(`flag "${keyOf('b')}"`),
    ]);
    expect((await read(keyOf('a'))).body.version).toBe(1);
    const allowed = await update({ keys, patch, allowNoEffect: true });
    expect(allowed.status).toBe(200);
    expect(allowed.body.warnings[0].path).toBe(`${keyOf('b')}.rules`);
  });

  it.each([
    [{ patch: {} }, 'keys', 'is missing'],
    [{ keys: [], patch: {} }, 'keys', '1 to 100'],
    [{ keys: Array.from({ length: 101 }, (_, i) => `k${i}`), patch: {} }, 'keys', '1 to 100'],
    [{ keys: ['a'] }, 'patch', 'is missing'],
    [{ keys: ['a'], patch: { key: 'b' } }, 'patch.key', ''],
    [{ keys: ['a'], patch: { enabled: 'yes' } }, 'patch.enabled', 'true or false'],
    [{ keys: ['a'], patch: { rules: [{ percentage: 101 }] } }, 'patch.rules.0.percentage', '100'],
    [{ keys: ['a'], patch: {}, ifMatch: { a: 1 } }, 'ifMatch.a', 'a string'],
  ])('refuses %j and names the field', async (body, path, part) => {
    const refused = await update(body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, path]);
    expect(refused.body.error.details[0].message).toContain(part);
  });

  it('changes a hundred flags at once', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `n${index}`);
    const keyOf = await createFlags(Object.fromEntries(names.map(name => [name, {}])));
    const at = await revision();
    const response = await update({ keys: names.map(keyOf), patch: { enabled: false } });
    expect([response.status, response.body.changed.length]).toEqual([200, 100]);
    expect(await revision()).toBe(at + 1);
    const values = await server.api('POST', '/evaluate', {
      body: { flagKey: keyOf('n99'), context: {} },
    });
    expect(values.body.reason).toBe('DISABLED');
  });
});
