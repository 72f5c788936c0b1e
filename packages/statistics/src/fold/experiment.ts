/** Attributes of a tracking event. */
export type Attributes = Readonly<Record<string, unknown>>;

/** An event, with its time corrected for the clock of the client. */
export type FoldEvent =
  | {
      readonly type: 'exposure';
      readonly unit: string;
      readonly variant: string;
      readonly timeMs: number;
    }
  | {
      readonly type: 'track';
      readonly unit: string;
      readonly name: string;
      readonly timeMs: number;
      readonly value?: number;
      readonly attributes?: Attributes;
    };

export type TrackEvent = Extract<FoldEvent, { readonly type: 'track' }>;

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

/** Returns the start of the cohort that a first exposure belongs to. */
export const cohortOf = ({ cohortMs }: FoldedExperiment, exposedMs: number): number =>
  exposedMs - (exposedMs % cohortMs);

/** Returns the instant from which on all units of a cohort have lived through a window. */
export const matureMs = (
  { cohortMs }: FoldedExperiment,
  cohort: number,
  { window }: FoldMetric,
): number => cohort + cohortMs + window.toMs;
