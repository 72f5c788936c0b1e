import {
  entryOf,
  type Cell,
  type EventStore,
  type FoldWrite,
  type Partition,
} from '../event-store.ts';
import { readBytes, replyOf, runScript, type RedisContext as StoreContext } from './commands.ts';
import { asByteString, asList, asText, optional } from './reply.ts';

type RedisContext = Pick<StoreContext, 'connections' | 'keys' | 'random'> & {
  /** About how large the log of an environment may be. */
  readonly logBytes: number;
};

/** So many, that a cluster shares the work. */
const PARTITIONS = 16;

const OWNER_LENGTH = 16;
/** Another process folds after so long, if the one that did has ended. */
const LEASE_MS = 5_000;

/** The cursor that a scan begins with, and that it returns at the end. */
const START = '0';
const SCANNED_GROUPS = 1_000;

/** The events of experiments in Redis: a stream, a cursor, and a hash for each group, by partition. */
export const eventsOn = (context: RedisContext): EventStore => {
  const { connections, keys } = context;
  const { send } = connections;
  const owner = context.random(OWNER_LENGTH);
  return {
    partitions: PARTITIONS,
    async append(ledger, entries) {
      await Promise.all(
        entries.map(({ number, at, text }) =>
          replyOf(send('xadd', [keys.events.log({ ledger, number }), '*', 'at', at, 'text', text])),
        ),
      );
    },
    async read(partition, after, limit) {
      const start = after === '' ? '-' : `(${entryOf(after)}`;
      const reply = await replyOf(
        send('xrange', [keys.events.log(partition), start, '+', 'COUNT', limit]),
      );
      return asList(reply).map(logEntryOf);
    },
    cursor: partition => cursorOf(context, partition),
    async lead(partition) {
      const lease = keys.events.lease(partition);
      return (await replyOf(runScript(send, 'lead', [lease], [owner, LEASE_MS]))) === 1;
    },
    load: (partition, cells) => loadCells(context, partition, cells),
    async loadGroup(partition, group) {
      const key = keys.events.group(partition, group);
      const reply = await replyOf(readBytes(send, 'readGroup', [key]));
      const parts = asList(reply).map(asByteString);
      return new Map(
        Array.from({ length: parts.length / 2 }, (_, at) => [
          parts[at * 2] ?? '',
          parts[at * 2 + 1] ?? '',
        ]),
      );
    },
    async groups(partition, from) {
      const reply = await replyOf(
        send('sscan', [keys.events.groups(partition), from || START, 'COUNT', SCANNED_GROUPS]),
      );
      const [next, names] = asList(reply);
      const after = asText(next);
      return { names: asList(names).map(asText), ...(after !== START && { next: after }) };
    },
    write: (partition, write) => writeFold(context, partition, write),
    trim: partition => trim(context, partition),
    async clear(ledger) {
      for (let number = 0; number < PARTITIONS; number += 1)
        await clearPartition(context, { ledger, number });
    },
  };
};

const logEntryOf = (reply: unknown) => {
  const [id, fields] = asList(reply);
  const [, at, , text] = asList(fields);
  return { id: asText(id), at: Number(asText(at)), text: asText(text) };
};

const cursorOf = async ({ connections, keys }: RedisContext, partition: Partition) =>
  optional(await replyOf(connections.send('get', [keys.events.cursor(partition)])), asText) ?? '';

const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Groups the fields of each hash, so that it is read at once. */
const loadCells = async (
  { connections, keys }: RedisContext,
  partition: Partition,
  cells: readonly Cell[],
): Promise<readonly (string | undefined)[]> => {
  const values = new Map<string, ReadonlyMap<string, string>>();
  await Promise.all(
    Array.from(
      Map.groupBy(cells, ({ group }) => group),
      async ([group, own]) => {
        const fields = own.map(({ field }) => field);
        const reply = await replyOf(
          connections.send(
            'hmget',
            [keys.events.group(partition, group), ...fields.map(toBytes)],
            'bytes',
          ),
        );
        const found = asList(reply).map(value => optional(value, asByteString));
        values.set(
          group,
          new Map(
            fields.flatMap((field, at) => {
              const value = found[at];
              return value === undefined ? [] : [[field, value] as const];
            }),
          ),
        );
      },
    ),
  );
  return cells.map(({ group, field }) => values.get(group)?.get(field));
};

const writeFold = async (
  { connections, keys }: RedisContext,
  partition: Partition,
  { expected, cursor, values, removed, removedGroups }: FoldWrite,
): Promise<boolean> => {
  const names = [
    ...new Set([
      ...removedGroups,
      ...removed.map(({ group }) => group),
      ...values.map(({ group }) => group),
    ]),
  ];
  const sets = Map.groupBy(values, ({ group }) => group);
  const removals = Map.groupBy(removed, ({ group }) => group);
  const args = names.flatMap(name => {
    const [fields, lost] = [sets.get(name) ?? [], removals.get(name) ?? []];
    return [
      name,
      removedGroups.includes(name) ? '1' : '0',
      lost.length,
      ...lost.map(({ field }) => toBytes(field)),
      fields.length,
      ...fields.flatMap(({ field, value }) => [toBytes(field), toBytes(value)]),
    ];
  });
  const all = [
    keys.events.cursor(partition),
    keys.events.groups(partition),
    ...names.map(name => keys.events.group(partition, name)),
  ];
  const reply = await replyOf(
    runScript(connections.send, 'writeFold', all, [expected, cursor, ...args]),
  );
  return Number(reply) === 1;
};

/** So many entries are removed at once. */
const TRIMMED_ENTRIES = 1_000;

/** Removes the oldest entries while the log is too large, but none that is not folded. */
const trim = async (context: RedisContext, partition: Partition): Promise<void> => {
  const { connections, keys, logBytes } = context;
  const log = keys.events.log(partition);
  const bytes = optional(await replyOf(connections.send('memory', ['USAGE', log])), Number) ?? 0;
  const excess = bytes - logBytes / PARTITIONS;
  if (excess <= 0) return;
  const entries = Number(await replyOf(connections.send('xlen', [log])));
  const count = Math.min(TRIMMED_ENTRIES, Math.ceil((entries * excess) / bytes));
  const cursor = entryOf(await cursorOf(context, partition));
  if (cursor === '') return;
  // Also the first entry that stays, if it is folded.
  const reply = await replyOf(connections.send('xrange', [log, '-', cursor, 'COUNT', count + 1]));
  const first = asList(reply).at(-1);
  if (first !== undefined)
    await replyOf(connections.send('xtrim', [log, 'MINID', logEntryOf(first).id]));
};

const REMOVED_AT_ONCE = 1_000;

const clearPartition = async (context: RedisContext, partition: Partition): Promise<void> => {
  const { connections, keys } = context;
  const groups = asList(
    await replyOf(connections.send('smembers', [keys.events.groups(partition)])),
  ).map(asText);
  const all = [
    ...groups.map(group => keys.events.group(partition, group)),
    keys.events.log(partition),
    keys.events.cursor(partition),
    keys.events.lease(partition),
    // Last, because it has the names of the others.
    keys.events.groups(partition),
  ];
  for (let at = 0; at < all.length; at += REMOVED_AT_ONCE)
    await replyOf(runScript(connections.send, 'remove', all.slice(at, at + REMOVED_AT_ONCE), []));
};
