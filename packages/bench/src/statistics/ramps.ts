import { guardrail, type MeanMoments } from '@pennon/statistics';

import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';
import { add, conversions, normals, type Draw } from './units.ts';

const ALPHA = 0.05;
const MINUTES_BETWEEN_TICKS = 5;
const UNITS_A_DAY = 1_000_000;

const STEPS = [
  { percent: 1, hours: 1 },
  { percent: 5, hours: 4 },
  { percent: 25, hours: 12 },
  { percent: 50, hours: 24 },
];

type Ramp = {
  readonly errors: readonly [control: number, treatment: number];
  /** Nothing is looked at after this time. */
  readonly minutes: number;
};

type Collected = { control: MeanMoments; treatment: MeanMoments };

/** Units of each variant that come before each tick. */
function* ticks(minutes: number): Generator<number> {
  let time = 0;
  for (const { percent, hours } of STEPS) {
    const units = Math.round((UNITS_A_DAY / 1_440) * MINUTES_BETWEEN_TICKS * (percent / 100));
    for (let minute = 0; minute < 60 * hours; minute += MINUTES_BETWEEN_TICKS) {
      time += MINUTES_BETWEEN_TICKS;
      if (time > minutes) return;
      yield units;
    }
  }
}

const score = ({ control, treatment }: Collected): number => {
  const mean = ({ n, sum }: MeanMoments): number => sum / n;
  const variance = ({ n, sum, sumSquares }: MeanMoments): number =>
    (sumSquares - sum ** 2 / n) / n ** 2;
  return (
    (mean(treatment) - mean(control)) / Math.sqrt(variance(control) + variance(treatment) || 1)
  );
};

/** Below, no sequence fails, and no evidence can be large: the largest likelihood ratio is not. */
const SMALLEST_SCORE = 2;

const isHarmed = (kind: 'conversion' | 'sum', collected: Collected): boolean => {
  if (score(collected) < SMALLEST_SCORE) return false;
  const { control, treatment } = collected;
  const common = {
    control,
    treatment,
    direction: 'decrease',
    tolerance: 0,
    alpha: ALPHA / 2,
  } as const;
  const soFar = { control: control.sum, treatment: treatment.sum };
  return guardrail(
    kind === 'conversion' ? { ...common, kind, soFar, share: 0.5 } : { ...common, kind },
  ).harming;
};

const collect = (
  random: Random,
  units: number,
  draws: readonly [Draw, Draw],
  collected: Collected | undefined,
): Collected => ({
  control: add(collected?.control, draws[0](random, units)),
  treatment: add(collected?.treatment, draws[1](random, units)),
});

/** Two guardrails: a rate of errors, and a latency of 240 ± 150 ms that is the same for both. */
const isRolledBack = (random: Random, { errors, minutes }: Ramp): boolean => {
  const latency = normals(240, 150);
  let failed: Collected | undefined;
  let taken: Collected | undefined;
  for (const units of ticks(minutes)) {
    failed = collect(random, units, [conversions(errors[0]), conversions(errors[1])], failed);
    taken = collect(random, units, [latency, latency], taken);
    if (isHarmed('conversion', failed) || isHarmed('sum', taken)) return true;
  }
  return false;
};

/** Releases of a million daily users that do harm, and that do not. */
export const RAMPS: readonly Simulation[] = [
  {
    title: 'harmless ramp of 41 hours, a tick every 5 minutes: rolled back',
    limit: { atMost: ALPHA },
    run: random => isRolledBack(random, { errors: [0.01, 0.01], minutes: 41 * 60 }),
  },
  {
    title: 'errors × 20 at 1 %: rolled back within 20 minutes',
    limit: { atLeast: 0.9 },
    run: random => isRolledBack(random, { errors: [0.01, 0.2], minutes: 20 }),
  },
];
