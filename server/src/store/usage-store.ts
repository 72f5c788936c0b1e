import type { UsageReason } from '@pennon/schema';

import type { Ledger } from './store.ts';

/**
 * How often the flags of each environment were evaluated. Unlike the documents of a ledger, counts may be lost for the
 * last seconds, have no revision, and are not part of an export or a backup.
 *
 * `memory-usage.ts` is the shortest implementation and reads as the specification. All pass `test/store/suite/usage.ts`.
 */
export interface UsageStore {
  /** Adds counts in all resolutions. Does nothing if a flush with this id was added within the last hour. */
  add(flush: UsageFlush): Promise<void>;
  /**
   * Returns for each report whether it is new, and remembers it. With an id of the last hour, returns what it returned
   * then.
   */
  claim(claim: UsageClaim): Promise<readonly boolean[]>;
  /** Returns the counts of a flag, oldest first. */
  read(ledger: UsageLedger, query: UsageQuery): Promise<readonly UsageCount[]>;
  /** Returns the minute of the last evaluation by flag key, in milliseconds since 1970. */
  lastEvaluated(ledger: UsageLedger): Promise<ReadonlyMap<string, number>>;
  /** Returns the keys that code has requested since a time, but that were not those of flags. */
  unknownFlags(ledger: UsageLedger, since: number): Promise<readonly string[]>;
  /** Removes all counts of an environment. */
  clear(ledger: UsageLedger): Promise<void>;
}

export type UsageLedger = Ledger<'flagSet'>;

/** What has the same flag, variant and reason. The variant is null if the application used its own default value. */
export type UsageSeries = {
  readonly flag: string;
  readonly variant: string | null;
  readonly reason: UsageReason;
};

/** All reasons, each with a letter for a store in which names take too much memory. */
export const REASON_LETTERS = {
  STATIC: 's',
  DEFAULT: 'd',
  TARGETING_MATCH: 't',
  SPLIT: 'p',
  CACHED: 'c',
  DISABLED: 'x',
  STALE: 'o',
  UNKNOWN: 'u',
  ERROR: 'e',
} as const satisfies Record<UsageReason, string>;

const isReason = (text: string): text is UsageReason => Object.hasOwn(REASON_LETTERS, text);

/** Returns a stored reason. It is checked without the schema, which the thread of the database does not load. */
export const usageReasonOf = (text: string): UsageReason => {
  if (isReason(text)) return text;
  throw new Error(`the store has an unknown reason "${text}"`);
};

/** `at` is the start of a minute, hour or day, in milliseconds since 1970. */
export type UsageCount = UsageSeries & { readonly at: number; readonly count: number };

export type UsageFlush = {
  readonly id: string;
  readonly ledger: UsageLedger;
  /** By minute, each series at most once a minute. */
  readonly counts: readonly UsageCount[];
  readonly unknown: readonly string[];
  /** The time of day. What is too old by then is removed. */
  readonly now: number;
};

/** A report of a provider, which may arrive more than once. */
export type ReportId = { readonly instance: string; readonly sequence: number };

export type UsageClaim = {
  readonly id: string;
  readonly ledger: UsageLedger;
  readonly reports: readonly ReportId[];
  readonly now: number;
};

export type UsageQuery = {
  readonly flag: string;
  readonly resolution: UsageResolution;
  /** Inclusive. */
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
};

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** How long counts are kept. Redis has one hash for `slots` units of a flag. */
export const USAGE_RESOLUTIONS = {
  minute: { unitMs: MINUTE_MS, slots: 30, keepMs: 3 * HOUR_MS },
  hour: { unitMs: HOUR_MS, slots: 24, keepMs: 14 * DAY_MS },
  day: { unitMs: DAY_MS, slots: 30, keepMs: 400 * DAY_MS },
} as const;
export type UsageResolution = keyof typeof USAGE_RESOLUTIONS;
export const USAGE_RESOLUTION_NAMES = ['minute', 'hour', 'day'] as const;

/** Returns the start of the minute, hour or day. */
export const unitStart = (resolution: UsageResolution, at: number): number => {
  const { unitMs } = USAGE_RESOLUTIONS[resolution];
  return Math.floor(at / unitMs) * unitMs;
};

/** The time before which counts are not kept. */
export const retentionStart = (resolution: UsageResolution, now: number): number =>
  now - USAGE_RESOLUTIONS[resolution].keepMs;

/** Unknown keys are kept by day, and so many a day, because callers choose them. */
export const MAX_UNKNOWN_A_DAY = 1_000;
export const KEEP_UNKNOWN_MS = 14 * DAY_MS;

/** How long the id of a flush or claim is known, and the reports of an instance. */
export const REPEAT_MS = HOUR_MS;

/** The last reports of an instance. */
export type ReportWindow = {
  readonly highest: number;
  /** `1` for each report that was seen, from the highest one down. */
  readonly seen: string;
};

/** As the window of IPsec: reports may overtake each other, but none counts twice. */
export const REPORT_WINDOW = 64;
export const EMPTY_WINDOW: ReportWindow = { highest: 0, seen: '' };

/** Returns the window after a report; undefined if the report was seen, or is too old to be known. */
export const withReport = (
  { highest, seen }: ReportWindow,
  sequence: number,
): ReportWindow | undefined => {
  const ahead = sequence - highest;
  if (ahead > 0) {
    const skipped = '0'.repeat(Math.min(ahead - 1, REPORT_WINDOW));
    return { highest: sequence, seen: `1${skipped}${seen}`.slice(0, REPORT_WINDOW) };
  }
  const place = -ahead;
  if (place >= REPORT_WINDOW || seen[place] === '1') return undefined;
  const padded = seen.padEnd(place, '0');
  return { highest, seen: `${padded.slice(0, place)}1${padded.slice(place + 1)}` };
};
