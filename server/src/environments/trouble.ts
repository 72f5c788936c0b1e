import type { Trouble } from '../replica/following.ts';
import type { Replica } from '../replica/replica.ts';
import type { Registry } from './registry.ts';

/** The longest trouble of any ledger that is served; undefined while all of them are followed. */
export const longestTrouble = ({
  control,
  registry,
}: {
  readonly control: Replica<'control'>;
  readonly registry: Registry;
}): Trouble | undefined =>
  [control, ...registry.all().map(({ replica }) => replica)]
    .flatMap(replica => replica.trouble() ?? [])
    .toSorted((a, b) => a.since - b.since)[0];
