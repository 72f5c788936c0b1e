import { afterAll, beforeAll, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ limits: { bodyBytes: 2 * 1_048_576 } });
});
afterAll(() => server.close());

const times = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));

const nested = (depth: number, width: number): unknown[] =>
  times(width, () => (depth === 0 ? {} : { any: nested(depth - 1, width) }));

const segment = { segment: 'beta' };

/** Inputs of which every part is a problem, or which have far more parts than a flag may have. */
const FLAGS: Readonly<Record<string, object>> = {
  'nested groups of empty conditions, 32 KiB': { rules: [{ conditions: nested(3, 9) }] },
  'nested groups of empty conditions, 700 KiB': {
    rules: times(20, () => ({ conditions: nested(2, 22) })),
  },
  '10,000 empty conditions': { rules: times(200, () => ({ conditions: times(50, () => ({})) })) },
  '60,000 valid conditions in groups': {
    rules: [
      {
        conditions: times(50, () => ({
          any: times(50, () => ({ all: times(25, () => segment) })),
        })),
      },
    ],
  },
  '200,000 nulls in lists': {
    rules: times(100, () => ({
      conditions: [{ attribute: 'plan', operator: 'in', value: times(2_000, () => null) }],
    })),
  },
  '300,000 nulls as a value': {
    rules: [{ attribute: 'plan', operator: 'in', value: times(300_000, () => null) }],
  },
  '60,000 names in metadata': {
    metadata: Object.fromEntries(times(60_000, at => [`n${at}`, null])),
  },
  '60,000 variants': { variants: Object.fromEntries(times(60_000, at => [`n${at}`, null])) },
  '100,000 unknown fields': Object.fromEntries(times(100_000, at => [`n${at}`, 0])),
  '50,000 unknown fields in conditions': {
    rules: [{ conditions: times(50, () => Object.fromEntries(times(1_000, at => [`n${at}`, 0]))) }],
  },
};

it.each(Object.entries(FLAGS))(
  '%s: refused with few problems, over REST and tRPC',
  async (_, fields) => {
    const body = { key: 'a', enabled: true, ...fields };
    const rest = await server.api('POST', '/flags', { body });
    expect(rest.status).toBe(400);
    expect(rest.body.error.details.length).toBeLessThanOrEqual(21);
    const trpc = await server.request('POST', '/trpc/flags.create', {
      body: { environment: 'production', ...body },
    });
    expect(trpc.status).toBe(400);
    expect(trpc.body.error.data.error.details).toEqual(rest.body.error.details);
  },
);

it('a very large flag with problems names the first, and states that there may be others', async () => {
  const conditions = times(50, () => ({ attribute: 'plan', operator: 'equalz', value: 'pro' }));
  const rules = times(30, () => ({ conditions, variant: 'on' }));
  const { status, body } = await server.api('POST', '/flags', {
    body: { key: 'a', enabled: true, rules },
  });
  expect(status).toBe(400);
  expect(body.error.details).toEqual([
    {
      path: 'rules.0.conditions.0.operator',
      message: expect.stringContaining('did you mean "equals"?'),
    },
    { path: 'rules', message: 'is so large that only its first problem is listed' },
  ]);
});

it('a smaller one names 20 problems, and counts the others', async () => {
  const rules = times(20, () => ({ conditions: times(10, () => ({})) }));
  const { body } = await server.api('POST', '/flags', { body: { key: 'a', enabled: true, rules } });
  expect(body.error.details).toHaveLength(21);
  expect(body.error.details.at(-1)).toEqual({ path: '', message: 'has 180 more problems' });
});

it('groups do not count, so a rule may have 50 conditions in as many groups', async () => {
  await server.api('POST', '/segments', {
    body: { key: 'beta', conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }] },
  });
  const withConditions = (count: number) => ({
    key: `groups-${count}`,
    enabled: true,
    rules: [{ conditions: [{ all: times(count, () => ({ any: [segment] })) }], variant: 'on' }],
  });
  expect((await server.api('POST', '/flags', { body: withConditions(50) })).status).toBe(201);
  const refused = await server.api('POST', '/flags', { body: withConditions(51) });
  expect([refused.status, refused.body.error.details]).toEqual([
    400,
    [
      {
        path: 'rules.0.conditions',
        message: 'must have at most 50 conditions, including those in groups',
      },
    ],
  ]);
});
