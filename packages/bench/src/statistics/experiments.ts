import {
  compareMeans,
  sampleSize,
  verdicts,
  type MeanMoments,
  type PlannedComparison,
  type Verdict,
} from '@pennon/statistics';

import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';
import { add, conversions, revenue, spending, type Draw } from './units.ts';

const ALPHA = 0.05;

/** One metric, and how its units are drawn in the control and in each treatment. */
type Metric = {
  readonly kind: 'conversion' | 'sum';
  readonly control: Draw;
  readonly treatments: readonly Draw[];
};

type Experiment = {
  readonly metrics: readonly Metric[];
  readonly looks: number;
  /** New units of each variant before each look. */
  readonly units: number;
};

type Collected = { control?: MeanMoments; readonly treatments: (MeanMoments | undefined)[] };

const collect = (random: Random, metric: Metric, units: number, collected: Collected): void => {
  collected.control = add(collected.control, metric.control(random, units));
  for (const [at, draw] of metric.treatments.entries())
    collected.treatments[at] = add(collected.treatments[at], draw(random, units));
};

const comparisonsOf = (
  { metrics, looks, units }: Experiment,
  collected: readonly Collected[],
): PlannedComparison[] =>
  metrics.flatMap(({ kind }, metric) => {
    const { control, treatments = [] } = collected[metric] ?? {};
    return treatments.flatMap((treatment, at) =>
      control === undefined || treatment === undefined
        ? []
        : [
            {
              id: `${metric} ${at}`,
              role: 'primary' as const,
              direction: 'increase' as const,
              kind,
              control,
              treatment,
              plannedUnits: 2 * looks * units,
            },
          ],
    );
  });

/** Looks at an experiment until a look satisfies `isFound`, at most until its planned end. */
const everFound = (
  random: Random,
  experiment: Experiment,
  isFound: (verdict: Verdict) => boolean,
): boolean => {
  const collected: Collected[] = experiment.metrics.map(() => ({ treatments: [] }));
  for (let look = 1; look <= experiment.looks; look += 1) {
    for (const [at, metric] of experiment.metrics.entries())
      collect(random, metric, experiment.units, collected[at] ?? { treatments: [] });
    const comparisons = comparisonsOf(experiment, collected);
    const ended = look === experiment.looks;
    const found = verdicts({ alpha: ALPHA, method: 'sequential', ended, comparisons });
    if (found.verdicts.some(isFound)) return true;
  }
  return false;
};

const isDecided = ({ outcome }: Verdict): boolean => outcome === 'better' || outcome === 'worse';

const alike = (kind: Metric['kind'], draw: Draw, treatments = 1): Metric => ({
  kind,
  control: draw,
  treatments: Array.from({ length: treatments }, () => draw),
});

const sizeOf = (baseline: number, detectableEffect: number): number =>
  sampleSize({
    kind: 'conversion',
    baseline,
    detectableEffect,
    ratio: 1,
    alpha: ALPHA,
    power: 0.8,
  }).hybridControl ?? Number.NaN;

const falsePositives = (
  title: string,
  metric: Metric,
  looks: number,
  units: number,
): Simulation => ({
  title: `no effect, ${title}, ${looks} looks: decided`,
  limit: { atMost: ALPHA },
  run: random =>
    everFound(random, { metrics: [metric], looks, units: Math.ceil(units / looks) }, isDecided),
});

const [BASELINE, EFFECT] = [0.1, 0.05];

const power: Simulation = {
  title: 'the effect that was planned for, 14 looks: better',
  limit: { atLeast: 0.79 },
  run: random => {
    const metric: Metric = {
      kind: 'conversion',
      control: conversions(BASELINE),
      treatments: [conversions(BASELINE * (1 + EFFECT))],
    };
    const units = Math.ceil(sizeOf(BASELINE, EFFECT) / 14);
    return everFound(
      random,
      { metrics: [metric], looks: 14, units },
      ({ outcome }) => outcome === 'better',
    );
  },
};

const family: Simulation = {
  title: 'no effect, 2 treatments × 2 primary metrics, 28 looks: any decided',
  limit: { atMost: ALPHA },
  run: random => {
    const metrics = [
      alike('conversion', conversions(0.1), 2),
      alike('conversion', conversions(0.02), 2),
    ];
    return everFound(random, { metrics, looks: 28, units: 3_000 }, isDecided);
  },
};

/** The p-value of the planned end must not be smaller than a uniform number. */
const pValues = (share: number): Simulation => ({
  title: `no effect, p-value at the end at most ${share}`,
  limit: { atMost: share },
  run: random => {
    const [control, treatment] = [conversions(0.1)(random, 5_000), conversions(0.1)(random, 5_000)];
    const comparison = {
      id: '',
      role: 'primary',
      direction: 'increase',
      kind: 'conversion',
    } as const;
    const comparisons = [{ ...comparison, control, treatment, plannedUnits: 10_000 }];
    const found = verdicts({ alpha: ALPHA, method: 'sequential', ended: true, comparisons });
    return found.verdicts.some(each => 'pValue' in each && (each.pValue ?? 1) <= share);
  },
});

const isInside = (value: number, lower: number | null, upper: number | null): boolean =>
  lower === null || upper === null || (lower <= value && value <= upper);

const FEWEST_EVENTS = 5;

/** A relative interval without bounds contains everything. */
const coverage = (
  title: string,
  draws: readonly [Draw, Draw],
  units: number,
  truth: { readonly difference: number } | { readonly relative: number },
): Simulation => ({
  title: `${title}: covered at the end`,
  limit: { atLeast: 0.945 },
  run: random => {
    const [control, treatment] = [draws[0](random, units), draws[1](random, units)];
    if (Math.min(control.nonZero ?? 0, treatment.nonZero ?? 0) < FEWEST_EVENTS) return undefined;
    const found = compareMeans({ control, treatment, alpha: ALPHA });
    return 'difference' in truth
      ? isInside(truth.difference, found.lower, found.upper)
      : isInside(truth.relative, found.relativeLower, found.relativeUpper);
  },
});

const RARE = [conversions(0.01), conversions(0.012)] as const;
const COMMON = [conversions(0.05), conversions(0.06)] as const;
const REVENUE = [revenue(), revenue(1.2)] as const;
/** A tenth of the units spends e^3.5 on average. */
const MEAN_REVENUE = 0.1 * Math.exp(3.5);

/** Controls the simulator: what is known to fail must fail here too. */
const naive: Simulation = {
  title: "no effect, Welch's test at each of 14 looks: decided",
  limit: { atLeast: 0.18, atMost: 0.25 },
  run: random => {
    let control: MeanMoments | undefined;
    let treatment: MeanMoments | undefined;
    for (let look = 0; look < 14; look += 1) {
      control = add(control, conversions(0.1)(random, 4_000));
      treatment = add(treatment, conversions(0.1)(random, 4_000));
      const { pValue } = compareMeans({ control, treatment, alpha: ALPHA });
      if ((pValue ?? 1) <= ALPHA) return true;
    }
    return false;
  },
};

/** Experiments with and without an effect. */
export const EXPERIMENTS: readonly Simulation[] = [
  falsePositives('conversion 10 %', alike('conversion', conversions(0.1)), 14, 60_000),
  falsePositives('conversion 10 %', alike('conversion', conversions(0.1)), 336, 60_000),
  falsePositives('conversion 2 %', alike('conversion', conversions(0.02)), 14, 2_800),
  falsePositives('conversion 2 %', alike('conversion', conversions(0.02)), 336, 60_000),
  falsePositives('revenue', alike('sum', revenue()), 14, 2_800),
  falsePositives('revenue', alike('sum', revenue()), 336, 3_360),
  falsePositives('spending with a covariate', alike('sum', spending), 14, 2_800),
  falsePositives('spending with a covariate', alike('sum', spending), 336, 3_360),
  power,
  family,
  pValues(0.01),
  pValues(0.2),
  pValues(0.5),
  coverage('difference of 10 conversions', RARE, 1_000, { difference: 0.002 }),
  coverage('relative difference of 10 conversions', RARE, 1_000, { relative: 0.2 }),
  coverage('difference of 100 conversions', COMMON, 2_000, { difference: 0.01 }),
  coverage('relative difference of 100 conversions', COMMON, 2_000, { relative: 0.2 }),
  coverage('difference of revenue', REVENUE, 2_000, { difference: 0.2 * MEAN_REVENUE }),
  coverage('relative difference of revenue', REVENUE, 2_000, { relative: 0.2 }),
  naive,
];
