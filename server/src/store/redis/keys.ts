import { COLLECTIONS, type Collection, type Ledger, type LedgerKind } from '../store.ts';

/**
 * Every key that Pennon has in Redis. Keys of a ledger share a hash tag, so that a script can touch
 * them all in a cluster; `pennon` stands for the prefix (PENNON_REDIS_PREFIX), `<ledger>` for
 * `control:control`, or `flagSet:` and the random id of an environment's flag set.
 *
 * | key                                    | type       | holds                                                         |
 * | -------------------------------------- | ---------- | ------------------------------------------------------------- |
 * | `pennon:{<ledger>}:head`               | hash       | `id` of the last change, `format` of the data                 |
 * | `pennon:{<ledger>}:<collection>`       | hash       | key → `{"changeId": …, "document": …}` as JSON                |
 * | `pennon:{<ledger>}:<collection>:keys`  | sorted set | the keys of that hash, all with score 0: in byte order        |
 * | `pennon:{<ledger>}:changes`            | stream     | the change feed, bounded; entry `<revision>-0` is a change    |
 * | `pennon:{<ledger>}:audit`              | stream     | the audit log; entries `<revision>-0`, `-1`, … of that change |
 * | `pennon:writable`                      | string     | nothing: written to learn whether Redis takes writes          |
 * | `pennon:{servers}:heard`               | sorted set | id of each live server, with when it was last heard           |
 * | `pennon:{servers}:reports`             | hash       | id → what that server says of itself, as JSON                 |
 *
 * Collections are `environments` and `keys` of the control ledger, `flags` and `segments` of a flag set.
 */
export type Keys = {
  readonly head: (ledger: Ledger) => string;
  readonly changes: (ledger: Ledger) => string;
  readonly audit: (ledger: Ledger) => string;
  /** A collection's hash of documents, and its sorted set of keys. */
  readonly collection: (
    ledger: Ledger,
    collection: Collection,
  ) => readonly [documents: string, keys: string];
  /** Those pairs of all collections of the ledger, in the order of `collectionsOf`. */
  readonly collections: (ledger: Ledger) => readonly string[];
  readonly writable: string;
  readonly servers: string;
  readonly reports: string;
};

/**
 * The format that this release reads and writes. It stands in every ledger's head, so that a script
 * checks it in the same step in which it reads or writes.
 */
export const FORMAT = 1;

/** Letters, digits and `._:-`: a brace would move the hash tag. */
export const PREFIX = /^[A-Za-z0-9._:-]{1,64}$/;

export const keysUnder = (prefix: string): Keys => {
  const inLedger = ({ kind, id }: Ledger, name: string) => `${prefix}:{${kind}:${id}}:${name}`;
  const collection: Keys['collection'] = (ledger, name) => [
    inLedger(ledger, name),
    inLedger(ledger, `${name}:keys`),
  ];
  return {
    head: ledger => inLedger(ledger, 'head'),
    changes: ledger => inLedger(ledger, 'changes'),
    audit: ledger => inLedger(ledger, 'audit'),
    collection,
    collections: ledger => collectionsOf(ledger.kind).flatMap(name => collection(ledger, name)),
    writable: `${prefix}:writable`,
    servers: `${prefix}:{servers}:heard`,
    reports: `${prefix}:{servers}:reports`,
  };
};

/** The collections of a kind of ledger, in the order in which scripts number them, from 1. */
export const collectionsOf = (kind: LedgerKind): readonly Collection[] => COLLECTIONS[kind];
