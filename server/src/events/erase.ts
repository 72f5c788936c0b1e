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
 */
export const eraseFrom = async (
  store: EventStore,
  { ledger, attribute, unit, secret, instance, now }: EraseInput,
): Promise<void> => {
  const hash = hashUnit(secret, attribute, unit);
  const record: LogRecord = { instance, sequence: 1, sdk: 'pennon', events: [], erased: [hash] };
  const number = partitionOf(hash, store.partitions);
  await appendEvents(store, ledger, [{ number, at: now, text: JSON.stringify(record) }]);
};
