import {
  COLLECTIONS,
  CONTROL_LEDGER,
  VERSIONED_COLLECTIONS,
  type Collection,
  type Ledger,
  type LedgerKind,
  type VersionedCollection,
} from '../store.ts';
import type { Partition } from '../event-store.ts';
import type { UsageLedger } from '../usage-store.ts';

/**
 * Every key that Pennon uses in Redis. The keys of a ledger share a hash tag, so that a script can use all
 * of them in a cluster. `pennon` stands for the prefix (PENNON_REDIS_PREFIX) and `<ledger>` for
 * `control:control`, or `flagSet:` or `workflow:` and the random id of an environment's flag set.
 *
 * | key                                            | type       | contents                                                      |
 * | ---------------------------------------------- | ---------- | ------------------------------------------------------------- |
 * | `pennon:{<ledger>}:head`                       | hash       | `id` of the last change, `format`, numbers of `documents`     |
 * | `pennon:{<ledger>}:<collection>`               | hash       | key → `{"changeId": …, "document": …}` as JSON                |
 * | `pennon:{<ledger>}:<collection>:keys`          | sorted set | the keys of that hash, all with score 0: in byte order        |
 * | `pennon:{<ledger>}:<collection>:versions`      | hash       | `<key>/<number>` → a version as JSON; numbers count down      |
 * | `pennon:{<ledger>}:<collection>:versions:keys` | sorted set | the fields of that hash: the newest version of a key first    |
 * | `pennon:{<ledger>}:changes`                    | stream     | the change feed, bounded; entry `<revision>-0` is a change    |
 * | `pennon:{<ledger>}:audit`                      | stream     | the audit log; entries `<revision>-0`, `-1`, … of that change |
 * | `pennon:{<ledger>}:lost`                       | hash       | `installation`: the control ledger that Redis has lost        |
 * | `pennon:{control:control}:removed`             | hash       | the installations that a restore has removed from this Redis  |
 * | `pennon:{control:control}:restore`             | stream     | while data is restored: a request for copies, and the copies  |
 * | `pennon:{usage:<id>}:<unit>:<block>:<flag>`    | hash       | counts of a flag: place in the block, reason, variant → count |
 * | `pennon:{usage:<id>}:last`                     | hash       | flag → the minute of its last evaluation                      |
 * | `pennon:{usage:<id>}:unknown:<day>`            | set        | keys that were evaluated, but are not those of flags          |
 * | `pennon:{usage:<id>}:window:<instance>`        | string     | the last reports of a provider                                |
 * | `pennon:{usage:<id>}:done:<id>`                | string     | the result of a flush or claim                                |
 * | `pennon:{events:<id>:<p>}:log`                 | stream     | events of experiments, of one of 16 partitions                |
 * | `pennon:{events:<id>:<p>}:folded`              | string     | the last entry of the log that is folded                      |
 * | `pennon:{events:<id>:<p>}:names`               | set        | the names of the groups                                       |
 * | `pennon:{events:<id>:<p>}:f:<group>`           | hash       | what was folded: states of units, sums of cohorts, and so on  |
 * | `pennon:{events:<id>:<p>}:lease`               | string     | the process that folds                                        |
 * | `pennon:writable`                              | string     | empty; written to check whether Redis accepts writes          |
 * | `pennon:{servers}:heard`                       | sorted set | server id → time of its last report                           |
 * | `pennon:{servers}:reports`                     | hash       | server id → its last report as JSON                           |
 *
 * The control ledger has the collections `environments`, `keys`, `deletedEnvironments`, `sessions`, `people`,
 * `groups`, `invitations`, `tokens` and `secrets`, a flag set `flags`, `segments`, `metrics`, `experiments`, `layers` and `ramps`, and
 * a workflow ledger `contexts` and `results`. Only flags and segments have versions.
 */
export type Keys = {
  readonly head: (ledger: Ledger) => string;
  readonly changes: (ledger: Ledger) => string;
  readonly audit: (ledger: Ledger) => string;
  /** The hash of a collection's documents and the sorted set of their keys. */
  readonly collection: (
    ledger: Ledger,
    collection: Collection,
  ) => readonly [documents: string, keys: string];
  /** The pairs of all collections of the ledger, in the order of `collectionsOf`. */
  readonly collections: (ledger: Ledger) => readonly string[];
  /** The hash of a collection's versions and the sorted set of its fields. */
  readonly version: (
    ledger: Ledger,
    collection: VersionedCollection,
  ) => readonly [versions: string, fields: string];
  /** The pairs of all versioned collections of the ledger, in the order of `versionedIn`. */
  readonly versions: (ledger: Ledger) => readonly string[];
  /** The head, the streams and the mark of a ledger, in the order of scripts/commit.lua. */
  readonly streams: (ledger: Ledger) => readonly string[];
  /** The arguments of a large commit, which are sent ahead of it. */
  readonly staged: (ledger: Ledger, nonce: string) => string;
  /** Marks a ledger that Redis has lost. */
  readonly lost: (ledger: Ledger) => string;
  readonly usage: UsageKeys;
  readonly events: EventKeys;
  readonly restore: string;
  readonly removed: string;
  readonly writable: string;
  readonly servers: string;
  readonly reports: string;
};

/** The keys with the counts of an environment. */
export type UsageKeys = {
  readonly counts: (ledger: UsageLedger, block: string, flag: string) => string;
  readonly last: (ledger: UsageLedger) => string;
  readonly unknown: (ledger: UsageLedger, day: number) => string;
  readonly window: (ledger: UsageLedger, instance: string) => string;
  readonly done: (ledger: UsageLedger, id: string) => string;
};

/** The keys of one partition of the events of an environment. */
export type EventKeys = {
  readonly log: (partition: Partition) => string;
  readonly cursor: (partition: Partition) => string;
  readonly groups: (partition: Partition) => string;
  readonly group: (partition: Partition, group: string) => string;
  readonly lease: (partition: Partition) => string;
};

/**
 * The format that this version reads and writes. It is stored in every ledger's head, so that scripts
 * check it atomically with their reads and writes.
 */
export const FORMAT = 1;

/** Letters, digits and `._:-`. No braces, because they would change the hash tag. */
export const PREFIX = /^[A-Za-z0-9._:-]{1,64}$/;

export const keysUnder = (prefix: string): Keys => {
  const inLedger = ({ kind, id }: Ledger, name: string) => `${prefix}:{${kind}:${id}}:${name}`;
  const collection: Keys['collection'] = (ledger, name) => [
    inLedger(ledger, name),
    inLedger(ledger, `${name}:keys`),
  ];
  const version: Keys['version'] = (ledger, name) => [
    inLedger(ledger, `${name}:versions`),
    inLedger(ledger, `${name}:versions:keys`),
  ];
  return {
    head: ledger => inLedger(ledger, 'head'),
    changes: ledger => inLedger(ledger, 'changes'),
    audit: ledger => inLedger(ledger, 'audit'),
    collection,
    collections: ledger => collectionsOf(ledger.kind).flatMap(name => collection(ledger, name)),
    version,
    versions: ledger => versionedIn(ledger.kind).flatMap(name => version(ledger, name)),
    streams: ledger => ['head', 'changes', 'audit', 'lost'].map(name => inLedger(ledger, name)),
    staged: (ledger, nonce) => inLedger(ledger, `staged:${nonce}`),
    lost: ledger => inLedger(ledger, 'lost'),
    usage: usageKeys(prefix),
    events: eventKeys(prefix),
    restore: inLedger(CONTROL_LEDGER, 'restore'),
    removed: inLedger(CONTROL_LEDGER, 'removed'),
    writable: `${prefix}:writable`,
    servers: `${prefix}:{servers}:heard`,
    reports: `${prefix}:{servers}:reports`,
  };
};

const usageKeys = (prefix: string): UsageKeys => {
  const of = ({ id }: UsageLedger, name: string) => `${prefix}:{usage:${id}}:${name}`;
  return {
    counts: (ledger, block, flag) => of(ledger, `${block}:${flag}`),
    last: ledger => of(ledger, 'last'),
    unknown: (ledger, day) => of(ledger, `unknown:${day}`),
    window: (ledger, instance) => of(ledger, `window:${instance}`),
    done: (ledger, id) => of(ledger, `done:${id}`),
  };
};

const eventKeys = (prefix: string): EventKeys => {
  const of = ({ ledger, number }: Partition, name: string) =>
    `${prefix}:{events:${ledger.id}:${number}}:${name}`;
  return {
    log: partition => of(partition, 'log'),
    cursor: partition => of(partition, 'folded'),
    groups: partition => of(partition, 'names'),
    group: (partition, group) => of(partition, `f:${group}`),
    lease: partition => of(partition, 'lease'),
  };
};

/** The collections of a ledger. Scripts number them in this order, from 1. */
export const collectionsOf = (kind: LedgerKind): readonly Collection[] => COLLECTIONS[kind];

/** The collections of a ledger that have versions. Scripts number them in this order, from 1. */
export const versionedIn = (kind: LedgerKind): readonly VersionedCollection[] =>
  kind === 'flagSet' ? VERSIONED_COLLECTIONS : [];
