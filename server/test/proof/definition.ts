import { COHORT_MS } from './metrics.ts';
import { VARIANTS, type SentEvent, type Variant } from './simulation.ts';

/** The sums of a mean, or those of a ratio. */
type Sums = Readonly<Record<string, number>>;

/** What `GET /experiments/{key}/moments` returns of a run. */
export type Moments = {
  readonly units: Readonly<Record<Variant, number>>;
  readonly quarantined: Readonly<Record<Variant, number>>;
  readonly metrics: Readonly<
    Record<
      string,
      Readonly<Record<Variant, { readonly mature: Sums; readonly soFar: number | null }>>
    >
  >;
};

type Exposure = SentEvent & { readonly type: 'exposure' };
type Track = SentEvent & { readonly type: 'track' };

/** A unit with its first exposure and all that it did. */
type Unit = {
  readonly variant: Variant;
  readonly exposedMs: number;
  readonly cohortEndMs: number;
  readonly isQuarantined: boolean;
  readonly tracks: readonly Track[];
};

const LONGEST_WINDOW_MS = 120_000;
const CAP_CENTS = 20_000n;

/**
 * Computes the moments from all events at once. It shares no code with the server: values are whole numbers of cents,
 * and each unit is looked at once, with everything that it ever did.
 */
export const momentsOf = (events: readonly SentEvent[], atMs: number): Moments => {
  const units = unitsOf(events);
  const isMature = (toMs: number) => (unit: Unit) => unit.cohortEndMs + toMs <= atMs;
  const counted = units.filter(({ isQuarantined }) => !isQuarantined);
  const inEach = <Value>(compute: (own: readonly Unit[]) => Value, from: readonly Unit[]) => ({
    off: compute(from.filter(({ variant }) => variant === 'off')),
    on: compute(from.filter(({ variant }) => variant === 'on')),
  });
  const size = (own: readonly Unit[]) => own.length;
  const bought = (unit: Unit) => (within(unit, 'bought', 0, 60_000).length > 0 ? 1n : 0n);
  const revenue = (unit: Unit) => {
    const cents = centsOf(
      within(unit, 'bought', 0, 120_000).filter(({ currency }) => currency === 'EUR'),
    );
    return cents > CAP_CENTS ? CAP_CENTS : cents;
  };
  const errors = (unit: Unit) => BigInt(within(unit, 'failed', 30_000, 90_000).length);
  const soFar = inEach(own => own.filter(unit => bought(unit) > 0n).length, counted);
  const metric = (toMs: number, sums: (own: readonly Unit[]) => Sums, known?: typeof soFar) => {
    const mature = inEach(sums, counted.filter(isMature(toMs)));
    return Object.fromEntries(
      VARIANTS.map(each => [each, { mature: mature[each], soFar: known?.[each] ?? null }]),
    ) as Moments['metrics'][string];
  };
  return {
    units: inEach(size, units),
    quarantined: inEach(
      size,
      units.filter(({ isQuarantined }) => isQuarantined),
    ),
    metrics: {
      bought: metric(60_000, own => meanSums(own.map(bought), 0), soFar),
      revenue: metric(120_000, own => meanSums(own.map(revenue), 2)),
      errors: metric(90_000, own => meanSums(own.map(errors), 0)),
      'load-time': metric(60_000, ratioSums),
    },
  };
};

const unitsOf = (events: readonly SentEvent[]): Unit[] =>
  Array.from(Map.groupBy(events, ({ unit }) => unit).values(), own => {
    const exposures = own.filter((event): event is Exposure => event.type === 'exposure');
    const [first] = exposures.toSorted((a, b) => a.timeMs - b.timeMs);
    if (first === undefined) return [];
    const { variant, timeMs } = first;
    const cohortEndMs = Math.floor(timeMs / COHORT_MS) * COHORT_MS + COHORT_MS;
    return [
      {
        variant,
        exposedMs: timeMs,
        cohortEndMs,
        isQuarantined: exposures.some(
          each => each.variant !== variant && each.timeMs < cohortEndMs + LONGEST_WINDOW_MS,
        ),
        tracks: own.filter((event): event is Track => event.type === 'track'),
      },
    ];
  }).flat();

const within = ({ tracks, exposedMs }: Unit, name: string, fromMs: number, toMs: number): Track[] =>
  tracks.filter(
    event =>
      event.name === name && event.timeMs >= exposedMs + fromMs && event.timeMs < exposedMs + toMs,
  );

const centsOf = (tracks: readonly Track[]): bigint =>
  tracks.reduce((sum, { cents }) => sum + BigInt(cents), 0n);

/** Returns the number that is nearest to `digits / 10^places`. */
const decimal = (digits: bigint, places: number): number => Number(`${digits}e-${places}`);

const total = <Item>(items: readonly Item[], valueOf: (item: Item) => bigint): bigint =>
  items.reduce((sum, item) => sum + valueOf(item), 0n);

const meanSums = (values: readonly bigint[], places: number): Sums => ({
  n: values.length,
  sum: decimal(
    total(values, value => value),
    places,
  ),
  sumSquares: decimal(
    total(values, value => value * value),
    2 * places,
  ),
  nonZero: values.filter(value => value !== 0n).length,
});

const ratioSums = (units: readonly Unit[]): Sums => {
  const pairs = units.map(unit => {
    const loads = within(unit, 'loaded', 0, 60_000);
    return { time: centsOf(loads), count: BigInt(loads.length) };
  });
  return {
    n: pairs.length,
    sumNumerator: decimal(
      total(pairs, ({ time }) => time),
      2,
    ),
    sumDenominator: decimal(
      total(pairs, ({ count }) => count),
      0,
    ),
    sumSquaresNumerator: decimal(
      total(pairs, ({ time }) => time * time),
      4,
    ),
    sumSquaresDenominator: decimal(
      total(pairs, ({ count }) => count * count),
      0,
    ),
    sumProducts: decimal(
      total(pairs, ({ time, count }) => time * count),
      2,
    ),
  };
};
