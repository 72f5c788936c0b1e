import { entryOf, type EventStore, type LogEntry, type Partition } from './event-store.ts';

type PartitionData = {
  readonly log: LogEntry[];
  /** The length of all texts of the log. */
  bytes: number;
  next: number;
  cursor: string;
  readonly groups: Map<string, Map<string, string>>;
};

const emptyPartition = (): PartitionData => ({
  log: [],
  bytes: 0,
  next: 1,
  cursor: '',
  groups: new Map(),
});

/** Ids have the order of their numbers as texts. */
const ID_LENGTH = 16;
const idOf = (number: number): string => String(number).padStart(ID_LENGTH, '0');

const MAX_LOG_BYTES = 64 * 1_048_576;

/** Keeps events in memory, until the process ends. */
export const createMemoryEventStore = (maxLogBytes = MAX_LOG_BYTES): EventStore => {
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
      for (const { at, text } of entries) {
        data.log.push({ id: idOf(data.next++), at, text });
        data.bytes += text.length;
      }
    },
    async read(partition, after, limit) {
      const { log } = dataOf(partition);
      const start = log.findIndex(({ id }) => id > entryOf(after));
      return start === -1 ? [] : log.slice(start, start + limit);
    },
    async cursor(partition) {
      return dataOf(partition).cursor;
    },
    lead: async () => true,
    async load(partition, cells) {
      const { groups } = dataOf(partition);
      return cells.map(({ group, field }) => groups.get(group)?.get(field));
    },
    async loadGroup(partition, group) {
      return new Map(dataOf(partition).groups.get(group));
    },
    groups: async partition => ({ names: [...dataOf(partition).groups.keys()] }),
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
      const folded = data.log.findLastIndex(({ id }) => id <= entryOf(data.cursor)) + 1;
      let removed = 0;
      for (; removed < folded && data.bytes > maxLogBytes; removed += 1)
        data.bytes -= data.log[removed]?.text.length ?? 0;
      data.log.splice(0, removed);
    },
    async clear(ledger) {
      ledgers.delete(ledger.id);
    },
  };
};
