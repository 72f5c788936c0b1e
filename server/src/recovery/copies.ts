import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Replica } from '../replication/replica.ts';
import { epochOf, revisionOf, type ChangeId } from '../store/change-id.ts';
import type { Copies, CopyRequest, LedgerKind, Snapshot } from '../store/store.ts';
import { CONTROL_LEDGER } from '../store/store.ts';

export type CopyHolder = {
  readonly control: Replica<'control'>;
  readonly registry: { all(): readonly LiveFlagSet[] };
};

/** Returns the copies that a running server has in memory. */
export const copiesOf = ({ control, registry }: CopyHolder): Copies => ({
  control: control.current(),
  flagSets: new Map(registry.all().map(({ replica }) => [replica.ledger.id, replica.current()])),
});

/** Returns the installation that copies are of; undefined when they do not include its control ledger. */
export const installationOf = ({ control }: Copies): string | undefined =>
  control && epochOf(control.id);

export const headsOf = ({ control, flagSets }: Copies): CopyRequest['heads'] => ({
  ...(control === undefined ? {} : { [CONTROL_LEDGER.id]: control.id }),
  ...Object.fromEntries([...flagSets].map(([ledger, { id }]) => [ledger, id])),
});

/** Returns the copies that a request lacks, or has of an earlier change; undefined when there are none. */
export const newerThan = (
  heads: CopyRequest['heads'],
  { control, flagSets }: Copies,
): Copies | undefined => {
  const isNewer = (ledger: string, id: ChangeId) =>
    revisionOf(id) > revisionOf(heads[ledger] ?? '');
  const newer: Copies = {
    control: control && isNewer(CONTROL_LEDGER.id, control.id) ? control : undefined,
    flagSets: new Map([...flagSets].filter(([ledger, { id }]) => isNewer(ledger, id))),
  };
  return newer.control === undefined && newer.flagSets.size === 0 ? undefined : newer;
};

/** Returns the newest copy of each ledger. Of equal revisions the first one is returned. */
export const newestOf = (all: readonly Copies[]): Copies => {
  let control: Snapshot<'control'> | undefined;
  const flagSets = new Map<string, Snapshot<'flagSet'>>();
  for (const copies of all) {
    control = newest(control, copies.control);
    for (const [ledger, snapshot] of copies.flagSets)
      flagSets.set(ledger, newest(flagSets.get(ledger), snapshot) ?? snapshot);
  }
  return { control, flagSets };
};

const newest = <Kind extends LedgerKind>(
  a: Snapshot<Kind> | undefined,
  b: Snapshot<Kind> | undefined,
): Snapshot<Kind> | undefined =>
  a === undefined || (b !== undefined && revisionOf(b.id) > revisionOf(a.id)) ? b : a;
