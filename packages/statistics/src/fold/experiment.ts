/** Attributes of a tracking event. */
export type Attributes = Readonly<Record<string, unknown>>;

type Received = {
  readonly unit: string;
  /** Corrected for the clock of the client. */
  readonly timeMs: number;
  /** Whether it arrived too late to be folded in its order. */
  readonly isLate?: boolean;
};

export type ExposureEvent = Received & {
  readonly type: 'exposure';
  readonly variant: string;
  /** Whether it is folded before its turn, because the unit did something after it. It comes again, and counts then. */
  readonly isAhead?: boolean;
  /** What was known of the unit before, one number for each metric. */
  readonly covariates?: readonly number[];
};

export type TrackEvent = Received & {
  readonly type: 'track';
  readonly name: string;
  readonly value?: number;
  readonly attributes?: Attributes;
};

export type FoldEvent = ExposureEvent | TrackEvent;

/** Which events are counted or added. */
export type Source = {
  readonly kind: 'conversion' | 'count' | 'sum';
  readonly event: string;
  /** Whether an event of this name fits. Every one does if it is left out. */
  readonly matches?: (attributes: Attributes) => boolean;
  /** What a sum adds. The value of the event if it is left out. */
  readonly read?: (event: TrackEvent) => unknown;
};

/** One source, or the numerator and the denominator of a ratio. */
export type FoldMetric = {
  readonly key: string;
  readonly sources: readonly [Source] | readonly [numerator: Source, denominator: Source];
  /** From the first exposure on: [fromMs, toMs). */
  readonly window: { readonly fromMs: number; readonly toMs: number };
  /** The most that the total of a unit counts. Ratios have none. */
  readonly cap?: number;
  /** Whether values are compared with what was known before. Those of ratios are not. */
  readonly hasCovariate?: boolean;
};

/** What the fold reads of one run of an experiment. */
export type FoldedExperiment = {
  /** Units are enrolled in [startMs, endMs). */
  readonly startMs: number;
  readonly endMs: number;
  /** Units whose first exposures are in the same period of this length mature together. */
  readonly cohortMs: number;
  readonly metrics: readonly FoldMetric[];
};

const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

export const longestWindowMs = (metrics: readonly Pick<FoldMetric, 'window'>[]): number =>
  Math.max(0, ...metrics.map(({ window }) => window.toMs));

/** Returns how long a cohort is: windows below an hour mature by the minute. */
export const cohortMsOf = (metrics: readonly Pick<FoldMetric, 'window'>[]): number => {
  const longest = longestWindowMs(metrics);
  if (longest < HOUR_MS) return MINUTE_MS;
  return longest < DAY_MS ? 15 * MINUTE_MS : HOUR_MS;
};

/** Units whose first exposures are in [fromMs, untilMs). */
export type Cohort = { readonly fromMs: number; readonly untilMs: number };

/** Returns the cohort that a first exposure belongs to. */
export const cohortOf = ({ cohortMs }: FoldedExperiment, exposedMs: number): Cohort => {
  const fromMs = exposedMs - (exposedMs % cohortMs);
  return { fromMs, untilMs: fromMs + cohortMs };
};

/** Returns the instant from which on all units of a cohort have lived through a window. */
export const matureMs = ({ untilMs }: Cohort, { window }: Pick<FoldMetric, 'window'>): number =>
  untilMs + window.toMs;

/** Returns the instant from which on all units of a cohort have lived through all windows. */
export const settledMs = ({ metrics }: FoldedExperiment, { untilMs }: Cohort): number =>
  untilMs + longestWindowMs(metrics);
