import { describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

const minute = { toMs: 60_000 };
const failed = { key: 'failed', kind: 'conversion', event: 'failed', window: minute };

/** Rules of which the second one is released. */
const staff = {
  id: 'staff',
  conditions: [{ attribute: 'staff', operator: 'equals', value: true }],
  variant: 'on',
};
const few = {
  id: 'release',
  conditions: [{ attribute: 'country', operator: 'equals', value: 'AT' }],
  variant: 'on',
  percentage: 3,
  seed: 'own',
};

const ramp = {
  key: 'checkout',
  flag: 'new-checkout',
  rule: 'release',
  control: 'off',
  treatment: 'on',
  steps: [
    { share: 1, holdMinutes: 60 },
    { share: 50, holdMinutes: 60, approval: true },
  ],
  guardrails: [{ metric: 'failed', tolerance: 0.1 }],
};

const fill = async (server: TestServer, rules: object[] = [staff, few]): Promise<void> => {
  await server.api('POST', '/metrics', { body: { ...failed, direction: 'decrease' } });
  const flag = { key: 'new-checkout', enabled: true, defaultVariant: 'off', rules };
  await server.api('POST', '/flags', { body: flag });
};

const post = (server: TestServer, action: string, key = 'checkout') =>
  server.api('POST', `/ramps/${key}/${action}`);

const read = async (server: TestServer, path: string) => (await server.api('GET', path)).body;
const rules = async (server: TestServer) => (await read(server, '/flags/new-checkout')).rules;

/** Starts a server with a ramp. */
const withRamp = async (change: object = {}, given?: object[]): Promise<TestServer> => {
  const server = await startServer();
  await fill(server, given);
  const made = await server.api('POST', '/ramps', { body: { ...ramp, ...change } });
  if (made.status !== 201) throw new Error(made.text);
  return server;
};

describe('a ramp', () => {
  it('is created as a draft with defaults, changed, listed, copied and deleted', async () => {
    await using server = await startServer();
    await fill(server);
    const sent = { ...ramp, state: 'running', step: 2 };
    const made = await server.api('POST', '/ramps', { body: sent });
    const defaults = { alpha: 0.05, minUnits: 100, onMismatch: 'pause', staleAfterMinutes: 30 };
    expect([made.status, made.body]).toMatchObject([
      201,
      { ...ramp, ...defaults, state: 'draft', step: 0, version: 1 },
    ]);
    const headers = { 'if-match': String(made.headers['etag']) };
    const patched = await server.api('PATCH', '/ramps/checkout', {
      body: { minUnits: 5, alpha: null },
      headers,
    });
    expect(patched.body).toMatchObject({ minUnits: 5, alpha: 0.05, version: 2 });
    const late = await server.api('PATCH', '/ramps/checkout', { body: { minUnits: 6 }, headers });
    expect(late.status).toBe(412);
    expect((await read(server, '/ramps?state=draft')).items).toEqual([patched.body]);
    expect((await read(server, '/ramps?flag=other')).items).toEqual([]);
    const { body: exported } = await server.request('GET', '/api/v1/export');
    expect(exported.environments[1].ramps).toMatchObject([{ key: 'checkout' }]);
    const copied = await server.api('POST', '/ramps/checkout/copy', {
      body: { to: 'development' },
    });
    expect([copied.status, copied.body.error.details[0].path]).toEqual([400, 'flag']);
    expect((await server.api('DELETE', '/ramps/checkout')).status).toBe(204);
    expect((await read(server, '/audit?limit=3')).items).toMatchObject(
      ['delete', 'update', 'create'].map(action => ({ action: `ramp.${action}`, kind: 'ramp' })),
    );
  });

  it('is started with a warning about a guardrail whose events were never seen', async () => {
    await using server = await withRamp();
    const { status, body } = await post(server, 'start');
    expect([status, body.warnings]).toEqual([
      200,
      [
        {
          path: 'guardrails.0.metric',
          code: 'eventNotSeen',
          message: expect.stringContaining('event "failed" was not seen in the last 7 days: check'),
        },
      ],
    ]);
    expect((await read(server, '/ramps/checkout')).warnings).toBeUndefined();
  });

  it.each([
    ['an unknown flag', { flag: 'new-checkuot' }, 'flag', /did you mean "new-checkout"/],
    ['an unknown treatment', { treatment: 'onn' }, 'treatment', /did you mean "on"/],
    ['no control', { control: null }, 'control', /guardrails/],
    ['a control that is the treatment', { control: 'on' }, 'treatment', /another variant/],
    ['an unknown metric', { guardrails: [{ metric: 'x' }] }, 'guardrails.0.metric', /create it/],
    [
      'a share that is too large to compare',
      { steps: [{ share: 60, holdMinutes: 1 }] },
      'steps.0.share',
      /at most 50/,
    ],
    [
      'shares that do not rise',
      { steps: [5, 5].map(share => ({ share, holdMinutes: 1 })) },
      'steps.1.share',
      /more than the 5/,
    ],
    ['no steps', { steps: [] }, 'steps', /at least one/],
    [
      'a hold of half a minute',
      { steps: [{ share: 1, holdMinutes: 0.5 }] },
      'steps.0.holdMinutes',
      /whole/,
    ],
  ])('with %s is refused, naming the field and the remedy', async (_, change, path, message) => {
    await using server = await startServer();
    await fill(server);
    const { status, body } = await server.api('POST', '/ramps', { body: { ...ramp, ...change } });
    expect([status, body.error.details]).toEqual([
      400,
      [{ path, message: expect.stringMatching(message) }],
    ]);
  });

  it('shares its keys with experiments, because events name either by its key', async () => {
    await using server = await withRamp();
    const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
    const tested = { key: 'tested', enabled: true, rules: [{ id: 'test', split }] };
    await server.api('POST', '/flags', { body: tested });
    const experiment = { key: 'checkout', flag: 'tested', rule: 'test', control: 'off' };
    const taken = await server.api('POST', '/experiments', { body: experiment });
    expect([taken.status, taken.body.error.details[0].path]).toEqual([400, 'key']);
    await server.api('POST', '/experiments', { body: { ...experiment, key: 'e' } });
    const other = await server.api('POST', '/ramps', { body: { ...ramp, key: 'e' } });
    expect([other.status, other.body.error.details[0].path]).toEqual([400, 'key']);
    const used = await server.api('DELETE', '/metrics/failed');
    expect([used.status, used.body.error.details]).toMatchObject([
      409,
      [{ path: 'ramps.checkout' }],
    ]);
  });
});

describe('the steps of a ramp', () => {
  it('do not begin while all others have the treatment, which a rollback would give to all', async () => {
    await using server = await withRamp({}, [few]);
    const change = (body: object) => server.api('PATCH', '/flags/new-checkout', { body });
    await change({ defaultVariant: 'on', allowNoEffect: true });
    const refused = await post(server, 'start');
    expect([refused.status, refused.body.error.details]).toMatchObject([
      409,
      [{ path: 'treatment', message: expect.stringContaining('"defaultVariant"') }],
    ]);
    await change({ defaultVariant: 'off', rules: [few, { id: 'later', variant: 'on' }] });
    expect((await post(server, 'start')).body.error.details).toMatchObject([
      { path: 'treatment', message: expect.stringContaining('rule "later"') },
    ]);
    await change({ rules: [few] });
    expect((await post(server, 'start')).status).toBe(200);
  });

  it('compare equal shares, serve all at the end, and are rolled back exactly', async () => {
    await using server = await withRamp();
    const [first, before] = await rules(server);
    const started = await post(server, 'start');
    const variants = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
    expect([started.status, started.body]).toMatchObject([
      200,
      { state: 'running', step: 1, before, run: { unit: 'targetingKey', seed: 'own', variants } },
    ]);
    const { conditions, seed } = before;
    const at = (percentage: number) => ({
      id: 'release',
      conditions,
      split: variants,
      percentage,
      seed,
    });
    expect(await rules(server)).toMatchObject([first, at(2)]);
    await post(server, 'advance');
    expect(await rules(server)).toMatchObject([first, at(100)]);
    const completed = await post(server, 'advance');
    expect(completed.body).toMatchObject({ state: 'completed', step: 3 });
    expect(await rules(server)).toMatchObject([
      first,
      { id: 'release', conditions, variant: 'on' },
    ]);
    expect((await post(server, 'advance')).status).toBe(409);
    const back = await post(server, 'rollback');
    expect(back.body).toMatchObject({ state: 'rolledBack', reason: { code: 'requested' } });
    expect(await rules(server)).toEqual([first, before]);
    const { items } = await read(server, '/audit?limit=8');
    const actions = items.map(({ action }: { action: string }) => action);
    expect(actions.filter((action: string) => action.startsWith('ramp.'))).toEqual(
      ['rollback', 'complete', 'advance', 'start'].map(action => `ramp.${action}`),
    );
    const again = await post(server, 'start');
    expect(again.body.run.id).not.toBe(started.body.run.id);
    expect(again.body).not.toHaveProperty('reason');
  });

  it('add a rule that does not exist, and remove it again', async () => {
    await using server = await withRamp({}, [staff]);
    const before = await rules(server);
    const started = await post(server, 'start');
    expect(started.body.before).toBeNull();
    expect((await rules(server)).map(({ id }: { id: string }) => id)).toEqual(['staff', 'release']);
    await post(server, 'rollback');
    expect(await rules(server)).toEqual(before);
  });

  it('are a plain schedule without guardrails, up to any share', async () => {
    const steps = [10, 80].map(share => ({ share, holdMinutes: 1 }));
    await using server = await withRamp({ guardrails: [], control: null, steps }, []);
    await post(server, 'start');
    const rule = { id: 'release', conditions: [], variant: 'on' };
    expect(await rules(server)).toMatchObject([{ ...rule, percentage: 10 }]);
    await post(server, 'advance');
    expect(await rules(server)).toMatchObject([{ ...rule, percentage: 80 }]);
    expect(await read(server, '/flag-set')).not.toMatchObject({ experiments: { checkout: {} } });
  });

  it('are measured as an experiment of their own', async () => {
    await using server = await withRamp();
    await post(server, 'start');
    expect(await read(server, '/flag-set')).toMatchObject({
      experiments: { checkout: { flag: 'new-checkout', rule: 'release', unit: 'targetingKey' } },
      tracked: ['failed'],
    });
    await post(server, 'rollback');
    expect((await read(server, '/flag-set')).experiments).toEqual({});
  });

  it('wait while the ramp is paused, and begin again afterwards', async () => {
    await using server = await withRamp();
    await post(server, 'start');
    expect((await post(server, 'pause')).body).toMatchObject({ state: 'paused', step: 1 });
    expect((await post(server, 'advance')).status).toBe(409);
    expect((await post(server, 'approve')).body).toMatchObject({ approved: true });
    const resumed = await post(server, 'resume');
    expect(resumed.body).toMatchObject({ state: 'running', approved: true });
    expect(resumed.body).not.toHaveProperty('reason');
  });

  it('do not begin on a disabled flag, nor on a rule that something else decides', async () => {
    await using server = await withRamp();
    await server.api('PATCH', '/flags/new-checkout', { body: { enabled: false } });
    const disabled = await post(server, 'start');
    expect([disabled.status, disabled.body.error.details[0].path]).toEqual([409, 'flag']);
    await server.api('PATCH', '/flags/new-checkout', { body: { enabled: true } });
    await server.api('POST', '/ramps', { body: { ...ramp, key: 'other' } });
    await post(server, 'start');
    const rival = await post(server, 'start', 'other');
    expect([rival.status, rival.body.error.message]).toEqual([
      409,
      expect.stringContaining('"checkout"'),
    ]);
    const experiment = { key: 'e', flag: 'new-checkout', rule: 'release', control: 'off' };
    const metrics = [{ metric: 'failed', role: 'primary' }];
    await server.api('POST', '/experiments', { body: { ...experiment, metrics } });
    const measured = await server.api('POST', '/experiments/e/start');
    expect([measured.status, measured.body.error.details[0].message]).toEqual([
      409,
      expect.stringContaining('ramp "checkout"'),
    ]);
  });
});

describe('a ramp at work', () => {
  const write = (server: TestServer, method: 'PATCH' | 'DELETE', path: string, body?: object) =>
    server.api(method, path, body === undefined ? {} : { body });

  it.each([
    ['the percentage', '/flags/new-checkout/rules/release', { percentage: 90 }],
    ['the conditions', '/flags/new-checkout/rules/release', { conditions: [] }],
    ['the variants', '/flags/new-checkout', { variants: { on: true, off: false, more: true } }],
    ['what is before', '/flags/new-checkout/rules/staff', { conditions: [] }],
    ['the share before', '/flags/new-checkout/rules/staff', { percentage: 50 }],
    ['the values of its variants', '/flags/new-checkout', { variants: { on: false, off: true } }],
    [
      'that others do not get the treatment',
      '/flags/new-checkout',
      { defaultVariant: 'on', allowNoEffect: true },
    ],
    [
      'that no later rule serves others the treatment',
      '/flags/new-checkout',
      { rules: [staff, few, { id: 'rest', variant: 'on' }] },
    ],
    ['a metric', '/metrics/failed', { direction: 'increase' }],
    ['its steps', '/ramps/checkout', { steps: [{ share: 9, holdMinutes: 1 }] }],
  ])('fixes %s', async (_, path, body) => {
    await using server = await withRamp();
    await post(server, 'start');
    const refused = await write(server, 'PATCH', path, body);
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringMatching(/ramp "checkout" is running.*rollback/),
    ]);
    await post(server, 'rollback');
    expect((await write(server, 'PATCH', path, body)).status).toBe(200);
  });

  it('can be neither deleted nor left without its flag, which can be disabled', async () => {
    await using server = await withRamp();
    await post(server, 'start');
    expect((await write(server, 'DELETE', '/ramps/checkout')).status).toBe(409);
    expect((await write(server, 'DELETE', '/flags/new-checkout')).status).toBe(409);
    const disabled = await write(server, 'PATCH', '/flags/new-checkout', { enabled: false });
    expect(disabled.status).toBe(200);
    expect((await write(server, 'PATCH', '/ramps/checkout', { owner: 'ada' })).status).toBe(200);
  });
});

it('a rollback leaves the rule in its place if an experiment of the flag continues after it', async () => {
  await using server = await withRamp({}, []);
  await post(server, 'start');
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  const added = await server.api('POST', '/flags/new-checkout/rules', {
    body: { id: 'test', split },
  });
  expect(added.status).toBe(201);
  const metrics = [{ metric: 'failed', role: 'primary' }];
  const experiment = { key: 'e', flag: 'new-checkout', rule: 'test', control: 'off', metrics };
  await server.api('POST', '/experiments', { body: experiment });
  expect((await server.api('POST', '/experiments/e/start')).status).toBe(200);
  expect((await post(server, 'rollback')).status).toBe(200);
  expect(await rules(server)).toMatchObject([{ id: 'release', percentage: 0 }, { id: 'test' }]);
});

it('a ramp continues to raise the share of its rule while an experiment runs after it', async () => {
  const steps = [
    { share: 1, holdMinutes: 60 },
    { share: 5, holdMinutes: 60 },
  ];
  await using server = await withRamp({ steps }, [few]);
  await post(server, 'start');
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  await server.api('POST', '/flags/new-checkout/rules', { body: { id: 'test', split } });
  const metrics = [{ metric: 'failed', role: 'primary' }];
  const experiment = { key: 'e', flag: 'new-checkout', rule: 'test', control: 'off', metrics };
  await server.api('POST', '/experiments', { body: experiment });
  expect((await server.api('POST', '/experiments/e/start')).status).toBe(200);
  expect((await post(server, 'advance')).status).toBe(200);
  expect(await rules(server)).toMatchObject([{ percentage: 10 }, { id: 'test' }]);
  expect((await post(server, 'rollback')).status).toBe(200);
  const again = await post(server, 'start');
  expect([again.status, again.body.error.message]).toEqual([
    409,
    expect.stringContaining('experiment "e" is running'),
  ]);
});
