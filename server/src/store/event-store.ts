import type { EventsLocation } from './events-location.ts';
import type { Ledger } from './store.ts';

/** A part of the events of an environment. All events of a unit are in one. */
export type Partition = { readonly ledger: Ledger<'flagSet'>; readonly number: number };

/** The events of one request that are in one partition, as JSON. */
export type LogEntry = {
  /** Orders the entries of a partition. */
  readonly id: string;
  /** When the server received it, in milliseconds since 1970. */
  readonly at: number;
  readonly text: string;
};

export type NewEntry = { readonly number: number; readonly at: number; readonly text: string };

/** One value of what is folded. Fields and values are strings of bytes: each character stands for one. */
export type Cell = { readonly group: string; readonly field: string };

/** Some of the names of the groups, and from where on the next ones are read. The last ones have no `next`. */
export type GroupNames = { readonly names: readonly string[]; readonly next?: string };

export type FoldWrite = {
  /** The cursor that the writer has read; an empty text at the start. */
  readonly expected: string;
  /** The id of the last entry that is folded now, or what `afterChange` returns. */
  readonly cursor: string;
  readonly values: readonly (Cell & { readonly value: string })[];
  readonly removed: readonly Cell[];
  /** Groups that are removed as a whole. */
  readonly removedGroups: readonly string[];
};

const CHANGE = '/';

/** Returns the cursor after a change of values without another entry. It differs from each one before. */
export const afterChange = (cursor: string): string => {
  const [entry = '', changes = '0'] = cursor.split(CHANGE);
  return `${entry}${CHANGE}${Number(changes) + 1}`;
};

/** Returns the id of the last folded entry. */
export const entryOf = (cursor: string): string => cursor.split(CHANGE)[0] ?? '';

/**
 * The log of events, and what was folded of it. What is folded is in groups of fields; the cursor of the fold is
 * written together with them. The last second may be lost if the machine fails, but never a part of a step.
 *
 * `memory-event-store.ts` is the shortest implementation and reads as the specification.
 */
export interface EventStore {
  /** How many partitions an environment has. */
  readonly partitions: number;
  /** Adds entries to the log. Resolves when all of them are in it. */
  append(ledger: Ledger<'flagSet'>, entries: readonly NewEntry[]): Promise<void>;
  /** Returns entries after an id or a cursor, oldest first. */
  read(partition: Partition, after: string, limit: number): Promise<readonly LogEntry[]>;
  /** Returns up to where entries are folded, as it was written last; an empty text at the start. */
  cursor(partition: Partition): Promise<string>;
  /**
   * Whether this process folds the partition for the next seconds. It keeps others from doing the same work; that only
   * one of them writes is due to the cursor.
   */
  lead(partition: Partition): Promise<boolean>;
  /** Returns values in the order of the cells, undefined for those that do not exist. */
  load(partition: Partition, cells: readonly Cell[]): Promise<readonly (string | undefined)[]>;
  /** Returns all fields of a group. */
  loadGroup(partition: Partition, group: string): Promise<ReadonlyMap<string, string>>;
  /**
   * Returns the names of groups, about a thousand of them. It begins with an empty text, and then continues from `next`.
   * A group that exists all the time is among them, and may be there twice.
   */
  groups(partition: Partition, from: string): Promise<GroupNames>;
  /** Writes all or nothing. Returns false, and writes nothing, if the cursor is another one. */
  write(partition: Partition, write: FoldWrite): Promise<boolean>;
  /** Removes folded entries beyond the size that is kept. */
  trim(partition: Partition): Promise<void>;
  /** Removes everything of an environment. */
  clear(ledger: Ledger<'flagSet'>): Promise<void>;
}

/** The events of a store: in this process, or the place from which a thread opens them. */
export type StoreEvents = { readonly store: EventStore } | { readonly location: EventsLocation };
