import type { CovariateMoments, MeanMoments, RatioMoments } from '@pennon/statistics';

import type { Ledger } from '../store/store.ts';

/** A run of an experiment or a ramp in an environment. */
export type RunRef = { readonly ledger: Ledger<'flagSet'>; readonly run: string };

/** What is known of a metric and a variant. */
export type MetricMoments = {
  /** Of the units whose window is over. */
  readonly mature: MeanMoments | RatioMoments | CovariateMoments;
  /** Units with a value other than 0, their windows over or not. Only of conversions. */
  readonly soFar: number | null;
};

/** The counts and sums of a run, by variant. Units that saw several variants are only counted. */
export type RunSums = {
  /** The time that the windows are compared with, in milliseconds since 1970. */
  readonly at: number;
  /** How old the oldest event is that is not folded, in milliseconds. */
  readonly lagMs: number;
  /** By the first exposure of each unit, quarantined ones included. */
  readonly units: Readonly<Record<string, number>>;
  readonly quarantined: Readonly<Record<string, number>>;
  /** By metric and variant. A metric that is not measured is absent. */
  readonly metrics: Readonly<Record<string, Readonly<Record<string, MetricMoments>>>>;
};

export type RunMoments = RunSums & {
  /** The time of the last exposure that was folded, in milliseconds since 1970. */
  readonly lastExposureAt: number | null;
};

/** What happened to the events of a run. */
export type RunHealth = {
  readonly exposures: number;
  readonly repeats: number;
  /** Exposures and tracking events that were folded after the hold. */
  readonly late: number;
  /** Exposures before the start or from the end of the enrolment on, of units that are not enrolled. */
  readonly outside: number;
  readonly quarantined: number;
  readonly switchedLater: number;
  /** Events of a sum without a finite number. */
  readonly withoutValue: number;
  /** Exposures whose variant or admission is not that of the rule, by name and version of the SDK. */
  readonly mismatched: Readonly<Record<string, number>>;
  /** Exposures that were not checked, because their units are hashes, by name and version of the SDK. */
  readonly unverified: Readonly<Record<string, number>>;
  /** First exposures by SDK and variant, and by UTC day (such as 2026-12-03) and variant. */
  readonly unitsBySdk: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly unitsByDay: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

/** All that results are computed from. */
export type RunData = { readonly moments: RunMoments; readonly health: RunHealth };

/** What is known of one unit of a run. */
export type RunUnit = {
  /** The variant that the rule serves the unit if its conditions hold; null if it serves none. */
  readonly assigned: string | null;
  readonly exposure: {
    readonly variant: string;
    readonly firstMs: number;
    readonly quarantined: boolean;
    readonly settled: boolean;
  } | null;
  readonly metrics: readonly {
    readonly metric: string;
    readonly value: number;
    /** Null unless the metric is a ratio. */
    readonly denominator: number | null;
    /** When the unit is part of the results. */
    readonly countsFromMs: number;
  }[];
};

/** What happened to the events of an environment. */
export type EventHealth = {
  /** Rejected events by code. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly dropped: { readonly exposures: number; readonly tracks: number };
  /** Names of tracking events that no metric has. At most 100. */
  readonly unknownEvents: readonly string[];
  readonly lagMs: number;
};

/** For how many days it is known that an event was seen. */
export const SEEN_DAYS = 7;

/** Where results come from: the events that providers have sent, or a test. */
export interface MomentsSource {
  /** Returns the counts and sums of a run as they were mature at a time. */
  moments(ref: RunRef, at: number): Promise<RunSums>;
  /** Returns the same and the health of the run. What both are made of is read once. */
  data(ref: RunRef, at: number): Promise<RunData>;
  environmentHealth(ledger: Ledger<'flagSet'>): Promise<EventHealth>;
  /** Returns when events of each name were seen last, in milliseconds since 1970; of the last days, to the hour. */
  seenEvents(ledger: Ledger<'flagSet'>): Promise<ReadonlyMap<string, number>>;
  /** Returns what is known of a unit, by the value of the attribute that is randomised. */
  unit(ref: RunRef, unit: string): Promise<RunUnit>;
}
