import type { Outage } from '../replication/outage.ts';
import type { Replica } from '../replication/replica.ts';
import type { Registry } from './registry.ts';

type Ledgers = { readonly control: Replica<'control'>; readonly registry: Registry };

/** Returns the longest current outage of any ledger, or undefined when all of them follow the store. */
export const longestOutage = ({ control, registry }: Ledgers): Outage | undefined =>
  [control, registry, ...registry.all().map(({ replica }) => replica)]
    .flatMap(each => each.outage() ?? [])
    .toSorted((a, b) => a.since - b.since)[0];

/** Returns how long ago the ledgers of this server were last known to be current in the store. */
export const sourceAges = ({ control, registry }: Ledgers) => {
  const ages = [control, ...registry.all().map(({ replica }) => replica)].map(each =>
    each.sourceAgeMs(),
  );
  return { newestMs: Math.min(...ages), oldestMs: Math.max(...ages) };
};
