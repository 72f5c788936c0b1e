import type { EventStore, LogEntry, Partition } from './event-store.ts';

type PartitionData = {
  log: LogEntry[];
  next: number;
  cursor: string;
  readonly groups: Map<string, Map<string, string>>;
};

const emptyPartition = (): PartitionData => ({ log: [], next: 1, cursor: '', groups: new Map() });

/** Ids have the order of their numbers as texts. */
const ID_LENGTH = 16;
const idOf = (number: number): string => String(number).padStart(ID_LENGTH, '0');

/** How many folded entries are kept. */
const MAX_FOLDED_ENTRIES = 10_000;

/** Keeps events in memory, until the process ends. */
export const createMemoryEventStore = (): EventStore => {
  const ledgers = new Map<string, PartitionData>();
  const dataOf = ({ ledger }: Pick<Partition, 'ledger'>): PartitionData => {
    const data = ledgers.get(ledger.id) ?? emptyPartition();
    ledgers.set(ledger.id, data);
    return data;
  };
  return {
    partitions: 1,
    async append(ledger, entries) {
      const data = dataOf({ ledger });
      for (const { at, text } of entries) data.log.push({ id: idOf(data.next++), at, text });
    },
    async read(partition, after, limit) {
      const { log } = dataOf(partition);
      const start = log.findIndex(({ id }) => id > after);
      return start === -1 ? [] : log.slice(start, start + limit);
    },
    async cursor(partition) {
      return dataOf(partition).cursor;
    },
    async load(partition, cells) {
      const { groups } = dataOf(partition);
      return cells.map(({ group, field }) => groups.get(group)?.get(field));
    },
    async loadGroup(partition, group) {
      return new Map(dataOf(partition).groups.get(group));
    },
    async write(partition, { expected, cursor, values, removed, removedGroups }) {
      const data = dataOf(partition);
      if (data.cursor !== expected) return false;
      const { groups } = data;
      for (const group of removedGroups) groups.delete(group);
      for (const { group, field } of removed) groups.get(group)?.delete(field);
      for (const { group, field, value } of values) {
        const fields = groups.get(group) ?? new Map<string, string>();
        groups.set(group, fields.set(field, value));
      }
      data.cursor = cursor;
      return true;
    },
    async trim(partition) {
      const data = dataOf(partition);
      const folded = data.log.findLastIndex(({ id }) => id <= data.cursor) + 1;
      data.log = data.log.slice(Math.max(0, folded - MAX_FOLDED_ENTRIES));
    },
    async clear(ledger) {
      ledgers.delete(ledger.id);
    },
  };
};
