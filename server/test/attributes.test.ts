import { expect, it } from 'vitest';

import { startServer } from './support/server.ts';

it('lists the attributes of flags and segments, the most frequent ones first', async () => {
  await using server = await startServer();
  expect((await server.api('GET', '/attributes')).body).toEqual({ items: [] });
  const plan = { attribute: 'plan', operator: 'in', value: ['pro'] };
  const age = { attribute: 'age', operator: 'greaterThan', value: 17 };
  const exists = { attribute: 'beta', operator: 'exists', value: true };
  await server.api('POST', '/segments', { body: { key: 's', conditions: [plan, exists] } });
  await server.api('POST', '/flags', {
    body: {
      key: 'f',
      enabled: true,
      defaultVariant: 'off',
      rules: [
        { conditions: [{ any: [plan, { all: [age] }] }], variant: 'on' },
        { conditions: [{ ...plan, operator: 'equals', value: 3 }], variant: 'on' },
      ],
    },
  });
  const { status, body } = await server.api('GET', '/attributes');
  expect([status, body.items]).toEqual([
    200,
    [
      { name: 'plan', types: ['string', 'number'], conditions: 3 },
      { name: 'age', types: ['number'], conditions: 1 },
      { name: 'beta', types: [], conditions: 1 },
    ],
  ]);
  const other = await server.request('GET', '/api/v1/attributes?environment=development');
  expect(other.body).toEqual({ items: [] });
});
