import {
  cohortOf,
  matureMs,
  type FoldedExperiment,
  type FoldEvent,
  type FoldMetric,
  type Source,
  type TrackEvent,
} from './experiment.ts';
import { addSums, sumsOfUnit, type Sums } from './sums.ts';

/** What is known of a unit of one run. */
export type UnitState = {
  readonly variant: string;
  /** The first exposure. */
  readonly exposedMs: number;
  /** The totals of each metric before its cap, one for each source. */
  readonly totals: readonly Sums[];
  /** Whether the unit was served two variants. It is in no sums. */
  readonly isQuarantined: boolean;
};

/** Units of one cohort of one variant, and the sums of each metric over them. */
export type CohortSums = {
  readonly variant: string;
  readonly cohort: number;
  readonly quarantined: number;
  readonly sums: readonly Sums[];
};

/** Counts of what does not show in the sums. */
export type FoldHealth = {
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
  readonly health: FoldHealth;
};

/** Changes while events are folded. */
type Changes = {
  readonly experiment: FoldedExperiment;
  readonly previous: ReadonlyMap<string, UnitState>;
  readonly states: Map<string, UnitState>;
  readonly cohorts: Map<string, CohortSums>;
  health: FoldHealth;
};

/** Orders events by time, and an exposure before a tracking event of the same instant. */
export const inOrder = (events: readonly FoldEvent[]): FoldEvent[] =>
  events.toSorted(
    (first, second) =>
      first.timeMs - second.timeMs ||
      Number(first.type === 'track') - Number(second.type === 'track'),
  );

const count = (changes: Changes, name: keyof FoldHealth): void => {
  changes.health = { ...changes.health, [name]: changes.health[name] + 1 };
};

const stateOf = ({ states, previous }: Changes, unit: string): UnitState | undefined =>
  states.get(unit) ?? previous.get(unit);

/** Adds to the cohort of a unit, or takes from it. `added` has the sums of each metric. */
const addToCohort = (
  { experiment, cohorts }: Changes,
  { variant, exposedMs }: UnitState,
  added: readonly Sums[],
  { sign = 1, quarantined = 0 } = {},
): void => {
  const cohort = cohortOf(experiment, exposedMs);
  const key = `${cohort} ${variant}`;
  const found = cohorts.get(key);
  cohorts.set(key, {
    variant,
    cohort,
    quarantined: (found?.quarantined ?? 0) + quarantined,
    sums: added.map((sums, at) => addSums(found?.sums[at], sums, sign)),
  });
};

const sumsOfState = ({ metrics }: FoldedExperiment, { totals }: UnitState): Sums[] =>
  metrics.map((metric, at) => sumsOfUnit(metric, totals[at] ?? []));

const enrol = (changes: Changes, unit: string, variant: string, timeMs: number): void => {
  const { experiment } = changes;
  if (timeMs < experiment.startMs || timeMs >= experiment.endMs) return count(changes, 'outside');
  const totals = experiment.metrics.map(({ sources }) => sources.map(() => 0));
  const state = { variant, exposedMs: timeMs, totals, isQuarantined: false };
  changes.states.set(unit, state);
  addToCohort(changes, state, sumsOfState(experiment, state));
};

/** After this instant nothing that a unit does can be due to another variant. */
const settledMs = (experiment: FoldedExperiment, { exposedMs }: UnitState): number =>
  Math.max(
    ...experiment.metrics.map(metric =>
      matureMs(experiment, cohortOf(experiment, exposedMs), metric),
    ),
  );

const expose = (
  changes: Changes,
  { unit, variant, timeMs }: Extract<FoldEvent, { readonly type: 'exposure' }>,
): void => {
  const { experiment } = changes;
  const state = stateOf(changes, unit);
  if (state === undefined) return enrol(changes, unit, variant, timeMs);
  if (state.isQuarantined || state.variant === variant) return;
  if (timeMs >= settledMs(experiment, state)) return count(changes, 'switchedLater');
  changes.states.set(unit, { ...state, isQuarantined: true });
  addToCohort(changes, state, sumsOfState(experiment, state), { sign: -1, quarantined: 1 });
};

const isInside = ({ window }: FoldMetric, { exposedMs }: UnitState, timeMs: number): boolean =>
  timeMs >= exposedMs + window.fromMs && timeMs < exposedMs + window.toMs;

const fits = ({ event, matches }: Source, { name, attributes = {} }: TrackEvent): boolean =>
  event === name && (matches === undefined || matches(attributes));

/** Returns the total of a source after an event that fits, or undefined if it has no value. */
const totalAfter = (total: number, source: Source, event: TrackEvent): number | undefined => {
  if (source.kind === 'conversion') return 1;
  if (source.kind === 'count') return total + 1;
  const value = source.read === undefined ? event.value : source.read(event);
  return typeof value === 'number' && Number.isFinite(value) ? total + value : undefined;
};

const totalsAfter = (
  changes: Changes,
  { sources }: FoldMetric,
  totals: Sums,
  event: TrackEvent,
): number[] =>
  sources.map((source, at) => {
    const total = totals[at] ?? 0;
    if (!fits(source, event)) return total;
    const after = totalAfter(total, source, event);
    if (after === undefined) count(changes, 'withoutValue');
    return after ?? total;
  });

const track = (changes: Changes, event: TrackEvent): void => {
  const { experiment } = changes;
  const state = stateOf(changes, event.unit);
  if (state === undefined || state.isQuarantined) return;
  const totals = experiment.metrics.map((metric, at) => {
    const before = state.totals[at] ?? [];
    return isInside(metric, state, event.timeMs)
      ? totalsAfter(changes, metric, before, event)
      : before;
  });
  const after = { ...state, totals };
  const added = sumsOfState(experiment, after).map((sums, at) =>
    addSums(sums, sumsOfState(experiment, state)[at] ?? [], -1),
  );
  changes.states.set(event.unit, after);
  addToCohort(changes, state, added);
};

/**
 * Folds events, in order, into the states of their units. Which events are folded together makes
 * no difference, so a server may take any number and repeat what was not written. Sums are exact
 * for whole numbers below 2^53; sums of fractions depend on the division by their rounding.
 */
export const fold = (
  experiment: FoldedExperiment,
  previous: ReadonlyMap<string, UnitState>,
  events: readonly FoldEvent[],
): FoldChanges => {
  const health = { outside: 0, withoutValue: 0, switchedLater: 0 };
  const changes: Changes = {
    experiment,
    previous,
    states: new Map(),
    cohorts: new Map(),
    health,
  };
  for (const event of events)
    if (event.type === 'exposure') expose(changes, event);
    else track(changes, event);
  return { states: changes.states, cohorts: [...changes.cohorts.values()], health: changes.health };
};
