import type { Outage } from '../replication/outage.ts';
import type { Replica } from '../replication/replica.ts';
import type { Registry } from './registry.ts';

/** Returns the longest current outage of any ledger, or undefined when all of them follow the store. */
export const longestOutage = ({
  control,
  registry,
}: {
  readonly control: Replica<'control'>;
  readonly registry: Registry;
}): Outage | undefined =>
  [control, registry, ...registry.all().map(({ replica }) => replica)]
    .flatMap(each => each.outage() ?? [])
    .toSorted((a, b) => a.since - b.since)[0];
