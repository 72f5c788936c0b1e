import { expect, it } from 'vitest';

import { startServer } from './support/server.ts';

const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];

it('a segment is created, changed, listed, copied and deleted like a flag', async () => {
  await using server = await startServer();
  const made = await server.api('POST', '/segments', {
    body: { key: 'pros', conditions, tags: ['x'] },
  });
  expect([made.status, made.headers.location]).toEqual([
    201,
    '/api/v1/segments/pros?environment=production',
  ]);
  expect((await server.api('GET', '/segments/pros')).body).toEqual(made.body);
  expect((await server.api('GET', '/segments?tag=x')).body.items).toEqual([made.body]);
  const put = await server.api('PUT', '/segments/pros', {
    body: { conditions, description: 'all' },
  });
  expect(put.body).toMatchObject({ version: 2, description: 'all' });
  const patched = await server.api('PATCH', '/segments/pros', { body: { description: null } });
  expect(patched.body).not.toHaveProperty('description');
  const copied = await server.api('POST', '/segments/pros/copy', { body: { to: 'development' } });
  expect(copied.body).toMatchObject({ key: 'pros', version: 1 });
  expect((await server.api('DELETE', '/segments/pros')).status).toBe(204);
});

it('a segment in use cannot be deleted', async () => {
  await using server = await startServer();
  await server.api('POST', '/segments', { body: { key: 'pros', conditions } });
  const rules = [{ conditions: [{ all: [{ segment: 'pros' }] }] }];
  await server.api('POST', '/flags', { body: { key: 'user', enabled: true, rules } });
  const refused = await server.api('DELETE', '/segments/pros');
  expect([refused.status, refused.body.error.details]).toEqual([
    409,
    [{ path: 'flags.user', message: expect.any(String) }],
  ]);
});

it('changing a segment changes the evaluation of the flags that use it', async () => {
  await using server = await startServer();
  await server.api('POST', '/segments', { body: { key: 'pros', conditions } });
  await server.api('POST', '/flags', {
    body: { key: 'user', enabled: true, rules: [{ conditions: [{ segment: 'pros' }] }] },
  });
  const variant = async () =>
    (await server.api('POST', '/evaluate', { body: { flagKey: 'user', context: { plan: 'max' } } }))
      .body.variant;
  expect(await variant()).toBe('off');
  await server.api('PATCH', '/segments/pros', {
    body: { conditions: [{ attribute: 'plan', operator: 'in', value: ['pro', 'max'] }] },
  });
  expect(await variant()).toBe('on');
});

it.each([
  ['no conditions', { conditions: [] }],
  ['a segment inside', { conditions: [{ segment: 'other' }] }],
  ['a flag inside', { conditions: [{ flag: 'other', variants: ['on'] }] }],
  [
    'an invalid operand',
    { conditions: [{ attribute: 'a', operator: 'before', value: 'tomorrow' }] },
  ],
  [
    'groups nested too deeply',
    { conditions: [1, 2, 3, 4, 5, 6].reduce<object[]>(inner => [{ any: inner }], conditions) },
  ],
])('a segment with %s is rejected', async (_, body) => {
  await using server = await startServer();
  expect((await server.api('POST', '/segments', { body: { key: 's', ...body } })).status).toBe(400);
  expect((await server.api('GET', '/segments')).body.items).toEqual([]);
});
