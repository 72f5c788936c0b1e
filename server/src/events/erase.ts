import { createHash } from 'node:crypto';

import { partitionOf, appendEvents, hashUnit } from './read-batch.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Ledger } from '../store/store.ts';
import type { LogRecord } from './log-record.ts';

export type EraseInput = {
  readonly ledger: Ledger<'flagSet'>;
  readonly attribute: string;
  readonly unit: string;
  /** The secret that units are hashed with. */
  readonly secret: string;
  /** Identifies the entry, of which there is only one. */
  readonly instance: string;
  readonly now: number;
};

/**
 * Adds a request to erase a unit to the log. The fold removes what it has of the unit when it comes there, so nothing
 * that arrived before can bring it back.
 * Providers with the option `hashUnits` send the SHA-256 of a unit, which is removed too.
 */
export const eraseFrom = async (
  store: EventStore,
  { ledger, attribute, unit, secret, instance, now }: EraseInput,
): Promise<void> => {
  const values = [unit, createHash('sha256').update(unit).digest('hex')];
  const hashes = values.map(value => hashUnit(secret, attribute, value));
  const byPartition = Map.groupBy(hashes, hash => partitionOf(hash, store.partitions));
  const entries = Array.from(byPartition, ([number, erased]) => {
    const record: LogRecord = { instance, sequence: 1, sdk: 'pennon', events: [], erased };
    return { number, at: now, text: JSON.stringify(record) };
  });
  await appendEvents(store, ledger, entries);
};
