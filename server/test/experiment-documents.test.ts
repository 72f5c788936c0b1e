import { describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

const DAY_MS = 86_400_000;

const bought = { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: DAY_MS } };

const split = [
  { variant: 'off', weight: 1 },
  { variant: 'on', weight: 1 },
];

const experiment = {
  key: 'checkout-2',
  hypothesis: 'One page sells more.',
  flag: 'new-checkout',
  rule: 'checkout-test',
  control: 'off',
  metrics: [{ metric: 'bought', role: 'primary', minimumEffect: 0.03 }],
};

const fill = async (server: TestServer): Promise<void> => {
  await server.api('POST', '/metrics', { body: bought });
  await server.api('POST', '/flags', {
    body: { key: 'new-checkout', enabled: true, rules: [{ id: 'checkout-test', split }] },
  });
};

describe('a metric', () => {
  it('is created with defaults, changed, listed, copied and deleted', async () => {
    await using server = await startServer();
    const made = await server.api('POST', '/metrics', { body: bought });
    expect([made.status, made.body]).toMatchObject([
      201,
      { ...bought, direction: 'increase', window: { fromMs: 0, toMs: DAY_MS }, version: 1 },
    ]);
    expect((await server.api('GET', '/metrics/bought')).body).toEqual(made.body);
    const patched = await server.api('PATCH', '/metrics/bought', {
      body: { direction: 'decrease', tags: ['shop'] },
      headers: { 'if-match': String(made.headers['etag']) },
    });
    expect(patched.body).toMatchObject({ direction: 'decrease', version: 2 });
    const late = await server.api('PATCH', '/metrics/bought', {
      body: { direction: null },
      headers: { 'if-match': String(made.headers['etag']) },
    });
    expect(late.status).toBe(412);
    expect((await server.api('GET', '/metrics?kind=conversion&tag=shop')).body.items).toEqual([
      patched.body,
    ]);
    const put = await server.api('PUT', '/metrics/bought', { body: { ...made.body, cap: null } });
    expect([put.status, put.body]).toMatchObject([200, { direction: 'increase', version: 3 }]);
    const copied = await server.api('POST', '/metrics/bought/copy', {
      body: { to: 'development' },
    });
    expect(copied.body).toMatchObject({ key: 'bought', version: 1 });
    expect((await server.api('DELETE', '/metrics/bought')).status).toBe(204);
    expect((await server.api('GET', '/metrics/bought')).status).toBe(404);
  });

  it.each([
    ['no event', { event: null }, 'event'],
    ['a value of a conversion', { value: 'price' }, 'value'],
    ['a window that ends before it begins', { window: { fromMs: 5, toMs: 5 } }, 'window.toMs'],
    ['a window of 91 days', { window: { toMs: 91 * DAY_MS } }, 'window.toMs'],
    ['a ratio without parts', { kind: 'ratio', event: null }, 'numerator'],
    ['a segment among its conditions', { where: [{ segment: 'pros' }] }, 'where.0'],
    ['an unknown kind', { kind: 'quantile' }, 'kind'],
    ['a cap of 0', { kind: 'sum', cap: 0 }, 'cap'],
  ])('with %s is refused, naming the field', async (_, change, path) => {
    await using server = await startServer();
    const { status, body } = await server.api('POST', '/metrics', {
      body: { ...bought, ...change },
    });
    expect([status, body.error.details.map((each: { path: string }) => each.path)]).toEqual([
      400,
      expect.arrayContaining([path]),
    ]);
  });

  it('that an experiment uses cannot be deleted', async () => {
    await using server = await startServer();
    await fill(server);
    await server.api('POST', '/experiments', { body: experiment });
    const refused = await server.api('DELETE', '/metrics/bought');
    expect([refused.status, refused.body.error]).toMatchObject([
      409,
      { details: [{ path: 'experiments.checkout-2' }] },
    ]);
  });
});

describe('an experiment', () => {
  it('is created as a draft with defaults, changed, listed, copied and deleted', async () => {
    await using server = await startServer();
    await fill(server);
    const made = await server.api('POST', '/experiments', { body: experiment });
    expect([made.status, made.body]).toMatchObject([
      201,
      {
        ...experiment,
        state: 'draft',
        source: 'events',
        analysis: { method: 'sequential', alpha: 0.05, power: 0.8 },
        version: 1,
      },
    ]);
    const patched = await server.api('PATCH', '/experiments/checkout-2', {
      body: { owner: 'ada', analysis: { alpha: 0.01 } },
    });
    expect(patched.body.analysis).toEqual({ method: 'sequential', alpha: 0.01, power: 0.8 });
    expect((await server.api('GET', '/experiments?state=draft')).body.items).toEqual([
      patched.body,
    ]);
    expect((await server.api('GET', '/experiments?state=running')).body.items).toEqual([]);
    const audit = await server.api('GET', '/audit?limit=2');
    expect(audit.body.items.map(({ action }: { action: string }) => action)).toEqual([
      'experiment.update',
      'experiment.create',
    ]);
    expect((await server.api('DELETE', '/experiments/checkout-2')).status).toBe(204);
  });

  it('that is written with a state and a run stays a draft', async () => {
    await using server = await startServer();
    await fill(server);
    const run = {
      id: 'r',
      startedAt: '2026-01-31T12:00:00Z',
      revision: 1,
      unit: 'targetingKey',
      seed: 's',
      variants: split,
    };
    const sent = { ...experiment, state: 'running', run };
    const made = await server.api('POST', '/experiments', { body: sent });
    expect(made.body.state).toBe('draft');
    expect(made.body).not.toHaveProperty('run');
    const put = await server.api('PUT', '/experiments/checkout-2', { body: sent });
    expect([put.status, put.body.state]).toEqual([200, 'draft']);
  });

  it.each([
    ['an unknown flag', { flag: 'new-checkuot' }, 'flag', /did you mean "new-checkout"/],
    ['an unknown rule', { rule: 'other' }, 'rule', /its rules are "checkout-test"/],
    ['an unknown control', { control: 'none' }, 'control', /"off", "on"/],
    [
      'an unknown metric',
      { metrics: [{ metric: 'bougth', role: 'primary' }] },
      'metrics.0.metric',
      /did you mean "bought"/,
    ],
    [
      'a tolerance of a primary metric',
      { metrics: [{ metric: 'bought', role: 'primary', tolerance: 0.1 }] },
      'metrics.0.tolerance',
      /guardrail/,
    ],
    [
      'the same metric twice',
      {
        metrics: [
          { metric: 'bought', role: 'primary' },
          { metric: 'bought', role: 'guardrail' },
        ],
      },
      'metrics',
      /twice/,
    ],
    ['an alpha of 0', { analysis: { alpha: 0 } }, 'analysis.alpha', /more than 0/],
    [
      'a prior of a sequential analysis',
      { analysis: { prior: { standardDeviation: 0.3 } } },
      'analysis.prior',
      /bayesian/,
    ],
  ])('with %s is refused, naming the field and the remedy', async (_, change, path, message) => {
    await using server = await startServer();
    await fill(server);
    const { status, body } = await server.api('POST', '/experiments', {
      body: { ...experiment, ...change },
    });
    expect([status, body.error.details]).toEqual([
      400,
      [{ path, message: expect.stringMatching(message) }],
    ]);
  });

  it('needs a split of at least two variants', async () => {
    await using server = await startServer();
    await fill(server);
    const one = [
      { variant: 'on', weight: 1 },
      { variant: 'off', weight: 0 },
    ];
    await server.api('PATCH', '/flags/new-checkout', {
      body: { rules: [{ id: 'checkout-test', split: one }] },
    });
    const refused = await server.api('POST', '/experiments', { body: experiment });
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, 'rule']);
  });
});

it('a change of metrics is a change of the flag set, which has what is measured', async () => {
  await using server = await startServer();
  const read = async () => (await server.api('GET', '/flag-set')).body;
  expect(await read()).not.toHaveProperty('tracked');
  await server.api('POST', '/metrics', { body: bought });
  await server.api('POST', '/metrics', { body: { ...bought, key: 'again', covariate: false } });
  expect(await read()).toMatchObject({ experiments: {}, tracked: ['bought'] });
  await server.api('DELETE', '/metrics/bought');
  expect(await read()).not.toHaveProperty('tracked');
});
