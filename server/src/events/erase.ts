import type { EraseUnit } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { appendEvents, hashUnit, partitionOf, type AcceptServices } from './accept.ts';
import type { LogRecord } from './log-record.ts';

export type EraseServices = {
  readonly events: AcceptServices['events'];
  readonly clock: Clock;
  readonly random: Random;
};

const INSTANCE_LENGTH = 20;

/**
 * Adds a request to erase a unit to the log. The fold removes what it has of the unit when it comes there, so nothing
 * that arrived before can bring it back.
 */
export const eraseUnit = async (
  { events, clock, random }: EraseServices,
  caller: Caller,
  { environment, attribute, unit }: EraseUnit & { readonly environment?: string | undefined },
): Promise<{ accepted: true }> => {
  const ledger = events.ledgerOf(environmentOf(caller, environment));
  const hash = hashUnit(events.secretOf(ledger), attribute, unit);
  const record: LogRecord = {
    instance: random(INSTANCE_LENGTH),
    sequence: 1,
    sdk: 'pennon',
    events: [],
    erased: [hash],
  };
  const number = partitionOf(hash, events.store.partitions);
  const entry = { number, at: clock.now(), text: JSON.stringify(record) };
  await appendEvents(events.store, ledger, [entry]);
  return { accepted: true };
};
