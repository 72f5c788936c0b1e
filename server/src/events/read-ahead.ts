import { entryOf, type EventStore, type LogEntry, type Partition } from '../store/event-store.ts';
import { recordIn, type LogRecord } from './log-record.ts';

/** An entry of the log, parsed. */
export type Arrived = { readonly id: string; readonly at: number; readonly record: LogRecord };

const READ_AT_ONCE = 200;
/** What is read ahead is kept in memory, so it is bounded. */
const MAX_EVENTS = 200_000;

/** What a server has read of a partition. Each entry is read and parsed once. */
type Ahead = { readonly cursor: string; readonly entries: readonly Arrived[] };

const known = new WeakMap<EventStore, Map<string, Ahead>>();

/**
 * Returns the entries after the cursor, at least until `isEnough`, or all that have arrived. What is kept of them is only
 * a copy of the log, so it makes no difference if another server moves the cursor.
 */
export const entriesAfter = async (
  store: EventStore,
  partition: Partition,
  cursor: string,
  isEnough: (entries: readonly Arrived[]) => boolean,
): Promise<readonly Arrived[]> => {
  const name = nameOf(partition);
  const ofStore = known.get(store) ?? new Map<string, Ahead>();
  known.set(store, ofStore);
  const entries = afterCursor(ofStore.get(name), cursor);
  let events = entries.reduce(addEvents, 0);
  while (!isEnough(entries) && events < MAX_EVENTS) {
    const read = await store.read(partition, entries.at(-1)?.id ?? cursor, READ_AT_ONCE);
    const parsed = read.map(parseEntry);
    entries.push(...parsed);
    events = parsed.reduce(addEvents, events);
    if (read.length < READ_AT_ONCE) break;
  }
  if (entries.length === 0) ofStore.delete(name);
  else ofStore.set(name, { cursor, entries });
  return entries;
};

const nameOf = ({ ledger, number }: Partition): string => `${number} ${ledger.id}`;

/** Returns when the first of the entries arrived that were read ahead and are not folded. */
export const oldestAfterCursor = async (
  store: EventStore,
  partition: Partition,
): Promise<number | undefined> => {
  const ahead = known.get(store)?.get(nameOf(partition));
  return ahead && afterCursor(ahead, await store.cursor(partition))[0]?.at;
};

const addEvents = (sum: number, { record }: Arrived): number => sum + record.events.length;

const parseEntry = ({ id, at, text }: LogEntry): Arrived => ({ id, at, record: recordIn(text) });

/** The cursor is usually that of one of the entries. */
const afterCursor = (ahead: Ahead | undefined, cursor: string): Arrived[] => {
  if (ahead === undefined) return [];
  if (entryOf(ahead.cursor) === entryOf(cursor)) return [...ahead.entries];
  const index = ahead.entries.findIndex(({ id }) => id === entryOf(cursor));
  return index === -1 ? [] : ahead.entries.slice(index + 1);
};
