import { cohortChanges, type CohortSums } from './cohorts.ts';
import { decimalOf, ONE, plus, ZERO, type Decimal } from './decimal.ts';
import {
  cohortOf,
  settledMs,
  type ExposureEvent,
  type FoldedExperiment,
  type FoldEvent,
  type FoldMetric,
  type Source,
  type TrackEvent,
} from './experiment.ts';

/** What is known of a unit of one run. */
export type UnitState = {
  readonly variant: string;
  /** The first exposure. */
  readonly exposedMs: number;
  /** The totals of each metric before its cap, one for each source. */
  readonly totals: readonly (readonly Decimal[])[];
  /** What was known of the unit before its first exposure, one number for each metric. */
  readonly covariates: readonly number[];
  /** Whether the unit was served two variants. It is in no sums. */
  readonly isQuarantined: boolean;
  /** Whether its values are final, so that only its variant is kept. */
  readonly isSettled?: boolean;
};

/** Counts of what does not show in the sums. */
export type FoldCounts = {
  readonly exposures: number;
  /** Exposures of units that were exposed to the same variant before. */
  readonly repeats: number;
  /** Events that arrived too late to be folded in their order. */
  readonly late: number;
  /** Exposures outside of the enrolment. */
  readonly outside: number;
  /** Events that a sum passes over. */
  readonly withoutValue: number;
  /** Units that were served another variant after their longest window. */
  readonly switchedLater: number;
};

/** What events change: whole states, and sums and counts to add. */
export type FoldChanges = {
  readonly states: ReadonlyMap<string, UnitState>;
  readonly cohorts: readonly CohortSums[];
  readonly counts: FoldCounts;
  /** The first exposures among the events. */
  readonly enrolled: readonly ExposureEvent[];
};

/** Changes while events are folded. */
type Changes = {
  readonly experiment: FoldedExperiment;
  readonly previous: ReadonlyMap<string, UnitState>;
  readonly states: Map<string, UnitState>;
  readonly counts: { -readonly [Name in keyof FoldCounts]: number };
  readonly enrolled: ExposureEvent[];
};

/** Orders events by time, and an exposure before a tracking event of the same instant. */
export const inOrder = <Event extends Pick<FoldEvent, 'type' | 'timeMs'>>(
  events: readonly Event[],
): Event[] =>
  events.toSorted(
    (first, second) =>
      first.timeMs - second.timeMs ||
      Number(first.type === 'track') - Number(second.type === 'track'),
  );

const stateOf = ({ states, previous }: Changes, unit: string): UnitState | undefined =>
  states.get(unit) ?? previous.get(unit);

const enrol = (changes: Changes, event: ExposureEvent): void => {
  const { experiment, counts, states, enrolled } = changes;
  const { unit, variant, timeMs, covariates = [] } = event;
  if (timeMs < experiment.startMs || timeMs >= experiment.endMs) {
    if (event.isAhead !== true) counts.outside += 1;
    return;
  }
  const totals = experiment.metrics.map(({ sources }) => sources.map(() => ZERO));
  states.set(unit, { variant, exposedMs: timeMs, totals, covariates, isQuarantined: false });
  enrolled.push(event);
  // The same exposure comes again, and is then the first one.
  if (event.isAhead === true) counts.repeats -= 1;
};

/** After this nothing that a unit does can be due to another variant. */
const isOver = (experiment: FoldedExperiment, state: UnitState, timeMs: number): boolean =>
  state.isSettled === true ||
  timeMs >= settledMs(experiment, cohortOf(experiment, state.exposedMs));

const expose = (changes: Changes, event: ExposureEvent): void => {
  const { experiment, states, counts } = changes;
  const { unit, variant, timeMs } = event;
  const counted = event.isAhead === true ? 0 : 1;
  counts.exposures += counted;
  if (event.isLate === true) counts.late += counted;
  const state = stateOf(changes, unit);
  if (state === undefined) return enrol(changes, event);
  if (state.variant === variant) counts.repeats += counted;
  else if (isOver(experiment, state, timeMs)) counts.switchedLater += counted;
  else states.set(unit, { ...state, isQuarantined: true });
};

const isInside = ({ window }: FoldMetric, { exposedMs }: UnitState, timeMs: number): boolean =>
  timeMs >= exposedMs + window.fromMs && timeMs < exposedMs + window.toMs;

/** Whether a source counts an event or adds its value. */
export const fits = (
  { event, matches }: Source,
  { name, attributes = {} }: Pick<TrackEvent, 'name' | 'attributes'>,
): boolean => event === name && (matches === undefined || matches(attributes));

/** With larger values a sum of squares could be infinite, and one event would take the results from all units. */
const LARGEST = 1e100;

/** Returns what an event that fits adds to a sum or a count, or undefined if it has no value. */
export const amountOf = (source: Source, event: TrackEvent): number | undefined => {
  if (source.kind !== 'sum') return 1;
  const value = source.read === undefined ? event.value : source.read(event);
  return typeof value === 'number' && Math.abs(value) <= LARGEST ? value : undefined;
};

const totalAfter = (
  { counts }: Changes,
  source: Source,
  total: Decimal,
  event: TrackEvent,
): Decimal => {
  if (!fits(source, event)) return total;
  if (source.kind === 'conversion') return ONE;
  const amount = amountOf(source, event);
  if (amount !== undefined) return plus(total, decimalOf(amount));
  counts.withoutValue += 1;
  return total;
};

const track = (changes: Changes, event: TrackEvent): void => {
  const { experiment, states, counts } = changes;
  const state = stateOf(changes, event.unit);
  if (state === undefined || state.isQuarantined || state.isSettled === true) return;
  if (event.isLate === true) counts.late += 1;
  const totals = experiment.metrics.map((metric, at) => {
    const before = state.totals[at] ?? [];
    if (!isInside(metric, state, event.timeMs)) return before;
    return metric.sources.map((source, part) =>
      totalAfter(changes, source, before[part] ?? ZERO, event),
    );
  });
  states.set(event.unit, { ...state, totals });
};

/**
 * Folds events, in order, into the states of their units. Which events are folded together makes no difference, so a
 * server may take any number and repeat what was not written. All sums are exact.
 */
export const fold = (
  experiment: FoldedExperiment,
  previous: ReadonlyMap<string, UnitState>,
  events: readonly FoldEvent[],
): FoldChanges => {
  const states = new Map<string, UnitState>();
  const enrolled: ExposureEvent[] = [];
  const counts = {
    exposures: 0,
    repeats: 0,
    late: 0,
    outside: 0,
    withoutValue: 0,
    switchedLater: 0,
  };
  const changes: Changes = { experiment, previous, states, counts, enrolled };
  for (const event of events)
    if (event.type === 'exposure') expose(changes, event);
    else track(changes, event);
  return { states, cohorts: cohortChanges(experiment, previous, states), counts, enrolled };
};
