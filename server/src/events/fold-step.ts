import {
  addCohort,
  cohortName,
  fold,
  inOrder,
  type CohortSums,
  type FoldChanges,
  type FoldEvent,
  type TrackEvent,
  type UnitState,
} from '@pennon/statistics/fold';

import { fromByteString, toByteString } from '../byte-string.ts';
import { EMPTY_WINDOW, withReport, type ReportWindow } from '../store/usage-store.ts';
import type { Cell, EventStore, Partition } from '../store/event-store.ts';
import {
  addRefused,
  addRun,
  environmentHealthIn,
  environmentHealthText,
  ofRuns,
  runHealthIn,
  runHealthText,
} from './health.ts';
import { cohortIn, cohortText } from './cohort-text.ts';
import { ALL, GROUPS, profileCell, type UnitsKey } from './groups.ts';
import { entriesIn, inventoryKeys, markUsed, openInventory } from './inventory.ts';
import type { LoggedEvent } from './log-record.ts';
import type { MeasuredRun, MeasuredRuns } from './measured-runs.ts';
import { unpackState } from './packed-state.ts';
import { foldProfiles, type CovariatesOf } from './profiles.ts';
import { entriesAfter, type Arrived } from './read-ahead.ts';
import { foldSeenEvents, SEEN_CELL, seenEventsIn, type SeenEvents } from './seen-events.ts';
import { settle } from './settle.ts';
import {
  eraseStates,
  loadPacked,
  loadSettled,
  loadUnitState,
  writeState,
  type Load,
  type States,
  type Writes,
} from './unit-states.ts';

/** Events are folded so long after they arrive, so that those of other senders are folded in their order. */
export const HOLD_MS = 15_000;

const DAY_MS = 86_400_000;
/** Entries that are read for one step, and events that are folded in it. */
const STEP_ENTRIES = 200;
const STEP_EVENTS = 2_000;

/** An event with what is known of its arrival. */
export type ArrivedEvent = LoggedEvent & {
  readonly sdk: string;
  readonly isLate: boolean;
  readonly isAhead?: boolean;
  /** Whether its variant was not checked, because its unit is a hash. */
  readonly isUnverified: boolean;
};

/** Reads and collects the values of one step. */
type Step = Writes &
  States & {
    /** The same with texts, which may have any character. */
    readonly loadTexts: Load;
    readonly setText: (cell: Cell, text: string) => void;
  };

const inBytes = ({ group, field }: Cell): Cell => ({ group, field: toByteString(field) });

const statesIn = (store: EventStore, partition: Partition): States => ({
  load: cells => store.load(partition, cells),
  partitions: store.partitions,
});

const beginStep = (store: EventStore, partition: Partition) => {
  const values: (Cell & { readonly value: string })[] = [];
  const removed: Cell[] = [];
  const states = statesIn(store, partition);
  const set: Step['set'] = (cell, value) => values.push({ ...cell, value });
  const step: Step = {
    ...states,
    set,
    remove: cell => removed.push(cell),
    async loadTexts(cells) {
      const found = await states.load(cells.map(inBytes));
      return found.map(bytes => (bytes === undefined ? undefined : fromByteString(bytes)));
    },
    setText: (cell, text) => set(inBytes(cell), toByteString(text)),
  };
  return { step, values, removed };
};

/**
 * Folds the next entries of a partition. Returns how many were taken: 0 if none is due. Another server that folds at the
 * same time does no harm: only the first to write does.
 */
export const foldStep = async (
  store: EventStore,
  partition: Partition,
  measured: MeasuredRuns,
  now: number,
): Promise<number> => {
  if (!(await store.lead(partition))) return 0;
  const expected = await store.cursor(partition);
  const all = await entriesAfter(store, partition, expected, hasHoldAfterStep(now));
  const entries = stepOf(all, now);
  const last = entries.at(-1);
  if (last === undefined) {
    await settle(store, partition, measured, now);
    return 0;
  }
  const { step, values, removed } = beginStep(store, partition);
  const exposing = exposuresAhead(entries, all.slice(entries.length));
  const { arrived, ahead } = await withoutRepeats(step, entries, exposing);
  await foldRefused(step, arrived, measured.runs);
  await foldSeenEvents(
    step,
    arrived.map(({ record }) => record),
    now,
  );
  const erased = erasedIn(step, arrived);
  const events = inOrder([
    ...arrived.flatMap(eventsOf),
    ...ahead.flatMap(eventsOf).map(event => ({ ...event, isAhead: true })),
  ]).filter(({ unit }) => !erased.has(unit));
  const covariates = await foldProfiles(step.load, step, measured, events);
  for (const run of measured.byExperiment.values()) await foldRun(step, run, events, covariates);
  const { inventory, found } = await openInventory(store, partition);
  const live = Array.from(measured.byExperiment.values(), ({ run }) => run);
  values.push(...found, ...markUsed(inventory, inventoryKeys(live, measured)));
  const stored = [...inventoryKeys(measured.runs, measured), ...entriesIn(inventory)];
  if (erased.size > 0) await eraseUnits(step, stored, [...erased]);
  await store.write(partition, {
    expected,
    cursor: last.id,
    values,
    removed,
    removedGroups: EXPIRED_DAYS.map(days => GROUPS.windows(dayOf(now) - days)),
  });
  return entries.length;
};

/** Returns the entries of the next step: as many as one step folds of those that are no longer held. */
const stepOf = (entries: readonly Arrived[], now: number): readonly Arrived[] =>
  firstOf(dueOf(entries.slice(0, STEP_ENTRIES), now));

/** Whether entries contain, after those of the next step, all that can arrive in the hold. */
const hasHoldAfterStep =
  (now: number) =>
  (entries: readonly Arrived[]): boolean => {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return false;
    if (first.at > now - HOLD_MS) return true;
    const end = stepOf(entries, now).at(-1) ?? first;
    return entries.length >= STEP_ENTRIES && last.at > end.at + HOLD_MS;
  };

/** Returns the entries until the first one that is still held, because the fold never goes back. */
const dueOf = (entries: readonly Arrived[], now: number): readonly Arrived[] => {
  const held = entries.findIndex(({ at }) => at > now - HOLD_MS);
  return held === -1 ? entries : entries.slice(0, held);
};

/**
 * Returns later entries with only the exposures that happened before events of the same units in this step: the server of
 * an application may send an exposure after the browser has sent what the unit did. The step of their entry counts them.
 */
const exposuresAhead = (entries: readonly Arrived[], later: readonly Arrived[]): Arrived[] => {
  const until = new Map<string, number>();
  for (const { record } of entries)
    for (const { unit, timeMs } of record.events)
      until.set(unit, Math.max(timeMs, until.get(unit) ?? timeMs));
  return later.flatMap(entry => {
    const events = entry.record.events.filter(
      ({ type, unit, timeMs }) => type === 'exposure' && timeMs <= (until.get(unit) ?? -Infinity),
    );
    return events.length === 0 ? [] : [{ ...entry, record: { ...entry.record, events } }];
  });
};

/** Returns the units that the entries erase. Their events of the same step are left out too. */
const erasedIn = ({ setText }: Step, arrived: readonly Arrived[]): ReadonlySet<string> => {
  const units = new Set<string>();
  for (const { at, record } of arrived)
    for (const unit of record.erased ?? []) {
      units.add(unit);
      setText({ group: GROUPS.erased, field: unit }, String(at));
    }
  return units;
};

/** Removes all that is stored of units, also of runs and covariates that are no longer measured. */
const eraseUnits = async (
  step: Step,
  stored: readonly UnitsKey[],
  units: readonly string[],
): Promise<void> => {
  const named = (kind: UnitsKey['kind']): ReadonlySet<string> =>
    new Set(stored.flatMap(each => (each.kind === kind ? [each.name] : [])));
  for (const run of named('run')) await eraseStates(step, step, run, units);
  for (const name of named('covariate'))
    for (const unit of units) step.remove(profileCell(name, unit));
};

/** Returns as many entries as one step folds, and at least one. */
const firstOf = (entries: readonly Arrived[]): readonly Arrived[] => {
  let events = 0;
  const end = entries.findIndex(({ record }, index) => {
    events += record.events.length;
    return index > 0 && events > STEP_EVENTS;
  });
  return end === -1 ? entries : entries.slice(0, end);
};

const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);
/** Windows are kept for today and yesterday. A server that was away removes those of some days before. */
const EXPIRED_DAYS = [2, 3, 4, 5, 6, 7] as const;

const eventsOf = ({ at, record }: Arrived): ArrivedEvent[] =>
  record.events.map(event => ({
    ...event,
    sdk: record.sdk,
    isUnverified: record.hashedUnits === true,
    isLate: at - event.timeMs > HOLD_MS,
  }));

/** Leaves out batches that were received before, today or yesterday. Those ahead are not noted as received. */
const withoutRepeats = async (
  { loadTexts, setText }: Step,
  entries: readonly Arrived[],
  ahead: readonly Arrived[],
): Promise<{ readonly arrived: Arrived[]; readonly ahead: Arrived[] }> => {
  const days = daysOf([...ahead, ...entries]);
  const cells = [...days].flatMap(([field, day]) => [
    { group: GROUPS.windows(day), field },
    { group: GROUPS.windows(day - 1), field },
  ]);
  const known = await loadTexts(cells);
  const windows = new Map<string, ReportWindow>();
  cells.forEach(({ field }, index) => {
    const text = known[index];
    if (text !== undefined && !windows.has(field)) windows.set(field, windowIn(text));
  });
  const isNew = ({ record: { instance, sequence } }: Arrived): boolean => {
    const window = withReport(windows.get(instance) ?? EMPTY_WINDOW, sequence);
    if (window !== undefined) windows.set(instance, window);
    return window !== undefined;
  };
  const arrived = entries.filter(isNew);
  for (const [field, day] of daysOf(entries)) {
    const { highest, seen } = windows.get(field) ?? EMPTY_WINDOW;
    setText({ group: GROUPS.windows(day), field }, `${highest} ${seen}`);
  }
  return { arrived, ahead: ahead.filter(isNew) };
};

/** Returns the day of the last entry of each instance. */
const daysOf = (entries: readonly Arrived[]): ReadonlyMap<string, number> =>
  new Map(entries.map(({ at, record }) => [record.instance, dayOf(at)]));

const windowIn = (text: string): ReportWindow => {
  const [highest = '0', seen = ''] = text.split(' ');
  return { highest: Number(highest), seen };
};

/** Adds what was not accepted to the health of the environment and of its runs. */
const foldRefused = async (
  { loadTexts, setText }: Step,
  arrived: readonly Arrived[],
  runs: MeasuredRuns['runs'],
): Promise<void> => {
  const refused = arrived.flatMap(({ record }) => record.refused ?? []);
  if (refused.length === 0) return;
  const cell = { group: GROUPS.environment, field: ALL };
  const [text] = await loadTexts([cell]);
  const health = refused.reduce(addRefused, ofRuns(environmentHealthIn(text), runs));
  setText(cell, environmentHealthText(health));
};

/** Folds the events of one run into the states of its units, its cohorts and its health. */
const foldRun = async (
  step: Step,
  run: MeasuredRun,
  all: readonly ArrivedEvent[],
  covariatesOf: CovariatesOf,
): Promise<void> => {
  const events = all.filter(event =>
    event.type === 'exposure' ? event.run === run.run : event.attribute === run.attribute,
  );
  if (events.length === 0) return;
  const units = [...new Set(events.map(({ unit }) => unit))];
  const packed = await loadPacked(step.load, run.run, units);
  const states = new Map(
    Array.from(packed, ([unit, text]) => [unit, unpackState(text, run)] as const),
  );
  const exposed = events.filter(({ type, unit }) => type === 'exposure' && !states.has(unit));
  const unknown = [...new Set(exposed.map(({ unit }) => unit))];
  for (const [unit, state] of await loadSettled(step, run, unknown)) states.set(unit, state);
  const changes = fold(
    run.folded,
    states,
    events.map(event => toFoldEvent(event, run, covariatesOf)),
  );
  for (const [unit, state] of changes.states)
    writeState(step, run, { unit, state, before: packed.get(unit) });
  await addCohorts(step, run, changes.cohorts);
  await addRunHealth(step, run, events, changes);
};

const toFoldEvent = (
  event: ArrivedEvent,
  run: MeasuredRun,
  covariatesOf: CovariatesOf,
): FoldEvent => {
  if (event.type === 'exposure') return { ...event, covariates: covariatesOf(event, run) };
  const { attributes, value, ...fields } = event;
  return {
    ...fields,
    ...(value !== undefined && { value }),
    ...(attributes !== undefined && { attributes }),
  } satisfies TrackEvent;
};

const addCohorts = async (
  { loadTexts, setText }: Step,
  { run }: MeasuredRun,
  added: readonly CohortSums[],
): Promise<void> => {
  const changed = added.filter(isChanged);
  if (changed.length === 0) return;
  const cells = changed.map(each => ({ group: GROUPS.cohorts(run), field: cohortName(each) }));
  const texts = await loadTexts(cells);
  changed.forEach((each, index) => {
    const [cell, text] = [cells[index], texts[index]];
    if (cell === undefined) return;
    const known = text === undefined ? undefined : cohortIn(cell.field, text);
    setText(cell, cohortText(addCohort(known, each)));
  });
};

const isChanged = ({ units, quarantined, sums }: CohortSums): boolean =>
  units !== 0 || quarantined !== 0 || sums.some(each => each.some(({ digits }) => digits !== 0n));

const addRunHealth = async (
  { loadTexts, setText }: Step,
  { run }: MeasuredRun,
  events: readonly ArrivedEvent[],
  changes: FoldChanges,
): Promise<void> => {
  const cell = { group: GROUPS.health(run), field: ALL };
  const [text] = await loadTexts([cell]);
  setText(cell, runHealthText(addRun(runHealthIn(text), events, changes)));
};

/** Returns the cohorts of a run in a partition. */
export const loadCohorts = async (
  store: EventStore,
  partition: Partition,
  run: string,
): Promise<CohortSums[]> =>
  Array.from(await store.loadGroup(partition, GROUPS.cohorts(run)), ([name, text]) =>
    cohortIn(fromByteString(name), fromByteString(text)),
  );

/** Returns the text of the health of a run or, without one, of the environment. */
export const loadHealth = async (
  store: EventStore,
  partition: Partition,
  run?: string,
): Promise<string | undefined> => {
  const group = run === undefined ? GROUPS.environment : GROUPS.health(run);
  const [text] = await store.load(partition, [{ group, field: ALL }]);
  return text === undefined ? undefined : fromByteString(text);
};

/** Returns when events of each name were seen last in a partition. */
export const loadSeenEvents = async (
  store: EventStore,
  partition: Partition,
): Promise<SeenEvents> => {
  const [text] = await store.load(partition, [SEEN_CELL]);
  return seenEventsIn(text === undefined ? undefined : fromByteString(text));
};

/** Returns what is stored of a unit in a run. */
export const loadUnit = (
  store: EventStore,
  partition: Partition,
  run: MeasuredRun,
  unit: string,
): Promise<UnitState | undefined> => loadUnitState(statesIn(store, partition), run, unit);
