import type { Trouble } from '../replication/follower.ts';
import type { Replica } from '../replication/replica.ts';
import type { Registry } from './registry.ts';

/** The longest trouble of any ledger; undefined while all of them are followed. */
export const longestTrouble = ({
  control,
  registry,
}: {
  readonly control: Replica<'control'>;
  readonly registry: Registry;
}): Trouble | undefined =>
  [control, registry, ...registry.all().map(({ replica }) => replica)]
    .flatMap(each => each.trouble() ?? [])
    .toSorted((a, b) => a.since - b.since)[0];
