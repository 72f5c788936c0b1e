import { setImmediate as turn } from 'node:timers/promises';

import { Ramp } from '@pennon/schema';
import type { ServerOptions } from '@pennon/server';
import type { MeanMoments } from '@pennon/statistics';
import { z } from 'zod';

import { createCompressedClock } from '../experiments/clock.ts';
import { startCompressed, type CompressedServer } from '../experiments/server.ts';
import { randomOf, type Random } from '../statistics/random.ts';
import { add, conversions, normals } from '../statistics/units.ts';

type MomentsSource = NonNullable<ServerOptions['momentsSource']>;
type Moments = Awaited<ReturnType<MomentsSource['data']>>['moments'];

/** Ramps that are released at once, each on a flag of its own. */
export type SimulatedRamps = {
  readonly seed: number;
  readonly count: number;
  /** The share of the units that fail. */
  readonly failed: { readonly off: number; readonly on: number };
  readonly minutesBetweenLooks: number;
  /** Nothing is looked at after this time. */
  readonly hours: number;
};

/** How a ramp ended, and when. */
export type SimulatedRamp = {
  readonly state: Ramp['state'];
  readonly step: number;
  readonly minutes: number;
  readonly treated: number;
};

const START = Date.parse('2026-12-01T00:00:00Z');
const MINUTE_MS = 60_000;
const UNITS_A_DAY = 1_000_000;
const MINUTES_A_DAY = 1_440;
const LATENCY = { mean: 240, deviation: 150 };

const STEPS = [
  { share: 1, holdMinutes: 60 },
  { share: 5, holdMinutes: 240 },
  { share: 25, holdMinutes: 720 },
  { share: 50, holdMinutes: 1_440 },
];
export const STEP_COUNT = STEPS.length;

const VARIANTS = ['off', 'on'] as const;
type Collected = { readonly failed: MeanMoments; readonly latency: MeanMoments };
type Units = Record<(typeof VARIANTS)[number], Collected | undefined>;

/** The units of the ramps so far, by the id of the run. */
type Seen = Map<string, Units>;

const momentsOf = (units: Units | undefined, at: number): Moments => {
  const of = (read: (collected: Collected) => MeanMoments) =>
    Object.fromEntries(
      VARIANTS.flatMap(variant => {
        const collected = units?.[variant];
        if (collected === undefined) return [];
        const { nonZero = 0, ...mature } = read(collected);
        return [[variant, { mature: { ...mature, nonZero }, soFar: nonZero }] as const];
      }),
    );
  return {
    at,
    lagMs: 0,
    units: Object.fromEntries(VARIANTS.map(each => [each, units?.[each]?.failed.n ?? 0])),
    quarantined: {},
    metrics: { failed: of(({ failed }) => failed), latency: of(({ latency }) => latency) },
    lastExposureAt: at,
  };
};

const HEALTHY = {
  exposures: 0,
  repeats: 0,
  late: 0,
  outside: 0,
  quarantined: 0,
  switchedLater: 0,
  withoutValue: 0,
  mismatched: {},
  unverified: {},
  unitsBySdk: {},
  unitsByDay: {},
};

/** Returns what was seen. `looked` has the runs that were looked at. */
const sourceOf = (seen: Seen, looked: Set<string>): MomentsSource => ({
  moments: async ({ run }, at) => momentsOf(seen.get(run), at),
  async data({ run }, at) {
    looked.add(run);
    return { moments: momentsOf(seen.get(run), at), health: HEALTHY };
  },
  environmentHealth: async () => ({
    rejected: {},
    dropped: { exposures: 0, tracks: 0 },
    unknownEvents: [],
    lagMs: 0,
  }),
  seenEvents: async () => new Map(),
  unit: async () => ({ assigned: null, exposure: null, metrics: [] }),
});

const nameOf = (index: number): string => `release-${index}`;

const start = async ({ api }: CompressedServer, count: number): Promise<void> => {
  const window = { toMs: MINUTE_MS };
  await api('POST', '/metrics', {
    key: 'failed',
    kind: 'conversion',
    event: 'failed',
    window,
    direction: 'decrease',
  });
  await api('POST', '/metrics', {
    key: 'latency',
    kind: 'sum',
    event: 'loaded',
    window,
    direction: 'decrease',
  });
  for (let index = 0; index < count; index += 1) {
    const key = nameOf(index);
    await api('POST', '/flags', { key, enabled: true, defaultVariant: 'off' });
    await api('POST', '/ramps', {
      key,
      flag: key,
      rule: 'release',
      control: 'off',
      treatment: 'on',
      steps: STEPS,
      guardrails: [{ metric: 'failed' }, { metric: 'latency' }],
    });
    await api('POST', `/ramps/${key}/start`);
  }
};

const Page = z.object({ items: z.array(Ramp), nextCursor: z.string().nullish() });

const readRamps = async ({ api }: CompressedServer): Promise<readonly Ramp[]> => {
  const { items, nextCursor } = Page.parse(await api('GET', '/ramps'));
  if (nextCursor != null) throw new Error('there are too many ramps for one page');
  return items;
};

/** Draws the units that a ramp serves until the next look. */
const collect = (
  random: Random,
  { failed, minutesBetweenLooks }: SimulatedRamps,
  share: number,
  units: Units | undefined,
): Units => {
  const expected = (UNITS_A_DAY / MINUTES_A_DAY) * minutesBetweenLooks * (share / 100);
  const both = Math.round(2 * expected);
  const on = random.binomial(both, 0.5);
  const latency = normals(LATENCY.mean, LATENCY.deviation);
  const of = (variant: keyof Units, n: number): Collected => ({
    failed: add(units?.[variant]?.failed, conversions(failed[variant])(random, n)),
    latency: add(units?.[variant]?.latency, latency(random, n)),
  });
  return { off: of('off', both - on), on: of('on', on) };
};

/** Makes time pass, and waits until the server has looked at all ramps and written what it decided. */
const look = async (
  { api }: CompressedServer,
  running: readonly Ramp[],
  looked: Set<string>,
  pass: () => void,
): Promise<void> => {
  looked.clear();
  pass();
  const [last] = running.slice(-1);
  while (running.some(({ run }) => !looked.has(run?.id ?? ''))) await turn();
  // The statistics are computed in the order of the requests.
  await api('GET', `/ramps/${last?.key ?? ''}/status`);
  await turn();
};

/** Releases variants through a real server whose moments are drawn, until each ramp is over or the time is. */
export const runRamps = async (ramps: SimulatedRamps): Promise<readonly SimulatedRamp[]> => {
  const clock = createCompressedClock(START);
  const random = randomOf(ramps.seed);
  const seen: Seen = new Map();
  const looked = new Set<string>();
  await using server = await startCompressed({ clock, momentsSource: sourceOf(seen, looked) });
  await start(server, ramps.count);
  const ended = new Map<string, SimulatedRamp>();
  const startedAt = clock.now();
  const minutes = () => (clock.now() - startedAt) / MINUTE_MS;
  for (;;) {
    const all = await readRamps(server);
    for (const { key, state, step, run } of all)
      if (state !== 'running' && !ended.has(key)) {
        const treated = seen.get(run?.id ?? '')?.on?.failed.n ?? 0;
        ended.set(key, { state, step, minutes: minutes(), treated });
      }
    const running = all.filter(({ state }) => state === 'running');
    if (running.length === 0 || minutes() >= 60 * ramps.hours) {
      for (const { key, state, step } of running)
        ended.set(key, { state, step, minutes: minutes(), treated: 0 });
      return [...ended.values()];
    }
    for (const { run, step } of running) {
      const id = run?.id ?? '';
      const share = STEPS[step - 1]?.share ?? 0;
      seen.set(id, collect(random, ramps, share, seen.get(id)));
    }
    await look(server, running, looked, () => clock.jump(ramps.minutesBetweenLooks * MINUTE_MS));
  }
};
