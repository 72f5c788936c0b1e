import type { FoldChanges } from '@pennon/statistics/fold';

import type { ArrivedEvent } from './fold-step.ts';
import type { Refused } from './log-record.ts';
import type { RunHealth } from '../experiments/moments.ts';

type Counts = Readonly<Record<string, number>>;
type CountsBy = Readonly<Record<string, Counts>>;

/** What is stored of a run. Exposures that do not fit are those of the environment. */
export type StoredRunHealth = Omit<RunHealth, 'quarantined' | 'mismatched'> & {
  readonly lastExposureAt: number | null;
};

const EMPTY_RUN: StoredRunHealth = {
  exposures: 0,
  repeats: 0,
  late: 0,
  outside: 0,
  switchedLater: 0,
  withoutValue: 0,
  unverified: {},
  unitsBySdk: {},
  unitsByDay: {},
  lastExposureAt: null,
};

export const EMPTY_ENVIRONMENT: Refused = {
  rejected: {},
  mismatched: {},
  dropped: { exposures: 0, tracks: 0 },
  unknownEvents: [],
};

const isRunHealth = (value: unknown): value is StoredRunHealth =>
  typeof value === 'object' && value !== null && 'exposures' in value;

const isRefused = (value: unknown): value is Refused =>
  typeof value === 'object' && value !== null && 'rejected' in value;

export const runHealthIn = (text: string | undefined): StoredRunHealth => {
  if (text === undefined) return EMPTY_RUN;
  const value: unknown = JSON.parse(text);
  return isRunHealth(value) ? { ...EMPTY_RUN, ...value } : EMPTY_RUN;
};
export const runHealthText = (health: StoredRunHealth): string => JSON.stringify(health);
export const environmentHealthIn = (text: string | undefined): Refused => {
  if (text === undefined) return EMPTY_ENVIRONMENT;
  const value: unknown = JSON.parse(text);
  return isRefused(value) ? value : EMPTY_ENVIRONMENT;
};
export const environmentHealthText = (health: Refused): string => JSON.stringify(health);

/** So many names are kept of what clients send, which may be anything. */
const MAX_NAMES = 100;

const add = (counts: Counts, name: string, count = 1): Counts =>
  Object.hasOwn(counts, name) || Object.keys(counts).length < MAX_NAMES
    ? { ...counts, [name]: (counts[name] ?? 0) + count }
    : counts;

export const sumCounts = (first: Counts, second: Counts): Counts =>
  Object.entries(second).reduce((sum, [name, count]) => add(sum, name, count), first);

const addDay = (counts: CountsBy, day: string, variant: string): CountsBy => ({
  ...counts,
  [day]: add(counts[day] ?? {}, variant),
});

/** Long runs have more days than are stored. */
const latestDays = (counts: CountsBy): CountsBy =>
  Object.fromEntries(
    Object.keys(counts)
      .toSorted()
      .slice(-MAX_NAMES)
      .map(day => [day, counts[day] ?? {}]),
  );

const addBy = (counts: CountsBy, name: string, variant: string): CountsBy =>
  Object.hasOwn(counts, name) || Object.keys(counts).length < MAX_NAMES
    ? { ...counts, [name]: add(counts[name] ?? {}, variant) }
    : counts;

export const sumCountsBy = (first: CountsBy, second: CountsBy): CountsBy =>
  Object.entries(second).reduce<CountsBy>(
    (sum, [name, counts]) => ({ ...sum, [name]: sumCounts(sum[name] ?? {}, counts) }),
    first,
  );

/** So many SDKs of a run have a count of their own. Others are counted together, so that none hides what comes after it. */
const MAX_SDKS = 20;
const OTHERS = 'others';

const runIn = (name: string): string => name.slice(0, name.indexOf(' '));

/** Adds to the count of an SDK. */
const addSdk = (counts: Counts, sdk: string, count = 1): Counts => {
  const hasRoom = Object.hasOwn(counts, sdk) || Object.keys(counts).length < MAX_SDKS;
  const name = hasRoom ? sdk : OTHERS;
  return { ...counts, [name]: (counts[name] ?? 0) + count };
};

/** Adds counts by run and SDK. */
const sumMismatched = (first: Counts, second: Counts): Counts =>
  Object.entries(second).reduce((sum, [name, count]) => {
    const run = runIn(name);
    const known = Object.keys(sum).filter(each => runIn(each) === run);
    const hasRoom = known.length < MAX_SDKS || Object.hasOwn(sum, name);
    const counted = hasRoom ? name : `${run} ${OTHERS}`;
    return { ...sum, [counted]: (sum[counted] ?? 0) + count };
  }, first);

/** Returns health without the counts of runs that are not the last ones any more. */
export const ofRuns = (health: Refused, runs: readonly string[]): Refused => ({
  ...health,
  mismatched: Object.fromEntries(
    Object.entries(health.mismatched).filter(([name]) => runs.includes(runIn(name))),
  ),
});

/** Adds what was not accepted, of one request or another partition. */
export const addRefused = (health: Refused, added: Refused): Refused => ({
  rejected: sumCounts(health.rejected, added.rejected),
  mismatched: sumMismatched(health.mismatched, added.mismatched),
  dropped: {
    exposures: health.dropped.exposures + added.dropped.exposures,
    tracks: health.dropped.tracks + added.dropped.tracks,
  },
  unknownEvents: [...new Set([...health.unknownEvents, ...added.unknownEvents])].slice(
    0,
    MAX_NAMES,
  ),
});

const DATE_LENGTH = 'yyyy-mm-dd'.length;
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, DATE_LENGTH);

/** Adds what a step of the fold has counted. */
export const addRun = (
  health: StoredRunHealth,
  events: readonly ArrivedEvent[],
  { counts, enrolled }: FoldChanges,
): StoredRunHealth => {
  const sdks = new Map(events.map(({ unit, timeMs, sdk }) => [`${unit} ${timeMs}`, sdk]));
  const exposures = events.filter(({ type }) => type === 'exposure');
  return {
    exposures: health.exposures + counts.exposures,
    repeats: health.repeats + counts.repeats,
    late: health.late + counts.late,
    outside: health.outside + counts.outside,
    switchedLater: health.switchedLater + counts.switchedLater,
    withoutValue: health.withoutValue + counts.withoutValue,
    unverified: exposures
      .filter(({ isUnverified, isAhead }) => isUnverified && isAhead !== true)
      .reduce((sum, { sdk }) => addSdk(sum, sdk), health.unverified),
    unitsBySdk: enrolled.reduce(
      (all, { unit, timeMs, variant }) =>
        addBy(all, sdks.get(`${unit} ${timeMs}`) ?? 'unknown', variant),
      health.unitsBySdk,
    ),
    unitsByDay: latestDays(
      enrolled.reduce(
        (all, { timeMs, variant }) => addDay(all, dayOf(timeMs), variant),
        health.unitsByDay,
      ),
    ),
    lastExposureAt: exposures.reduce<number | null>(
      (last, { timeMs }) => Math.max(last ?? timeMs, timeMs),
      health.lastExposureAt,
    ),
  };
};

/** Adds the health of two partitions. */
export const sumRunHealth = (first: StoredRunHealth, second: StoredRunHealth): StoredRunHealth => ({
  exposures: first.exposures + second.exposures,
  repeats: first.repeats + second.repeats,
  late: first.late + second.late,
  outside: first.outside + second.outside,
  switchedLater: first.switchedLater + second.switchedLater,
  withoutValue: first.withoutValue + second.withoutValue,
  unverified: Object.entries(second.unverified).reduce(
    (sum, [sdk, count]) => addSdk(sum, sdk, count),
    first.unverified,
  ),
  unitsBySdk: sumCountsBy(first.unitsBySdk, second.unitsBySdk),
  unitsByDay: sumCountsBy(first.unitsByDay, second.unitsByDay),
  lastExposureAt:
    first.lastExposureAt === null || second.lastExposureAt === null
      ? (first.lastExposureAt ?? second.lastExposureAt)
      : Math.max(first.lastExposureAt, second.lastExposureAt),
});
