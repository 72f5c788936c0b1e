import { beforeEach, describe, expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const HOUR_MS = 3_600_000;
const START = Date.parse('2026-12-01T09:00:00Z');

const split = [
  { variant: 'off', weight: 1 },
  { variant: 'on', weight: 1 },
];
const rule = { id: 'checkout-test', split, percentage: 10 };
const staff = {
  id: 'staff',
  conditions: [{ attribute: 'staff', operator: 'equals', value: true }],
  variant: 'on',
};

const experiment = {
  key: 'checkout-2',
  flag: 'new-checkout',
  rule: 'checkout-test',
  control: 'off',
  metrics: [{ metric: 'bought', role: 'primary' }],
};

const fill = async (server: TestServer): Promise<void> => {
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: HOUR_MS } },
  });
  await server.api('POST', '/flags', {
    body: { key: 'new-checkout', enabled: true, clientVisible: true, rules: [staff, rule] },
  });
  await server.api('POST', '/experiments', { body: experiment });
};

const post = (server: TestServer, action: string, body?: object) =>
  server.api('POST', `/experiments/checkout-2/${action}`, body === undefined ? {} : { body });

const read = async (server: TestServer, path = '/experiments/checkout-2') =>
  (await server.api('GET', path)).body;

describe('the states of an experiment', () => {
  it.each([
    ['that providers have sent before', 'conversion', true, /in the last 7 days: check that code/],
    ['that are measured from now on', 'conversion', false, /because a run measures it now/],
  ])('begin with a warning about missing events %s', async (_, kind, covariate, message) => {
    await using server = await startServer();
    await fill(server);
    await server.api('PATCH', '/metrics/bought', { body: { kind, covariate } });
    const { status, body } = await post(server, 'start');
    const code = 'eventNotSeen';
    expect([status, body.warnings]).toEqual([
      200,
      [{ path: 'metrics.0.metric', code, message: expect.stringMatching(message) }],
    ]);
  });

  it('begin without that warning if the data comes from elsewhere', async () => {
    await using server = await startServer();
    await fill(server);
    await server.api('PATCH', '/experiments/checkout-2', { body: { source: 'external' } });
    const { status, body } = await post(server, 'start');
    expect([status, body.warnings]).toEqual([200, undefined]);
  });

  it('begin with a draft, and a run that is started is fixed to its rule', async () => {
    await using server = await startServer();
    await fill(server);
    const started = await post(server, 'start');
    expect([started.status, started.body]).toMatchObject([
      200,
      {
        state: 'running',
        run: { unit: 'targetingKey', seed: 'new-checkout', variants: split, revision: 4 },
      },
    ]);
    expect((await post(server, 'start')).status).toBe(409);
    const stopped = await post(server, 'stop');
    expect(stopped.body).toMatchObject({
      state: 'stopped',
      run: { id: started.body.run.id, endedAt: expect.any(String) },
    });
    expect((await post(server, 'stop')).status).toBe(409);
    const again = await post(server, 'restart');
    expect(again.body.state).toBe('running');
    expect(again.body.run.id).not.toBe(started.body.run.id);
    expect(again.body.run).not.toHaveProperty('endedAt');
    const { items } = await read(server, '/audit?limit=3');
    expect(items.map(({ action }: { action: string }) => action)).toEqual([
      'experiment.restart',
      'experiment.stop',
      'experiment.start',
    ]);
  });

  it('follow the plan: enrolment ends, then the windows, each by the server itself', async () => {
    const clock = createFakeClock(START);
    await using server = await startServer({ clock });
    await fill(server);
    const plan = { end: '2026-12-03T09:00:00.000Z', units: 1_000 };
    await server.api('PATCH', '/experiments/checkout-2', { body: { plan } });
    await post(server, 'start');
    clock.jump(48 * HOUR_MS - 120_000);
    clock.advance(60_000);
    expect((await read(server)).state).toBe('running');
    clock.advance(120_000);
    await expect
      .poll(() => read(server))
      .toMatchObject({
        state: 'settling',
        run: { enrolmentEndedAt: plan.end },
      });
    // The window, one cohort of a quarter of an hour, and one hour.
    clock.jump(2.25 * HOUR_MS - 60_000);
    clock.advance(60_000);
    await expect
      .poll(() => read(server))
      .toMatchObject({
        state: 'ended',
        run: { endedAt: '2026-12-03T11:15:00.000Z' },
      });
    const { items } = await read(server, '/audit?limit=2');
    expect(items).toMatchObject([
      { action: 'experiment.end', actor: { kind: 'system' } },
      { action: 'experiment.settle', actor: { kind: 'system' } },
    ]);
  });

  it.each([
    ['no primary metric', { metrics: [] }, 'metrics'],
    ['a fixed test without a plan', { analysis: { method: 'fixed' } }, 'plan'],
    ['a plan that is over', { plan: { end: '2020-01-01T00:00:00Z', units: 10 } }, 'plan.end'],
  ])('do not begin with %s', async (_, change, path) => {
    await using server = await startServer();
    await fill(server);
    await server.api('PATCH', '/experiments/checkout-2', { body: change });
    const refused = await post(server, 'start');
    expect([refused.status, refused.body.error.details[0].path]).toEqual([409, path]);
  });

  it('do not begin on a rule that another experiment measures', async () => {
    await using server = await startServer();
    await fill(server);
    await post(server, 'start');
    await server.api('POST', '/experiments', { body: { ...experiment, key: 'other' } });
    const refused = await server.api('POST', '/experiments/other/start');
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringContaining('"checkout-2"'),
    ]);
  });

  it('require a current entity tag if there is one', async () => {
    await using server = await startServer();
    await fill(server);
    const { headers } = await server.api('GET', '/experiments/checkout-2');
    await server.api('PATCH', '/experiments/checkout-2', { body: { owner: 'ada' } });
    const late = await server.api('POST', '/experiments/checkout-2/start', {
      headers: { 'if-match': String(headers['etag']) },
    });
    expect(late.status).toBe(412);
  });
});

describe('a decision', () => {
  it('ends the run and makes the rule serve the variant, in one commit', async () => {
    await using server = await startServer();
    await fill(server);
    await post(server, 'start');
    const before = (await read(server, '/flag-set')).revision;
    const decided = await post(server, 'decide', { variant: 'on' });
    expect(decided.body).toMatchObject({ state: 'stopped', decision: { variant: 'on' } });
    const flag = await read(server, '/flags/new-checkout');
    expect(flag.rules).toMatchObject([
      staff,
      { id: 'checkout-test', conditions: [], variant: 'on' },
    ]);
    expect((await read(server, '/flag-set')).revision).toBe(before + 1);
    const { items } = await read(server, '/audit?limit=2');
    expect(items.map(({ action }: { action: string }) => action).toSorted()).toEqual([
      'experiment.decide',
      'flag.update',
    ]);
  });

  it('can remove the rule', async () => {
    await using server = await startServer();
    await fill(server);
    await post(server, 'start');
    await post(server, 'decide', { removeRule: true });
    expect((await read(server, '/flags/new-checkout')).rules).toMatchObject([{ id: 'staff' }]);
  });

  it.each([
    ['neither a variant nor a removal', {}],
    ['an unknown variant', { variant: 'onn' }],
    ['both', { variant: 'on', removeRule: true }],
  ])('with %s is refused', async (_, body) => {
    await using server = await startServer();
    await fill(server);
    await post(server, 'start');
    const refused = await post(server, 'decide', body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, 'variant']);
    expect((await read(server)).state).toBe('running');
  });
});

it.each([
  ['its rule', [{ ...rule, conditions: [{ any: [{ segment: 'testers' }] }] }]],
  ['a rule before it', [{ ...staff, conditions: [{ segment: 'testers' }] }, rule]],
])('an experiment fixes the segments of %s, by every way to write one', async (_, rules) => {
  await using server = await startServer();
  await fill(server);
  const conditions = [staff.conditions[0]];
  const other = [{ attribute: 'country', operator: 'equals', value: 'DE' }];
  const write = (method: 'PUT' | 'PATCH', body: object) =>
    server.api(method, '/segments/testers', { body });
  const inDevelopment = (path: string, body: object) =>
    server.request('POST', `/api/v1${path}?environment=development`, { body });
  await server.api('POST', '/segments', { body: { key: 'testers', conditions } });
  await inDevelopment('/segments', { key: 'testers', conditions: other });
  await inDevelopment('/flags', { key: 'other', enabled: true });
  await server.api('PATCH', '/flags/new-checkout', {
    body: { rules },
  });
  expect((await post(server, 'start')).status).toBe(200);
  const document = (await server.request('GET', '/api/v1/export')).body;
  const production = document.environments.find(({ key }: { key: string }) => key === 'production');
  production.segments[0].conditions = other;
  const refusals = {
    put: await write('PUT', { conditions: other }),
    patch: await write('PATCH', { conditions: other }),
    copy: await inDevelopment('/segments/testers/copy', { to: 'production', overwrite: true }),
    promote: await server.request('POST', '/api/v1/environments/production/promote', {
      body: { from: 'development', flags: ['other'], segments: ['testers'] },
    }),
    import: await server.request('POST', '/api/v1/import?overwrite=true', { body: document }),
  };
  expect(
    Object.entries(refusals).map(([name, { status, body }]) => [
      name,
      status,
      body.error?.message.includes('experiment "checkout-2" is running, so segment "testers"'),
    ]),
  ).toEqual(Object.keys(refusals).map(name => [name, 409, true]));
  expect((await write('PATCH', { description: 'x' })).status).toBe(200);
  await post(server, 'stop');
  expect((await write('PATCH', { conditions: other })).status).toBe(200);
});

describe('the flags that the rule of a running experiment depends on', () => {
  const holdout = {
    key: 'holdout',
    enabled: true,
    rules: [
      {
        id: 'in',
        percentage: 90,
        conditions: [{ flag: 'region', variants: ['on'] }],
        variant: 'on',
      },
    ],
  };
  const dependent = { ...rule, conditions: [{ any: [{ flag: 'holdout', variants: ['on'] }] }] };
  const startWith = async (rules: readonly object[]): Promise<TestServer> => {
    const server = await startServer();
    await fill(server);
    for (const body of [
      { key: 'region', enabled: true, defaultVariant: 'on', allowNoEffect: true },
      holdout,
    ])
      expect((await server.api('POST', '/flags', { body })).status).toBe(201);
    await server.api('PATCH', '/flags/new-checkout', { body: { rules } });
    expect((await post(server, 'start')).status).toBe(200);
    return server;
  };
  const everyone = { rules: [{ id: 'in', variant: 'on' }] };

  it.each([
    ['the rules', 'holdout', everyone],
    ['the default', 'holdout', { defaultVariant: 'on', allowNoEffect: true }],
    ['the seed', 'holdout', { seed: 'again' }],
    ['the names of variants', 'holdout', { variants: { on: true, off: false, maybe: true } }],
    ['a flag that another one depends on', 'region', { defaultVariant: 'off' }],
  ])('cannot change: %s', async (_, key, body) => {
    await using server = await startWith([staff, dependent]);
    const refused = await server.api('PATCH', `/flags/${key}`, { body });
    expect([refused.status, refused.body.error]).toMatchObject([
      409,
      {
        message: expect.stringMatching(
          `^experiment "checkout-2" is running, so flag "${key}" is fixed, because .*: stop it first`,
        ),
        details: [{ path: `flags.${key}` }],
      },
    ]);
    await post(server, 'stop');
    expect((await server.api('PATCH', `/flags/${key}`, { body })).status).toBe(200);
  });

  it('cannot change if a rule before it depends on them', async () => {
    const earlier = { ...staff, conditions: dependent.conditions };
    await using server = await startWith([earlier, rule]);
    expect((await server.api('PATCH', '/flags/holdout', { body: everyone })).status).toBe(409);
  });

  it('can be disabled and described, and change if only a later rule depends on them', async () => {
    await using server = await startWith([dependent]);
    for (const body of [{ enabled: false }, { enabled: true }, { description: 'x' }])
      expect((await server.api('PATCH', '/flags/holdout', { body })).status).toBe(200);
    await using other = await startWith([rule, { ...dependent, id: 'later' }]);
    expect((await other.api('PATCH', '/flags/holdout', { body: everyone })).status).toBe(200);
  });

  it('continue with the steps of their ramps', async () => {
    await using server = await startWith([dependent]);
    await post(server, 'stop');
    const [control, treatment] = ['off', 'on'];
    const steps = [
      { share: 1, holdMinutes: 60 },
      { share: 5, holdMinutes: 60 },
    ];
    const ramp = { key: 'r', flag: 'holdout', rule: 'in', control, treatment, steps };
    expect((await server.api('POST', '/ramps', { body: ramp })).status).toBe(201);
    expect((await server.api('POST', '/ramps/r/start')).status).toBe(200);
    expect((await post(server, 'restart')).status).toBe(200);
    expect((await server.api('POST', '/ramps/r/advance')).status).toBe(200);
    expect((await server.api('POST', '/ramps/r/rollback')).status).toBe(200);
  });
});

describe('what a running experiment fixes', () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startServer();
    await fill(server);
    await post(server, 'start');
    return () => server.close();
  });

  const rulesWith = (change: object) => ({ rules: [staff, { ...rule, ...change }] });
  const other = { attribute: 'country', operator: 'equals', value: 'DE' };

  it.each([
    ['the split', rulesWith({ split: [split[0], { variant: 'on', weight: 3 }] })],
    ['the conditions', rulesWith({ conditions: [other] })],
    ['bucketBy', rulesWith({ bucketBy: 'companyId' })],
    ['the seed of the rule', rulesWith({ seed: 'again' })],
    ['the seed of the flag', { seed: 'again' }],
    ['the names of variants', { variants: { on: true, off: false, maybe: true } }],
    ['conditions of earlier rules', { rules: [{ ...staff, conditions: [other] }, rule] }],
    ['the percentage of earlier rules', { rules: [{ ...staff, percentage: 50 }, rule] }],
    ['"bucketBy" of earlier rules', { rules: [{ ...staff, bucketBy: 'companyId' }, rule] }],
    ['the seed of earlier rules', { rules: [{ ...staff, seed: 'again' }, rule] }],
    ['the order of earlier rules', { rules: [rule, staff] }],
    ['the number of earlier rules', { rules: [staff, { ...staff, id: 'more' }, rule] }],
    ['the values of its variants', { variants: { on: false, off: true } }],
    ['the rule itself', { rules: [staff] }],
    ['a lower percentage', rulesWith({ percentage: 9 })],
  ])('%s cannot change, and the response names the experiment', async (_, body) => {
    const refused = await server.api('PATCH', '/flags/new-checkout', { body });
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringMatching(/^experiment "checkout-2" is running, so .*stop it first/),
    ]);
    await post(server, 'stop');
    expect((await server.api('PATCH', '/flags/new-checkout', { body })).status).toBe(200);
  });

  it.each([
    ['a higher percentage', rulesWith({ percentage: 50 })],
    ['whether the flag is enabled', { enabled: false }],
    ['the description', { description: 'x' }],
    [
      'what earlier rules serve',
      { rules: [{ ...staff, variant: 'off' }, rule], allowNoEffect: true },
    ],
    ['later rules', { rules: [staff, rule, { id: 'rest', variant: 'on', percentage: 5 }] }],
    ['the metadata', { metadata: { a: 1 } }],
  ])('%s can change', async (_, body) => {
    expect((await server.api('PATCH', '/flags/new-checkout', { body })).status).toBe(200);
  });

  it('its metrics and its design cannot change, and none of them can be deleted', async () => {
    const end = '2030-01-01T00:00:00Z';
    const refusals = [
      await server.api('PATCH', '/metrics/bought', { body: { event: 'sold' } }),
      await server.api('PATCH', '/experiments/checkout-2', { body: { plan: { end, units: 9 } } }),
      await server.api('PATCH', '/experiments/checkout-2', { body: { analysis: { alpha: 0.2 } } }),
      await server.api('PATCH', '/experiments/checkout-2', { body: { control: 'on' } }),
      await server.api('DELETE', '/metrics/bought'),
      await server.api('DELETE', '/flags/new-checkout'),
      await server.api('DELETE', '/experiments/checkout-2'),
    ];
    expect(refusals.map(({ status }) => status)).toEqual(refusals.map(() => 409));
    for (const { body } of refusals) expect(body.error.message).toContain('"checkout-2"');
    const described = await server.api('PATCH', '/experiments/checkout-2', {
      body: { owner: 'a' },
    });
    expect([described.status, described.body.state]).toEqual([200, 'running']);
  });

  it('holds for every way to write a flag', async () => {
    const changed = rulesWith({ split: [split[0], { variant: 'on', weight: 3 }] });
    const path = '/flags/new-checkout';
    await server.request('POST', '/api/v1/flags?environment=development', {
      body: { key: 'new-checkout', enabled: true, ...changed },
    });
    const document = (await server.request('GET', '/api/v1/export')).body;
    const production = document.environments.find(
      ({ key }: { key: string }) => key === 'production',
    );
    production.flags[0].rules[1].split[1].weight = 3;
    const refusals = {
      put: await server.api('PUT', path, { body: { enabled: true, ...changed } }),
      rule: await server.api('PATCH', `${path}/rules/checkout-test`, {
        body: { split: [split[0], { variant: 'on', weight: 3 }] },
      }),
      addRule: await server.api('POST', `${path}/rules`, {
        body: { id: 'first', ...other, variant: 'on', position: 0 },
      }),
      deleteRule: await server.api('DELETE', `${path}/rules/checkout-test`),
      many: await server.api('PATCH', '/flags', {
        body: { keys: ['new-checkout'], patch: changed },
      }),
      revert: await server.api('POST', `${path}/revert`, { body: { version: 1 } }),
      copy: await server.request('POST', `/api/v1${path}/copy?environment=development`, {
        body: { to: 'production', overwrite: true },
      }),
      promote: await server.request('POST', '/api/v1/environments/production/promote', {
        body: { from: 'development', flags: ['new-checkout'] },
      }),
      import: await server.request('POST', '/api/v1/import?overwrite=true', { body: document }),
      manifest: await server.request(
        'DELETE',
        '/openfeature/v0/manifest/flags/new-checkout?environment=production',
      ),
    };
    const preview = await server.request('POST', '/api/v1/environments/production/promote', {
      body: { from: 'development', flags: ['new-checkout'], dryRun: true },
    });
    expect([preview.status, preview.body.problems]).toEqual([
      200,
      [{ path: 'flags.new-checkout', message: refusals.promote.body.error.message }],
    ]);
    const copy = await server.request('POST', `/api/v1${path}/copy?environment=development`, {
      body: { to: 'production', overwrite: true, dryRun: true },
    });
    expect([copy.status, copy.body.outcome, copy.body.problems]).toEqual([
      200,
      'refused',
      [{ path: 'flags.new-checkout', message: refusals.copy.body.error.message }],
    ]);
    const dryRun = '/api/v1/import?overwrite=true&dryRun=true';
    const { environments } = (await server.request('POST', dryRun, { body: document })).body;
    const found = environments.filter(({ outcome }: { outcome: string }) => outcome === 'refused');
    expect(found).toMatchObject([
      {
        key: 'production',
        problems: [{ path: 'flags.new-checkout', message: refusals.import.body.error.message }],
      },
    ]);
    const { revert, ...others } = refusals;
    expect(Object.entries(others).map(([name, { status }]) => [name, status])).toEqual(
      Object.keys(others).map(name => [name, 409]),
    );
    // The first version has the same rules.
    expect(revert.status).toBe(200);
    expect((await read(server, path)).rules).toMatchObject([staff, rule]);
  });
});

describe('an import', () => {
  type Environment = {
    key: string;
    name?: string;
    flags: { rules: { percentage?: number }[] }[];
    experiments: { run?: object | undefined; [field: string]: unknown }[];
    ramps: { step: number }[];
  };
  type Exported = { environments: Environment[] };

  /** Starts an experiment, and imports its export after a change. */
  const importChanged = async (
    server: TestServer,
    change: (production: Environment, exported: Exported) => void,
    query = '',
  ) => {
    const exported: Exported = (await server.request('GET', '/api/v1/export')).body;
    const production = exported.environments.find(({ key }) => key === 'production');
    if (production === undefined) throw new Error('there is no production');
    change(production, exported);
    return server.request('POST', `/api/v1/import?overwrite=true${query}`, { body: exported });
  };
  const begin = async (): Promise<TestServer> => {
    const server = await startServer();
    await fill(server);
    expect((await post(server, 'start')).status).toBe(200);
    return server;
  };

  it.each([
    ['run', (run?: object) => ({ run: { ...run, startedAt: '2026-01-01T00:00:00.000Z' } })],
    ['run', (run?: object) => ({ run: { ...run, seed: 'another' } })],
    ['state', () => ({ state: 'ended' })],
    ['decision', () => ({ decision: { variant: 'on', at: '2026-01-01T00:00:00.000Z' } })],
  ])('leaves the %s of a running experiment as it is', async (field, changeOf) => {
    await using server = await begin();
    const before = await read(server);
    const refused = await importChanged(server, ({ experiments }, { environments }) => {
      for (const each of experiments) Object.assign(each, changeOf(each.run));
      for (const each of environments) if (each.key !== 'production') each.name = 'changed';
    });
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      `experiment "checkout-2" is running, so an import cannot change its "${field}": stop it first, or import it as it is`,
    ]);
    expect(await read(server)).toEqual(before);
    expect((await server.request('GET', '/api/v1/environments')).text).not.toContain('changed');
    expect((await importChanged(server, () => undefined)).status).toBe(200);
  });

  it('leaves the step of a ramp at work as it is', async () => {
    await using server = await startServer();
    await fill(server);
    const steps = [{ share: 1, holdMinutes: 60 }];
    const ramp = { key: 'r', flag: 'new-checkout', rule: 'next', treatment: 'on', steps };
    await server.api('POST', '/ramps', { body: ramp });
    expect((await server.api('POST', '/ramps/r/start')).status).toBe(200);
    const change = ({ ramps, flags }: Environment): void => {
      for (const each of ramps) each.step = 2;
      for (const { rules } of flags) for (const each of rules.slice(-1)) each.percentage = 90;
    };
    const refused = await importChanged(server, change);
    const message = expect.stringContaining(
      'ramp "r" is running, so an import cannot change its "step"',
    );
    expect([refused.status, refused.body.error.message]).toEqual([409, message]);
    const preview = await importChanged(server, change, '&dryRun=true');
    expect(preview.status).toBe(200);
    expect(preview.body.environments).toContainEqual(
      expect.objectContaining({
        key: 'production',
        outcome: 'refused',
        problems: expect.arrayContaining([{ path: 'ramps.r.step', message }]),
      }),
    );
  });

  it.each([
    ['without a run', { run: undefined }, /\.run is missing/],
    ['on the rule of another one', {}, /\.rule is that of experiment "checkout-2"/],
    ['on a rule that does not exist', { rule: 'none' }, /\.rule does not exist in flag/],
    [
      'of a metric that does not exist',
      { metrics: [{ metric: 'none', role: 'primary' }] },
      /\.metrics\.0\.metric "none" is missing/,
    ],
  ])('has no running experiment %s', async (_, fields, message) => {
    await using server = await begin();
    const refused = await importChanged(server, ({ experiments }) => {
      experiments.push(...experiments.map(each => ({ ...each, key: 'second', ...fields })));
    });
    const details: { path: string; message: string }[] = refused.body.error.details;
    const found = details.map(detail => `${detail.path} ${detail.message}`).join('\n');
    expect([refused.status, found]).toEqual([400, expect.stringMatching(message)]);
  });
});

it('providers receive the running experiments with the flag set', async () => {
  await using server = await startServer();
  await fill(server);
  expect((await read(server, '/flag-set')).experiments).toEqual({});
  await post(server, 'start');
  const started = await read(server, '/experiments/checkout-2');
  const measured = { flag: 'new-checkout', rule: 'checkout-test', unit: 'targetingKey' };
  expect(await read(server, '/flag-set')).toMatchObject({
    experiments: { 'checkout-2': { ...measured, run: started.run.id } },
    tracked: ['bought'],
  });
  await post(server, 'stop');
  expect((await read(server, '/flag-set')).experiments).toEqual({});
});
