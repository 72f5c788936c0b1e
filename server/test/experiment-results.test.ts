import { verdicts } from '@pennon/statistics';
import { describe, expect, it } from 'vitest';

import { openMemoryStore } from '../src/store/memory.ts';
import { secureRandom } from '../src/random.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { conversion, givenMoments } from './support/given-moments.ts';
import { startServer, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2026-12-01T09:00:00Z');
const END = '2026-12-15T09:00:00.000Z';

const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
const metrics = [
  { metric: 'bought', role: 'primary', minimumEffect: 0.03 },
  { metric: 'error', role: 'guardrail', tolerance: 0, onHarm: 'pause' },
];
const experiment = {
  key: 'checkout-2',
  flag: 'new-checkout',
  rule: 'checkout-test',
  control: 'off',
  metrics,
  plan: { end: END, units: 120_000 },
};

/** Starts a server with a running experiment, whose moments the test gives. */
const begin = async (change: object = {}, options: object = {}) => {
  const clock = createFakeClock(START);
  const { given, source } = givenMoments();
  const server = await startServer({ clock, momentsSource: source, ...options });
  const window = { toMs: HOUR_MS };
  for (const [key, direction] of [
    ['bought', 'increase'],
    ['error', 'decrease'],
  ])
    await server.api('POST', '/metrics', {
      body: { key, kind: 'conversion', event: key, window, direction },
    });
  const rules = [{ id: 'checkout-test', split }];
  await server.api('POST', '/flags', { body: { key: 'new-checkout', enabled: true, rules } });
  await server.api('POST', '/experiments', { body: { ...experiment, ...change } });
  const started = await server.api('POST', '/experiments/checkout-2/start');
  if (started.status !== 200) throw new Error(started.text);
  return { server, clock, given };
};

const get = (server: TestServer, path: string, headers = {}) =>
  server.api('GET', `/experiments/checkout-2/${path}`, { headers });
const read = async (server: TestServer, path = 'results') => (await get(server, path)).body;
const post = (server: TestServer, action: string, body?: object) =>
  server.api('POST', `/experiments/checkout-2/${action}`, body === undefined ? {} : { body });

/** Moments of units in equal parts, with conversions of both variants. */
const moments = (
  n: number,
  off: number,
  on: number,
  errors: readonly [number, number] = [5, 5],
) => ({
  units: { off: n, on: n },
  quarantined: { off: 0, on: 0 },
  metrics: {
    bought: { off: conversion(n, off), on: conversion(n, on) },
    error: { off: conversion(n, errors[0]), on: conversion(n, errors[1]) },
  },
});

describe('the results of an experiment', () => {
  it('are those of the moments by the method of the experiment', async () => {
    const { server, given } = await begin();
    await using _ = server;
    given.moments = { ...moments(20_000, 2_000, 2_082), lagMs: 17_000 };
    const { headers, body } = await get(server, 'results');
    const { control, treatment } = {
      control: { n: 20_000, sum: 2_000, sumSquares: 2_000, nonZero: 2_000 },
      treatment: { n: 20_000, sum: 2_082, sumSquares: 2_082, nonZero: 2_082 },
    };
    const [verdict] = verdicts({
      alpha: 0.05,
      method: 'sequential',
      ended: false,
      comparisons: [
        {
          id: '',
          role: 'primary',
          direction: 'increase',
          kind: 'conversion',
          control,
          treatment,
          plannedUnits: 120_000,
          minimumEffect: 0.03,
        },
      ],
    }).verdicts;
    const field = (name: string) => Reflect.get(verdict ?? {}, name) as unknown;
    expect(headers['etag']).toBe(`"${body.id}"`);
    expect(body).toEqual({
      id: expect.any(String),
      experiment: 'checkout-2',
      run: expect.any(String),
      state: 'running',
      asOf: '2026-12-01T09:00:00.000Z',
      lagSeconds: 17,
      final: false,
      method: 'sequential',
      alpha: 0.05,
      planned: { end: END, units: 120_000, progress: 1 / 3 },
      recommendation: {
        outcome: 'wait',
        variant: null,
        reason: 'collecting',
        text: 'Nothing is decided yet; 14 days to go.',
      },
      variants: [
        { variant: 'off', role: 'control', weight: 1, units: 20_000, quarantined: 0 },
        { variant: 'on', role: 'treatment', weight: 1, units: 20_000, quarantined: 0 },
      ],
      sampleRatio: {
        logEvidence: expect.any(Number),
        pValue: 1,
        mismatch: false,
        chiSquarePValue: 1,
      },
      metrics: [
        {
          metric: 'bought',
          role: 'primary',
          direction: 'increase',
          matureUnits: { off: 20_000, on: 20_000 },
          comparisons: [
            {
              variant: 'on',
              control: { mean: 0.1, standardError: expect.closeTo(0.00212, 5) },
              treatment: { mean: 0.1041, standardError: expect.closeTo(0.00216, 5) },
              difference: expect.closeTo(0.0041, 10),
              lower: field('lower'),
              upper: field('upper'),
              relative: field('relative'),
              relativeLower: field('relativeLower'),
              relativeUpper: field('relativeUpper'),
              pValue: field('pValue'),
              adjustedPValue: field('adjustedPValue'),
              outcome: 'collecting',
              reason: null,
              decidedAt: null,
              covariate: { used: false, why: 'warmingUp', varianceReduction: null },
              bayesian: null,
            },
          ],
        },
      ],
      guardrails: [
        {
          metric: 'error',
          variant: 'on',
          status: 'watching',
          evidence: expect.any(Number),
          needed: 40,
          treatmentUnits: 5,
          controlUnits: 5,
          tolerance: 0,
          onHarm: 'pause',
        },
      ],
      warnings: [],
    });
  });

  it('have an entity tag that is the same for the same data', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.moments = moments(200, 20, 25);
    const first = await get(server, 'results');
    clock.advance(60_000);
    const headers = { 'if-none-match': String(first.headers['etag']) };
    expect((await get(server, 'results', headers)).status).toBe(304);
    given.moments = moments(200, 20, 26);
    expect((await get(server, 'results', headers)).status).toBe(200);
  });

  it('have null for numbers that do not exist', async () => {
    const { server } = await begin();
    await using _ = server;
    const { metrics: found, warnings, sampleRatio } = await read(server);
    expect(found[0].comparisons[0]).toMatchObject({
      control: { mean: null, standardError: null },
      difference: null,
      relativeUpper: null,
      pValue: null,
      outcome: 'insufficient',
      reason: 'tooFewUnits',
    });
    expect(warnings).toMatchObject([{ code: 'noExposures' }]);
    expect(sampleRatio).toMatchObject({ mismatch: false, chiSquarePValue: null });
  });

  it('of a draft do not exist yet', async () => {
    const { server } = await begin();
    await using _ = server;
    await server.api('POST', '/experiments', { body: { ...experiment, key: 'draft' } });
    const refused = await server.api('GET', '/experiments/draft/results');
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringContaining('POST /api/v1/experiments/draft/start'),
    ]);
    expect((await server.api('GET', '/experiments/ghost/results')).status).toBe(404);
  });

  it('can be read as of an earlier time of the run', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.of = at => moments(at < START + DAY_MS ? 200 : 400, 40, 50);
    clock.jump(2 * DAY_MS);
    expect((await read(server)).variants[0].units).toBe(400);
    const early = await read(server, 'results?at=2026-12-01T12:00:00Z');
    expect([early.asOf, early.variants[0].units]).toEqual(['2026-12-01T12:00:00.000Z', 200]);
    for (const at of ['2026-11-30T12:00:00Z', '2027-01-01T00:00:00Z', 'x'])
      expect((await get(server, `results?at=${at}`)).body.error.details[0].path).toBe('at');
  });

  it.each([
    ['more', moments(20_000, 2_000, 2_400), 'ship', 'better'],
    ['fewer', moments(20_000, 2_400, 2_000), 'doNotShip', 'worse'],
    [
      'unequal',
      { ...moments(20_000, 2_000, 2_400), units: { off: 20_000, on: 19_000 } },
      'doNotTrust',
      'sampleRatio',
    ],
    [
      'quarantined',
      { ...moments(20_000, 2_000, 2_400), quarantined: { off: 401, on: 0 } },
      'doNotTrust',
      'quarantined',
    ],
    ['harming', moments(20_000, 2_000, 2_000, [10, 60]), 'doNotShip', 'guardrail'],
  ])('with %s units recommend what follows', async (_name, data, outcome, reason) => {
    const { server, given } = await begin();
    await using _ = server;
    given.moments = data;
    expect((await read(server)).recommendation).toMatchObject({ outcome, reason });
  });

  it('are not to be trusted if an SDK computes other variants', async () => {
    const { server, given } = await begin();
    await using _ = server;
    given.moments = moments(20_000, 2_000, 2_400);
    given.health = { exposures: 40_000, mismatched: { 'old 1.0.0': 500 } };
    expect((await read(server)).recommendation).toMatchObject({
      outcome: 'doNotTrust',
      reason: 'mismatched',
    });
  });
});

describe('the first look that decides', () => {
  it('is kept, also if later data decides no more, and on another server', async () => {
    const store = openMemoryStore({ random: secureRandom });
    const { server, clock, given } = await begin({}, { store });
    await using _ = server;
    const decidedAt = async () => (await read(server)).metrics[0].comparisons[0].decidedAt;
    given.moments = moments(20_000, 2_000, 2_050);
    expect(await decidedAt()).toBeNull();
    clock.jump(DAY_MS);
    given.moments = moments(20_000, 2_000, 2_400);
    expect(await decidedAt()).toBe('2026-12-02T09:00:00.000Z');
    clock.jump(DAY_MS);
    expect(await decidedAt()).toBe('2026-12-02T09:00:00.000Z');
    const { warnings } = await read(server);
    expect(warnings).toMatchObject([{ code: 'early' }]);
    given.moments = moments(20_000, 2_000, 2_050);
    expect(await decidedAt()).toBe('2026-12-02T09:00:00.000Z');
    const other = await startServer({ clock, store, momentsSource: givenMoments().source });
    expect((await read(other)).metrics[0].comparisons[0].decidedAt).toBe(
      '2026-12-02T09:00:00.000Z',
    );
  });

  it('is made by the server each hour, even if no user reads results', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.moments = moments(20_000, 2_000, 2_400);
    clock.advance(HOUR_MS);
    given.of = () => moments(20_000, 2_000, 2_400);
    await expect
      .poll(
        async () =>
          (await read(server, `results?at=${new Date(clock.now()).toISOString()}`)).metrics[0]
            .comparisons[0].decidedAt,
      )
      .toBe('2026-12-01T10:00:00.000Z');
  });
});

describe('the end of an experiment', () => {
  /** Advances to the time after the plan and all windows. */
  const finish = async (server: TestServer, clock: ReturnType<typeof createFakeClock>) => {
    clock.jump(14 * DAY_MS);
    const state = async () => (await server.api('GET', '/experiments/checkout-2')).body.state;
    await expect.poll(state).toBe('settling');
    clock.jump(3 * HOUR_MS);
    await expect.poll(state).toBe('ended');
  };

  it('has one final look, whose results never change', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    // Welch's test rejects, and the sequence does not.
    given.moments = moments(60_000, 6_000, 6_270);
    expect((await read(server)).recommendation.outcome).toBe('wait');
    await finish(server, clock);
    const final = await read(server);
    expect(final).toMatchObject({
      state: 'ended',
      final: true,
      asOf: '2026-12-15T11:15:00.000Z',
      recommendation: { outcome: 'ship' },
    });
    given.moments = moments(60_000, 6_000, 9_000);
    clock.jump(DAY_MS);
    expect(await read(server)).toEqual(final);
    await server.api('PATCH', '/metrics/bought', { body: { direction: 'decrease' } });
    expect(await read(server)).toEqual(final);
  });

  it.each([
    ['with equal variants has no difference', 60_000, 'noMeaningfulDifference', 0.1],
    ['with few units is inconclusive', 300, 'inconclusive', 0.03],
  ])('%s', async (_name, n, reason, minimumEffect) => {
    const { server, clock, given } = await begin({ metrics: [{ ...metrics[0], minimumEffect }] });
    await using _ = server;
    given.moments = moments(n, n / 10, n / 10 + 1);
    await finish(server, clock);
    expect((await read(server)).recommendation).toMatchObject({ outcome: 'noDifference', reason });
  });

  it('waits for the events to be counted', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.moments = { ...moments(200, 20, 20), lagMs: 2 * DAY_MS };
    clock.jump(14 * DAY_MS);
    const state = async () => (await server.api('GET', '/experiments/checkout-2')).body.state;
    await expect.poll(state).toBe('settling');
    clock.jump(3 * HOUR_MS);
    for (let i = 0; i < 5; i += 1) expect(await state()).toBe('settling');
    given.moments = { ...moments(200, 20, 20), lagMs: 0 };
    clock.advance(15_000);
    await expect.poll(state).toBe('ended');
  });

  it('by a stop keeps the results of that instant', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.moments = moments(60_000, 6_000, 6_270);
    await post(server, 'stop');
    const stopped = await read(server);
    expect(stopped).toMatchObject({
      state: 'stopped',
      final: true,
      recommendation: { outcome: 'noDifference', reason: 'stopped' },
    });
    clock.jump(DAY_MS);
    given.moments = moments(60_000, 6_000, 9_000);
    expect(await read(server)).toEqual(stopped);
    await post(server, 'restart');
    expect(await read(server)).toMatchObject({ state: 'running', final: false });
  });

  it('by a decision names the results that it is based on', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.moments = moments(20_000, 2_000, 2_400);
    const { id } = await read(server);
    await post(server, 'decide', { variant: 'on' });
    const { items } = (await server.api('GET', '/audit?limit=5')).body;
    const audited = items.find(({ action }: { action: string }) => action === 'experiment.decide');
    expect(audited.after.decision).toMatchObject({ variant: 'on', results: id });
    clock.jump(DAY_MS);
    given.moments = moments(20_000, 2_000, 9_000);
    expect(await read(server)).toMatchObject({ id, state: 'stopped', final: true });
  });

  it('by a decision is possible without results', async () => {
    const { server, given } = await begin();
    await using _ = server;
    given.fails = true;
    expect((await get(server, 'results')).status).toBe(500);
    const decided = await post(server, 'decide', { variant: 'off' });
    expect([decided.status, decided.body.decision]).toEqual([
      200,
      { variant: 'off', at: '2026-12-01T09:00:00.000Z' },
    ]);
  });
});

describe('metrics of other kinds', () => {
  const value = (n: number, mean: number, variance: number) => ({
    n,
    sum: n * mean,
    sumSquares: n * (variance + mean * mean),
    nonZero: n,
  });

  it('are compared with a covariate once it is warm', async () => {
    const { server, clock, given } = await begin({ plan: undefined });
    await using _ = server;
    const withCovariate = (converted: number) => ({
      mature: {
        n: 1_000,
        sum: converted,
        sumSquares: converted,
        nonZero: converted,
        sumCovariate: 500,
        sumSquaresCovariate: 500,
        sumProductsCovariate: 90,
      },
      soFar: converted,
    });
    given.moments = {
      units: { off: 1_000, on: 1_000 },
      metrics: { bought: { off: withCovariate(100), on: withCovariate(120) } },
    };
    const covariate = async () => (await read(server)).metrics[0].comparisons[0].covariate;
    expect(await covariate()).toEqual({ used: false, why: 'warmingUp', varianceReduction: null });
    clock.jump(14 * DAY_MS);
    expect(await covariate()).toEqual({
      used: true,
      why: null,
      varianceReduction: expect.closeTo(0.08, 1),
    });
  });

  it('of the method "bayesian" have a chance to win, and a warning', async () => {
    const { server, given } = await begin({ analysis: { method: 'bayesian' } });
    await using _ = server;
    given.moments = moments(20_000, 2_000, 2_400);
    const { metrics: found, warnings, recommendation } = await read(server);
    expect(found[0].comparisons[0]).toMatchObject({
      pValue: null,
      outcome: 'better',
      relative: expect.closeTo(0.2, 3),
      bayesian: { chanceToWin: expect.closeTo(1, 5), expectedLossControl: expect.closeTo(0.02, 3) },
    });
    const early = expect.not.stringContaining('the interval is right');
    expect(warnings).toMatchObject([{ code: 'early', text: early }, { code: 'noPromise' }]);
    expect(recommendation.outcome).toBe('ship');
  });

  it('guard means and ratios by a sequence', async () => {
    const { server, given } = await begin();
    await using _ = server;
    await server.api('POST', '/metrics', {
      body: {
        key: 'ms',
        kind: 'sum',
        event: 'page',
        window: { toMs: HOUR_MS },
        direction: 'decrease',
      },
    });
    await post(server, 'stop');
    await server.api('PATCH', '/experiments/checkout-2', {
      body: {
        metrics: [metrics[0], { metric: 'ms', role: 'guardrail', tolerance: 0.02, onHarm: 'warn' }],
      },
    });
    await post(server, 'restart');
    const data = (treatment: number) => ({
      units: { off: 5_000, on: 5_000 },
      metrics: {
        ms: {
          off: { mature: value(5_000, 240, 22_500), soFar: null },
          on: { mature: value(5_000, treatment, 22_500), soFar: null },
        },
      },
    });
    given.moments = data(242);
    expect((await read(server)).guardrails).toMatchObject([{ status: 'watching', needed: 20 }]);
    given.moments = data(290);
    const [harmed] = (await read(server)).guardrails;
    expect(harmed).toMatchObject({ status: 'harming', treatmentUnits: 5_000, onHarm: 'warn' });
    expect(harmed.evidence).toBeGreaterThan(20);
  });
});

describe('the series of an experiment', () => {
  it('has a point each hour of three days, then each day, and the current look', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.of = at => moments(100 + Math.floor((at - START) / HOUR_MS), 20, 25);
    clock.jump(5 * DAY_MS + 1_000);
    const { status, headers, body } = await get(server, 'series');
    expect([status, body.points.length]).toEqual([200, 72 + 2 + 1]);
    expect(body.points.slice(70).map(({ at }: { at: string }) => at)).toEqual(
      [
        '2026-12-04T08:00:00.000Z',
        '2026-12-04T09:00:00.000Z',
        '2026-12-05T09:00:00.000Z',
        '2026-12-06T09:00:00.000Z',
        '2026-12-06T09:00:01.000Z',
      ].slice(0, 5),
    );
    expect(body.points[0]).toMatchObject({
      units: { off: 101, on: 101 },
      metrics: [{ metric: 'bought', comparisons: [{ variant: 'on', outcome: 'collecting' }] }],
    });
    const again = await get(server, 'series', { 'if-none-match': String(headers['etag']) });
    expect(again.status).toBe(304);
  });
});

describe('the health of an experiment', () => {
  it('has what happened to its events, and the sample ratio by SDK and day', async () => {
    const { server, given } = await begin();
    await using _ = server;
    given.moments = { units: { off: 1_500, on: 1_400 }, lagMs: 0 };
    given.health = {
      exposures: 3_000,
      late: 12,
      mismatched: { 'node 1.0.0': 3 },
      unitsBySdk: { 'node 1.0.0': { off: 1_000, on: 1_000 }, 'web 1.0.0': { off: 500, on: 250 } },
      unitsByDay: { '2026-12-01': { off: 1_500, on: 1_400 } },
    };
    given.environment = { rejected: { tooOld: 4 }, unknownEvents: ['bougth'], lagMs: 2_000 };
    expect(await read(server, 'health')).toMatchObject({
      experiment: 'checkout-2',
      exposures: 3_000,
      late: 12,
      mismatched: { 'node 1.0.0': 3 },
      rejected: { tooOld: 4 },
      unknownEvents: ['bougth'],
      lagSeconds: 2,
      units: { bySdk: given.health.unitsBySdk, byDay: given.health.unitsByDay },
      sampleRatio: {
        all: { mismatch: false },
        bySdk: { 'node 1.0.0': { mismatch: false }, 'web 1.0.0': { mismatch: true } },
        byDay: { '2026-12-01': { mismatch: false } },
      },
    });
  });
});

describe('the moments of an experiment', () => {
  it('are those of its events, and give the same results when they are sent', async () => {
    const { server, given, clock } = await begin();
    await using _ = server;
    given.moments = { ...moments(20_000, 2_000, 2_382), lagMs: 17_000 };
    const { status, body } = await get(server, 'moments');
    expect([status, body]).toEqual([
      200,
      {
        experiment: 'checkout-2',
        run: expect.any(String),
        asOf: '2026-12-01T09:00:00.000Z',
        lagSeconds: 17,
        ...moments(20_000, 2_000, 2_382),
      },
    ]);
    const external = { ...experiment, key: 'external', source: 'external' };
    await server.api('POST', '/flags', {
      body: { key: 'other', enabled: true, rules: [{ id: 'checkout-test', split }] },
    });
    await server.api('POST', '/experiments', { body: { ...external, flag: 'other' } });
    await server.api('POST', '/experiments/external/start');
    const { units, quarantined, metrics: values } = body;
    const sent = await server.api('POST', '/experiments/external/statistics', {
      body: { units, quarantined, metrics: values },
    });
    const found = ({ comparisons }: { comparisons: object[] }) =>
      comparisons.map(each => ({ ...each, covariate: undefined }));
    const results = await read(server);
    expect([sent.status, sent.body.metrics.map(found)]).toEqual([200, results.metrics.map(found)]);
    clock.jump(HOUR_MS);
    const late = await server.api('GET', '/experiments/checkout-2/moments?at=2026-12-01T09:30:00Z');
    expect(late.body.asOf).toBe('2026-12-01T09:30:00.000Z');
    const early = await server.api(
      'GET',
      '/experiments/checkout-2/moments?at=2026-11-30T09:30:00Z',
    );
    expect([early.status, early.body.error.details[0].path]).toEqual([400, 'at']);
  });
});

describe('the live results', () => {
  it('come at once, and again when they differ', async () => {
    const { server, clock, given } = await begin();
    await using _ = server;
    given.moments = moments(200, 20, 25);
    const url = await server.listen();
    const input = encodeURIComponent(
      JSON.stringify({ environment: 'production', key: 'checkout-2' }),
    );
    const stream = await openSse(`${url}/trpc/experiments.results?input=${input}`, {
      key: await server.keyOf('viewer'),
    });
    expect((await stream.next())?.event).toBe('connected');
    const next = async () => (await stream.next())?.data;
    expect(await next()).toMatchObject({ variants: [{ units: 200 }, { units: 200 }] });
    clock.advance(15_000);
    given.moments = moments(300, 30, 35);
    clock.advance(15_000);
    expect(await next()).toMatchObject({ variants: [{ units: 300 }, { units: 300 }] });
    await post(server, 'stop');
    expect(await next()).toMatchObject({ state: 'stopped', final: true });
    stream.close();
  });
});
