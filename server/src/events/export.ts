import { invalid, PennonError } from '../errors.ts';
import { mapInSlices } from '../slices.ts';
import type { Ledger } from '../store/store.ts';
import type { EventStore, LogEntry, Partition } from '../store/event-store.ts';
import { GROUPS } from './groups.ts';
import { recordIn } from './log-record.ts';

export type ExportInput = {
  readonly ledger: Ledger<'flagSet'>;
  /** A cursor of an earlier response. */
  readonly after: string | undefined;
  /** How many batches of each partition are read. */
  readonly limit: number;
};

/** How many characters of the log are read, so that a response takes little memory. */
const MAX_CHARACTERS = 4 * 1_048_576;
/** Entries that are read at once. Each has at most 256 KiB. */
const READ_AT_ONCE = 16;

/** Returns the log of events as lines of JSON, those of each unit in order. The last line has the cursor of the next call. */
export const exportLog = async (
  store: EventStore,
  { ledger, after, limit }: ExportInput,
): Promise<string> => {
  const positions = positionsIn(after, store.partitions);
  await requireInLog(store, ledger, positions);
  const lines: string[] = [];
  let left = MAX_CHARACTERS;
  for (const [number, position] of positions.entries()) {
    const partition = { ledger, number };
    const entries = await readEntries(store, partition, { after: position, limit, left });
    left -= sizeOf(entries);
    positions[number] = entries.at(-1)?.id ?? position;
    const erased = await store.loadGroup(partition, GROUPS.erased);
    lines.push(...(await mapInSlices(entries, entry => linesOf(number, entry, erased))).flat());
  }
  return [...lines, JSON.stringify({ cursor: positions.join(SEPARATOR) }), ''].join('\n');
};

/** Neither in the ids of Redis nor in those of SQLite. */
const SEPARATOR = '.';
const ID = /^(\d{1,19}(-\d{1,19})?)?$/;

/** Returns the last entry of each partition that a client has. */
const positionsIn = (cursor: string | undefined, partitions: number): string[] => {
  if (cursor === undefined) return Array.from({ length: partitions }, () => '');
  const positions = cursor.split(SEPARATOR);
  if (positions.length === partitions && positions.every(id => ID.test(id))) return positions;
  throw notIssued('must be the "cursor" of the last line of an earlier export');
};

const notIssued = (message: string): PennonError =>
  invalid([{ path: 'after', message }], 'the query');

type Range = { readonly after: string; readonly limit: number; readonly left: number };

const readEntries = async (
  store: EventStore,
  partition: Partition,
  { after, limit, left }: Range,
): Promise<LogEntry[]> => {
  const entries: LogEntry[] = [];
  while (entries.length < limit && sizeOf(entries) < left) {
    const count = Math.min(READ_AT_ONCE, limit - entries.length);
    const read = await store.read(partition, entries.at(-1)?.id ?? after, count);
    entries.push(...read);
    if (read.length < count) break;
  }
  return entries;
};

const sizeOf = (entries: readonly LogEntry[]): number =>
  entries.reduce((sum, { text }) => sum + text.length, 0);

/**
 * Throws if entries after a position may have been removed, with the oldest cursor that loses nothing of the others, and
 * if a position is not one of an entry, because each that was returned is until it is removed.
 */
const requireInLog = async (
  store: EventStore,
  ledger: ExportInput['ledger'],
  positions: readonly string[],
): Promise<void> => {
  const oldest: string[] = [];
  for (const [number, position] of positions.entries()) {
    const [first] = position === '' ? [] : await store.read({ ledger, number }, '', 1);
    oldest.push(first === undefined || isBefore(position, first.id) ? '' : position);
  }
  if (oldest.every((position, number) => position === positions[number]))
    return requireEntries(store, ledger, positions);
  const cursor = oldest.join(SEPARATOR);
  const message = `the log no longer has the events after this cursor: export again after the oldest one, "${cursor}", and more often`;
  throw new PennonError('GONE', message, { details: [{ path: 'after', message: cursor }] });
};

const requireEntries = async (
  store: EventStore,
  ledger: ExportInput['ledger'],
  positions: readonly string[],
): Promise<void> => {
  for (const [number, position] of positions.entries()) {
    if (position === '') continue;
    const [entry] = await store.read({ ledger, number }, idBefore(position), 1);
    if (entry?.id !== position)
      throw notIssued(
        'is not a cursor of this log: use the "cursor" of the last line of an earlier export, or leave it out to export from the start',
      );
  }
};

const MAX_SEQUENCE = 2n ** 64n - 1n;

/** Returns the greatest id before another one. Those of Redis have a second number after a hyphen. */
const idBefore = (id: string): string => {
  const [first = '', second] = id.split('-');
  const before = String(BigInt(first) - 1n).padStart(first.length, '0');
  if (second === undefined) return before;
  return BigInt(second) > 0n ? `${first}-${BigInt(second) - 1n}` : `${before}-${MAX_SEQUENCE}`;
};

/** Compares ids, which are numbers, or two with a hyphen between them. */
const isBefore = (first: string, second: string): boolean => {
  const [a, b] = [first, second].map(id => id.split('-').map(BigInt));
  const index = a?.findIndex((number, at) => number !== b?.[at]) ?? -1;
  return index !== -1 && (a?.[index] ?? 0n) < (b?.[index] ?? 0n);
};

/** Returns a line for each event of an entry whose unit was not erased later. */
const linesOf = (
  partition: number,
  { id, at, text }: LogEntry,
  erased: ReadonlyMap<string, string>,
): string[] => {
  const { instance, sequence, sdk, events } = recordIn(text);
  return events
    .filter(({ unit }) => at > Number(erased.get(unit) ?? -1))
    .map(event =>
      JSON.stringify({
        partition,
        entry: id,
        receivedMs: at,
        instance,
        sequence,
        sdk,
        ...event,
      }),
    );
};
