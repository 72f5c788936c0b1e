import { describe, expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const DAY_MS = 86_400_000;
const START = Date.parse('2026-12-01T09:00:00Z');

const plan = async (server: TestServer, body: object) =>
  (await server.request('POST', '/api/v1/plan', { body })).body;

describe('the plan of an experiment', () => {
  const question = { kind: 'conversion', baseline: 0.1, method: 'fixed' };

  it('computes what is missing of units, effect, days and units a day', async () => {
    await using server = await startServer();
    // 57,760 a variant: the textbook's number for 10 % and 5 % more.
    const byEffect = await plan(server, { ...question, effect: 0.05, unitsPerDay: 10_000 });
    expect(byEffect).toEqual({
      units: 115_520,
      unitsByVariant: [57_760, 57_760],
      effect: 0.05,
      days: 12,
      recommendedDays: 14,
      unitsPerDay: 10_000,
      unitsPerDayFrom: null,
    });
    const bySize = await plan(server, { ...question, units: 115_520, days: 14 });
    expect(bySize).toMatchObject({ effect: expect.closeTo(0.05, 4), unitsPerDay: 8_252 });
    const byTime = await plan(server, { ...question, days: 14, unitsPerDay: 10_000 });
    expect(byTime).toMatchObject({ units: 140_000, days: 14, recommendedDays: 14 });
    expect(byTime.effect).toBeLessThan(0.05);
    const byPace = await plan(server, { ...question, effect: 0.05, days: 14 });
    expect(byPace).toMatchObject({ units: 115_520, unitsPerDay: 8_252 });
  });

  it('needs more units for looks at any time, several metrics and unequal weights', async () => {
    await using server = await startServer();
    const units = async (change: object) =>
      (await plan(server, { ...question, effect: 0.05, days: 14, ...change })).units;
    expect((await units({ method: 'sequential' })) / 115_520).toBeCloseTo(1.068, 3);
    expect(await units({ primaryMetrics: 2 })).toBeGreaterThan(130_000);
    expect(await units({ weights: [9, 1] })).toBeGreaterThan(300_000);
    expect(await units({ kind: 'mean', baseline: 240, standardDeviation: 150 })).toBeLessThan(
      10_000,
    );
  });

  it.each([
    ['one of four', { ...question, effect: 0.05 }, 'units'],
    ['three of four', { ...question, effect: 0.05, days: 3, unitsPerDay: 9 }, 'units'],
    ['both that follow from each other', { ...question, effect: 0.05, units: 9 }, 'effect'],
    ['a rate above 1', { ...question, baseline: 2, effect: 0.05, days: 9 }, 'baseline'],
    ['an effect beyond 1', { ...question, baseline: 0.9, effect: 0.5, days: 9 }, 'effect'],
    ['a tiny effect', { ...question, effect: 1e-9, days: 9 }, 'effect'],
    ['no unit', { ...question, days: 1, unitsPerDay: 0.1 }, 'unitsPerDay'],
    ['few units a day', { ...question, effect: 0.05, unitsPerDay: 1e-300 }, 'unitsPerDay'],
    ['a tiny weight', { ...question, effect: 0.05, days: 9, weights: [1, 1e-300] }, 'effect'],
    ['a huge weight', { ...question, effect: 0.05, days: 9, weights: [1, 1e308] }, 'weights.1'],
    ['no deviation', { ...question, kind: 'mean', effect: 0.5, days: 9 }, 'standardDeviation'],
  ])('with %s is refused, and names the field', async (_name, body, path) => {
    await using server = await startServer();
    const refused = await server.request('POST', '/api/v1/plan', { body });
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, path]);
  });
});

const conversion = (n: number, sum: number) => ({
  mature: { n, sum, sumSquares: sum },
  soFar: sum,
});
const statistics = (n: number, off: number, on: number) => ({
  units: { off: n, on: n },
  metrics: { bought: { off: conversion(n, off), on: conversion(n, on) } },
});

const begin = async (source: string) => {
  const clock = createFakeClock(START);
  const server = await startServer({ clock });
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: 60_000 } },
  });
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  await server.api('POST', '/flags', {
    body: { key: 'f', enabled: true, rules: [{ id: 'r', split }] },
  });
  const metrics = [{ metric: 'bought', role: 'primary' }];
  const plans = { end: '2026-12-15T09:00:00Z', units: 40_000 };
  await server.api('POST', '/experiments', {
    body: { key: 'e', flag: 'f', rule: 'r', control: 'off', metrics, source, plan: plans },
  });
  await server.api('POST', '/experiments/e/start');
  const send = (body: object) => server.api('POST', '/experiments/e/statistics', { body });
  return { server, clock, send };
};

const settle = async () => {
  for (let turn = 0; turn < 30; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

describe('the units a day of a plan', () => {
  const question = { kind: 'conversion', baseline: 0.1, method: 'fixed', effect: 0.05 };
  const rule = { flag: 'f', rule: 'r' };
  const planFor = async (server: TestServer, body: object) =>
    (await server.api('POST', '/plan', { body: { ...question, ...body } })).body;

  it('are those of the exposures of its rule, or else of the evaluations of its flag', async () => {
    const { server, clock } = await begin('events');
    await using _ = server;
    const units = Array.from({ length: 12 }, (_each, number) => `user-${number}`);
    const evaluate = async (unit: string) => {
      const body = { flagKey: 'f', context: { targetingKey: unit } };
      return (await server.api('POST', '/evaluate', { body })).body.variant;
    };
    for (const unit of units) await evaluate(unit);
    clock.advance(10_000);
    await settle();
    const usage = { unitsPerDay: 12, unitsPerDayFrom: 'usage', days: Math.ceil(115_520 / 12) };
    expect(await planFor(server, rule)).toMatchObject({ ...usage, units: 115_520 });
    const timeMs = clock.now();
    const events = await Promise.all(
      units.map(async unit => {
        const variant = await evaluate(unit);
        return { type: 'exposure', experiment: 'e', variant, unit, timeMs };
      }),
    );
    const batch = { instance: 'instance-0123456789', sequence: 1, sentAtMs: timeMs, events };
    expect((await server.api('POST', '/events', { body: batch })).body.accepted).toBe(12);
    clock.advance(16_000);
    await settle();
    clock.jump(2 * DAY_MS);
    await settle();
    const exposures = { unitsPerDay: 6, unitsPerDayFrom: 'exposures' };
    expect(await planFor(server, rule)).toMatchObject(exposures);
    expect(await planFor(server, { experiment: 'e' })).toMatchObject(exposures);
    expect(await planFor(server, { ...rule, effect: null, days: 14 })).toMatchObject({
      ...exposures,
      units: 84,
    });
    const given = { ...rule, unitsPerDay: 100 };
    expect(await planFor(server, given)).toMatchObject({ unitsPerDay: 100, unitsPerDayFrom: null });
    const byDays = await planFor(server, { ...rule, days: 14 });
    expect(byDays).toMatchObject({ unitsPerDay: 8_252, unitsPerDayFrom: null });
    clock.jump(20 * DAY_MS);
    const missing = await planFor(server, rule);
    expect(missing.error.details).toEqual([
      {
        path: 'unitsPerDay',
        message: expect.stringContaining('in the last 14 days no experiment'),
      },
    ]);
  });

  it.each([
    ['an unknown flag', { flag: 'ff', rule: 'r' }, 'flag'],
    ['an unknown rule', { flag: 'f', rule: 'x' }, 'rule'],
    ['an unknown experiment', { experiment: 'x' }, 'experiment'],
    ['a flag without a rule', { flag: 'f' }, 'rule'],
    ['a rule without a flag', { rule: 'r' }, 'flag'],
    ['both a rule and an experiment', { ...rule, experiment: 'e' }, 'experiment'],
    ['nothing but the rule', { ...rule, effect: null }, 'units'],
  ])('of %s are refused, and the field is named', async (_name, body, path) => {
    const { server } = await begin('events');
    await using _ = server;
    const { error } = await planFor(server, body);
    expect([error.code, error.details[0].path]).toEqual(['BAD_REQUEST', path]);
  });
});

describe('statistics from elsewhere', () => {
  it('have the results of their moments', async () => {
    const { server, clock, send } = await begin('external');
    await using _ = server;
    clock.advance(60_000);
    const sent = await send({ asOf: '2026-12-01T09:00:30Z', ...statistics(20_000, 2_000, 2_400) });
    expect([sent.status, sent.body]).toMatchObject([
      200,
      {
        asOf: '2026-12-01T09:00:30.000Z',
        lagSeconds: 30,
        recommendation: { outcome: 'ship', variant: 'on' },
        metrics: [{ comparisons: [{ relative: expect.closeTo(0.2, 9) }] }],
      },
    ]);
    expect((await server.api('GET', '/experiments/e/results')).body.id).toBe(sent.body.id);
    const health = await server.api('GET', '/experiments/e/health');
    expect(health.body).toMatchObject({ exposures: 0, sampleRatio: { all: { mismatch: false } } });
  });

  it('are final with the first ones after the planned end', async () => {
    const { server, clock, send } = await begin('external');
    await using _ = server;
    clock.jump(14 * DAY_MS + 60_000);
    const state = async () => (await server.api('GET', '/experiments/e')).body.state;
    await expect.poll(state).toBe('settling');
    clock.jump(DAY_MS);
    await expect.poll(state).toBe('ended');
    const early = await send({ asOf: '2026-12-14T09:00:00Z', ...statistics(20_000, 2_000, 2_150) });
    expect([early.status, early.body.error.details[0].path]).toEqual([400, 'asOf']);
    const final = await send(statistics(20_000, 2_000, 2_150));
    expect(final.body).toMatchObject({ final: true, recommendation: { outcome: 'ship' } });
    expect((await send(statistics(20_000, 2_000, 2_000))).status).toBe(409);
    expect((await server.api('GET', '/experiments/e/results')).body.id).toBe(final.body.id);
  });

  it.each([
    ['of the future', { asOf: '2027-01-01T00:00:00Z' }, 'asOf'],
    ['of an unknown variant', { units: { offf: 1 } }, 'units.offf'],
    ['with more quarantined units than units', { quarantined: { off: 300 } }, 'quarantined.off'],
    ['of an unknown metric', { metrics: { sold: {} } }, 'metrics.sold'],
    [
      'with more mature units than units',
      { metrics: { bought: { off: conversion(300, 3) } } },
      'metrics.bought.off.mature.n',
    ],
    [
      'without a sum',
      { metrics: { bought: { off: { mature: { n: 3 }, soFar: 0 } } } },
      'metrics.bought.off.mature.sum',
    ],
    [
      'without the units so far',
      { metrics: { bought: { off: { mature: { n: 3, sum: 1, sumSquares: 1 } } } } },
      'metrics.bought.off.soFar',
    ],
    [
      'with fewer converted units so far than mature ones',
      { metrics: { bought: { off: { ...conversion(30, 9), soFar: 8 } } } },
      'metrics.bought.off.soFar',
    ],
    [
      'with more converted units than units',
      { metrics: { bought: { off: { ...conversion(30, 9), soFar: 201 } } } },
      'metrics.bought.off.soFar',
    ],
    [
      'of a conversion with other squares',
      { metrics: { bought: { off: { mature: { n: 3, sum: 1, sumSquares: 9 }, soFar: 1 } } } },
      'metrics.bought.off.mature.sum',
    ],
  ])('%s are refused, and the field is named', async (_name, change, path) => {
    const { server, send } = await begin('external');
    await using _ = server;
    const refused = await send({ ...statistics(200, 20, 20), ...change });
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, path]);
  });

  it.each([
    ['fewer squares than the sum needs', { n: 10, sum: 10, sumSquares: 9 }, 400],
    ['sums without units', { n: 0, sum: 1, sumSquares: 1 }, 400],
    ['sums with infinite squares', { n: 10, sum: 1e308, sumSquares: 1e308 }, 400],
    ['the same value of all units', { n: 3, sum: 0.3, sumSquares: 0.03 }, 200],
  ])('with %s are refused if no units can have them', async (_name, mature, status) => {
    const { server, send } = await begin('external');
    await using _ = server;
    const spent = { key: 'spent', kind: 'sum', event: 'bought', window: { toMs: 60_000 } };
    await server.api('POST', '/metrics', { body: spent });
    await server.api('POST', '/experiments/e/stop');
    const metrics = [{ metric: 'spent', role: 'primary' }];
    await server.api('PATCH', '/experiments/e', { body: { metrics } });
    await server.api('POST', '/experiments/e/restart');
    const units = { off: 20, on: 20 };
    const sent = await send({ units, metrics: { spent: { off: { mature } } } });
    expect([sent.status, sent.body.error?.details[0].path]).toEqual([
      status,
      status === 400 ? 'metrics.spent.off.mature.sumSquares' : undefined,
    ]);
  });

  it('are refused while events are the source, and before the data that is known', async () => {
    const events = await begin('events');
    expect((await events.send(statistics(200, 20, 20))).status).toBe(409);
    await events.server.close();
    const { server, clock, send } = await begin('external');
    await using _ = server;
    clock.advance(60_000);
    await send(statistics(200, 20, 20));
    const older = await send({ asOf: '2026-12-01T09:00:00Z', ...statistics(100, 20, 20) });
    expect([older.status, older.body.error.details[0].path]).toEqual([400, 'asOf']);
  });
});
