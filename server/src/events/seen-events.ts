import { LIMITS } from '@pennon/schema';

import { SEEN_DAYS } from '../experiments/moments.ts';
import type { Cell } from '../store/event-store.ts';
import { ALL, GROUPS } from './groups.ts';
import type { LogRecord } from './log-record.ts';

/** When events of each name were seen last, in milliseconds since 1970. */
export type SeenEvents = ReadonlyMap<string, number>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const KEEP_MS = SEEN_DAYS * DAY_MS;

/** A metric reads at most two events. */
const MAX_NAMES = 2 * LIMITS.metrics;

export const SEEN_CELL: Cell = { group: GROUPS.seen, field: ALL };

const isEntry = (value: unknown): value is [string, number] =>
  Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';

export const seenEventsIn = (text: string | undefined): SeenEvents => {
  const value: unknown = text === undefined ? [] : JSON.parse(text);
  return new Map(Array.isArray(value) ? value.filter(isEntry) : []);
};

/** Returns the later time of each name. */
export const laterOf = (first: SeenEvents, second: SeenEvents): SeenEvents => {
  const later = new Map(first);
  for (const [name, at] of second) later.set(name, Math.max(at, later.get(name) ?? at));
  return later;
};

/** What a step of the fold reads and writes for this. */
type Texts = {
  readonly loadTexts: (cells: readonly Cell[]) => Promise<readonly (string | undefined)[]>;
  readonly setText: (cell: Cell, text: string) => void;
};

/** Notes which events were seen. To write little, the time of a name moves on once an hour. */
export const foldSeenEvents = async (
  { loadTexts, setText }: Texts,
  records: readonly Pick<LogRecord, 'events'>[],
  now: number,
): Promise<void> => {
  const seen = seenIn(records);
  if (seen.size === 0) return;
  const [text] = await loadTexts([SEEN_CELL]);
  const known = seenEventsIn(text);
  const isLater = ([name, at]: readonly [string, number]): boolean =>
    at >= (known.get(name) ?? 0) + HOUR_MS;
  if ([...seen].some(isLater)) setText(SEEN_CELL, textOf(laterOf(known, seen), now));
};

const seenIn = (records: readonly Pick<LogRecord, 'events'>[]): SeenEvents => {
  const seen = new Map<string, number>();
  for (const { events } of records)
    for (const event of events)
      if (event.type === 'track')
        seen.set(event.name, Math.max(event.timeMs, seen.get(event.name) ?? 0));
  return seen;
};

const textOf = (seen: SeenEvents, now: number): string => {
  const recent = [...seen].filter(([, at]) => at > now - KEEP_MS);
  return JSON.stringify(recent.toSorted(([, a], [, b]) => b - a).slice(0, MAX_NAMES));
};
