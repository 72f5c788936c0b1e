import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const create = async (key: string, fields: object = {}): Promise<void> => {
  const { status, text } = await server.api('POST', '/flags', {
    body: { key, enabled: true, ...fields },
  });
  expect([status, text]).toEqual([201, text]);
};
const tag = (body: object) => server.api('POST', '/flags/tags', { body });
const remove = (body: object) => server.api('POST', '/flags/delete', { body });
const tagsOf = async (key: string) => (await server.api('GET', `/flags/${key}`)).body.tags;
const statusOf = async (key: string) => (await server.api('GET', `/flags/${key}`)).status;
const revision = async (): Promise<number> => (await server.api('GET', '/flag-set')).body.revision;
const rulesWith = (flag: string) => [{ conditions: [{ flag, variants: ['on'] }], variant: 'on' }];

/** Creates a flag, and starts an experiment of it. */
const startExperiment = async (name: string): Promise<void> => {
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  await create(`measured-${name}`, { rules: [{ id: 'r', split }] });
  const experiment = {
    key: `run-${name}`,
    flag: `measured-${name}`,
    rule: 'r',
    control: 'off',
    metrics: [{ metric: 'bought', role: 'primary' }],
  };
  await server.api('POST', '/experiments', { body: experiment });
  const { status, text } = await server.api('POST', `/experiments/run-${name}/start`, {});
  expect([status, text]).toEqual([200, text]);
};

describe('POST /flags/tags', () => {
  it('adds and removes tags in one revision, and leaves flags alone that have them already', async () => {
    await create('tag-a', { tags: ['old', 'kept'] });
    await create('tag-b');
    await create('tag-c', { tags: ['new'] });
    const before = await revision();
    const keys = ['tag-c', 'tag-a', 'tag-b'];
    const { status, body } = await tag({ keys, add: ['new'], remove: ['old'] });
    expect(status).toBe(200);
    expect(body.items).toEqual([
      { key: 'tag-c', before: ['new'], after: ['new'] },
      { key: 'tag-a', before: ['old', 'kept'], after: ['kept', 'new'] },
      { key: 'tag-b', before: [], after: ['new'] },
    ]);
    expect([body.dryRun, body.changed]).toEqual([false, ['tag-a', 'tag-b']]);
    expect(await revision()).toBe(before + 1);
    const read = await Promise.all(keys.map(key => server.api('GET', `/flags/${key}`)));
    expect(read.map(({ body: { tags, version } }) => [tags, version])).toEqual([
      [['new'], 1],
      [['kept', 'new'], 2],
      [['new'], 2],
    ]);
    expect(Object.values(body.etags)).toEqual(read.map(({ headers }) => headers['etag']));
    const { items } = (await server.api('GET', '/audit?limit=2')).body;
    for (const entry of items)
      expect(entry).toMatchObject({ action: 'flag.update', revision: before + 1 });
    await tag({ keys, add: ['new'] });
    expect(await revision()).toBe(before + 1);
  });

  it('with dryRun only returns what would change, and names the flags that would have too many', async () => {
    const many = Array.from({ length: 50 }, (_, index) => `tag ${index}`);
    await create('tag-d');
    await create('tag-e', { tags: many });
    const before = await revision();
    const body = { keys: ['tag-d', 'tag-e'], add: ['more'] };
    const problem = { path: 'flags.tag-e', message: expect.stringContaining('at most 50') };
    const preview = await tag({ ...body, dryRun: true });
    expect(preview.body).toMatchObject({
      dryRun: true,
      changed: ['tag-d', 'tag-e'],
      problems: [problem],
    });
    const refused = await tag(body);
    expect([refused.status, refused.body.error.details]).toEqual([400, [problem]]);
    expect(await revision()).toBe(before);
    const etags = preview.body.etags;
    expect((await tag({ ...body, remove: ['tag 3'], ifMatch: etags })).status).toBe(200);
    const late = await tag({ ...body, ifMatch: etags });
    expect([late.status, await tagsOf('tag-d')]).toEqual([412, ['more']]);
  });

  it.each([
    [{ keys: [], add: ['a'] }, 'keys'],
    [{ keys: ['tag-a'] }, 'add'],
    [{ keys: ['tag-a'], add: [''] }, 'add.0'],
    [{ keys: ['tag-a'], add: ['a', 'a'] }, 'add'],
    [{ keys: ['tag-a'], add: Array.from({ length: 51 }, (_, i) => `${i}`) }, 'add'],
    [{ keys: ['tag-a'], add: ['a'], ifMatch: { other: '"x"' } }, 'ifMatch.other'],
  ])('refuses %j', async (body, path) => {
    const { status, body: refusal } = await tag(body);
    expect([status, refusal.error.details[0].path]).toEqual([400, path]);
  });

  it('names all keys that do not exist', async () => {
    const { status, body } = await tag({ keys: ['ghost', 'phantom'], add: ['a'] });
    expect([status, body.error.details.length]).toEqual([404, 2]);
  });
});

describe('POST /flags/delete', () => {
  it('deletes flags that refer to each other in one revision, with an audit entry for each', async () => {
    await create('delete-a');
    await create('delete-b', { rules: rulesWith('delete-a') });
    const before = await revision();
    const { status, body } = await remove({ keys: ['delete-a', 'delete-b'] });
    expect([status, body.dryRun, body.keys]).toEqual([200, false, ['delete-a', 'delete-b']]);
    expect([await statusOf('delete-a'), await statusOf('delete-b')]).toEqual([404, 404]);
    expect(await revision()).toBe(before + 1);
    const { items } = (await server.api('GET', '/audit?limit=2')).body;
    for (const entry of items)
      expect(entry).toMatchObject({ action: 'flag.delete', revision: before + 1, after: null });
  });

  it('refuses all if another flag refers to one, and names it at that flag', async () => {
    await create('delete-c');
    await create('delete-d');
    await create('user', { rules: rulesWith('delete-c') });
    const before = await revision();
    const keys = ['delete-d', 'delete-c'];
    const problems = [
      { path: 'flags.delete-c', message: 'is used by flag "user": change it first' },
    ];
    const preview = await remove({ keys, dryRun: true });
    expect(preview.body).toMatchObject({ dryRun: true, keys, problems });
    const refused = await remove({ keys });
    expect([refused.status, refused.body.error]).toEqual([
      409,
      expect.objectContaining({ code: 'CONFLICT', details: problems }),
    ]);
    expect(await revision()).toBe(before);
  });

  it('refuses flags of all running experiments', async () => {
    const metric = {
      key: 'bought',
      kind: 'conversion',
      event: 'bought',
      window: { toMs: 3_600_000 },
    };
    await server.api('POST', '/metrics', { body: metric });
    await startExperiment('one');
    await startExperiment('two');
    await create('unmeasured');
    const keys = ['measured-one', 'unmeasured', 'measured-two'];
    const problemOf = (name: string) => ({
      path: `flags.measured-${name}`,
      message: expect.stringMatching(`^experiment "run-${name}" is running, .*stop it first`),
    });
    const problems = [problemOf('one'), problemOf('two')];
    expect((await remove({ keys, dryRun: true })).body).toMatchObject({ problems });
    const refused = await remove({ keys });
    expect([refused.status, refused.body.error.details]).toEqual([409, problems]);
    expect(await statusOf('unmeasured')).toBe(200);
  });

  it('deletes nothing if a flag has changed since it was read', async () => {
    await create('delete-e');
    await create('delete-f');
    const keys = ['delete-e', 'delete-f'];
    const { etags } = (await remove({ keys, dryRun: true })).body;
    await server.api('PATCH', '/flags/delete-f', { body: { enabled: false } });
    expect((await remove({ keys, ifMatch: etags })).status).toBe(412);
    expect(await statusOf('delete-e')).toBe(200);
  });

  it('keeps a flag whose key is the name of the route', async () => {
    await create('delete');
    await create('tags');
    expect([await statusOf('delete'), await statusOf('tags')]).toEqual([200, 200]);
  });
});
