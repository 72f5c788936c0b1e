import { setTimeout } from 'node:timers/promises';

import { Results, ResultsHealth } from '@pennon/schema';
import type { ServerOptions } from '@pennon/server';
import { z } from 'zod';

import { randomOf, type Random } from '../statistics/random.ts';
import { createCompressedClock, type CompressedClock } from './clock.ts';
import { startCompressed, type CompressedServer } from './server.ts';
import { FLAG, openPage, openServerSide, type Application } from './visitors.ts';

export const VARIANTS = ['off', 'on'] as const;
type Variant = (typeof VARIANTS)[number];
type PerVariant = Readonly<Record<Variant, number>>;

export type SimulatedExperiment = {
  readonly seed: number;
  readonly days: number;
  readonly visitorsPerDay: number;
  /** The share of the visitors who buy. */
  readonly rates: PerVariant;
};

/** What visitors really did, of one variant. */
export type Truth = { visitors: number; buyers: number; revenue: number; failed: number };

const START = Date.parse('2026-12-01T00:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const VISITS_A_DAY = 4;
const PERIOD_MS = (24 * HOUR_MS) / VISITS_A_DAY;
/** Between a visit and what the visitor does. */
const DELAY_MS = 20 * MINUTE_MS;

/** Of all visitors, so many use a page in a browser, and so many come back a day later. */
const PAGE_SHARE = 0.02;
const RETURNING_SHARE = 0.2;
const FAILED_SHARE = 0.02;
/** What no metric reads is not sent. */
const UNMEASURED = 'scrolled';

const METRICS = [
  { key: 'bought', kind: 'conversion', event: 'bought' },
  {
    key: 'revenue',
    kind: 'sum',
    event: 'bought',
    where: [{ attribute: 'currency', operator: 'equals', value: 'EUR' }],
  },
  { key: 'failed', kind: 'conversion', event: 'failed', direction: 'decrease' },
];

const start = async (
  { api, clock }: CompressedServer,
  { days, visitorsPerDay }: SimulatedExperiment,
): Promise<void> => {
  for (const metric of METRICS)
    await api('POST', '/metrics', { ...metric, window: { toMs: HOUR_MS } });
  const split = VARIANTS.map(variant => ({ variant, weight: 1 }));
  await api('POST', '/flags', {
    key: FLAG,
    enabled: true,
    clientVisible: true,
    // The same visitors get the same variants in each run.
    rules: [{ id: 'test', split, seed: 'simulated' }],
  });
  await api('POST', '/experiments', {
    key: 'one-page-sells',
    flag: FLAG,
    rule: 'test',
    control: 'off',
    metrics: [
      { metric: 'bought', role: 'primary', minimumEffect: 0.1 },
      { metric: 'revenue', role: 'secondary' },
      { metric: 'failed', role: 'guardrail', tolerance: 0.1 },
    ],
    plan: {
      end: new Date(clock.now() + days * 24 * HOUR_MS).toISOString(),
      units: days * visitorsPerDay,
    },
  });
  await api('POST', '/experiments/one-page-sells/start');
};

type Run = {
  readonly server: CompressedServer;
  readonly clock: CompressedClock;
  readonly random: Random;
  readonly applications: { readonly service: Application; readonly page: Application };
  readonly truth: Readonly<Record<Variant, Truth>>;
};

/** Serves visitors, and tracks what they do. */
const serve = async (
  { clock, random, applications, truth }: Run,
  { rates }: SimulatedExperiment,
  visitors: readonly string[],
  returning: readonly string[],
): Promise<void> => {
  const { service, page } = applications;
  const acts: (() => Promise<void>)[] = [];
  for (const visitor of returning) await service.visit(visitor);
  for (const visitor of visitors) {
    const application = random.uniform() < PAGE_SHARE ? page : service;
    const variant = (await application.visit(visitor)) ? 'on' : 'off';
    const known = truth[variant];
    known.visitors += 1;
    if (random.uniform() < rates[variant]) {
      const value = Math.round(100 * Math.exp(3 + 0.5 * random.normal())) / 100;
      known.buyers += 1;
      known.revenue += value;
      acts.push(() => application.track(visitor, 'bought', { value, currency: 'EUR' }));
    }
    if (random.uniform() < FAILED_SHARE) {
      known.failed += 1;
      acts.push(() => application.track(visitor, 'failed'));
    }
    acts.push(() => service.track(visitor, UNMEASURED));
  }
  await flush(applications);
  clock.jump(DELAY_MS);
  for (const act of acts) await act();
  await flush(applications);
  clock.jump(PERIOD_MS - DELAY_MS);
};

const flush = async ({ service, page }: Run['applications']): Promise<void> => {
  await service.flush();
  await page.flush();
};

const Stated = z.object({ state: z.string() });

/** Returns the results once they have all visitors. */
const resultsOf = async ({ server, clock, truth }: Run): Promise<Results> => {
  const visitors = truth.off.visitors + truth.on.visitors;
  for (let second = 0; ; second += 1) {
    const results = Results.parse(await server.api('GET', '/experiments/one-page-sells/results'));
    const units = results.variants.reduce((sum, variant) => sum + variant.units, 0);
    if (units === visitors && results.lagSeconds === 0) return results;
    if (second === LONGEST_FOLD_SECONDS)
      throw new Error(`${units} of ${visitors} visitors are in the results`);
    clock.jump(1_000);
  }
};
const LONGEST_FOLD_SECONDS = 600;
const MAX_TRIES = 1_000;

/**
 * Runs an experiment to its end: visitors are served by real providers, what they do is sent to a real server, and its
 * results are read each day.
 */
export const runExperiment = async (
  experiment: SimulatedExperiment,
  options: Pick<Partial<ServerOptions>, 'store'> = {},
) => {
  const clock = createCompressedClock(START);
  const random = randomOf(experiment.seed);
  await using server = await startCompressed({ ...options, clock });
  await start(server, experiment);
  const applications = {
    service: await openServerSide(server),
    page: await openPage(server),
  };
  const none = (): Truth => ({ visitors: 0, buyers: 0, revenue: 0, failed: 0 });
  const truth = { off: none(), on: none() };
  const run: Run = { server, clock, random, applications, truth };
  const looks: string[] = [];
  let previous: readonly string[] = [];
  for (let period = 0; period < VISITS_A_DAY * experiment.days; period += 1) {
    const count = Math.round(experiment.visitorsPerDay / VISITS_A_DAY);
    const visitors = Array.from(
      { length: count },
      (_, visitor) => `visitor-${experiment.seed}-${period}-${visitor}`,
    );
    const returning = previous.filter(() => random.uniform() < RETURNING_SHARE);
    await serve(run, experiment, visitors, returning);
    previous = visitors;
    if ((period + 1) % VISITS_A_DAY === 0)
      looks.push((await resultsOf(run)).recommendation.outcome);
  }
  const state = async () =>
    Stated.parse(await server.api('GET', '/experiments/one-page-sells')).state;
  for (let hour = 0; hour < 12 && (await state()) !== 'ended'; hour += 1) clock.jump(HOUR_MS);
  // Threads of the server read and write in real time.
  for (let tries = 0; tries < MAX_TRIES && (await state()) !== 'ended'; tries += 1) {
    clock.jump(1_000);
    await setTimeout(50);
  }
  const results = await resultsOf(run);
  const health = ResultsHealth.parse(await server.api('GET', '/experiments/one-page-sells/health'));
  await applications.service.close();
  await applications.page.close();
  return { looks, results, health, truth };
};
