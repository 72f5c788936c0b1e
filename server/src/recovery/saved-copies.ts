import { flagSetLedger } from '../flag-set/registry.ts';
import { openSnapshotFiles, type SnapshotFilesOptions } from '../replication/snapshot-files.ts';
import { CONTROL_LEDGER, type Copies, type Snapshot } from '../store/store.ts';

export const NO_COPIES: Copies = { control: undefined, flagSets: new Map() };

/** Returns the copies that a server has saved on this disk. */
export const readCopies = async (options: SnapshotFilesOptions): Promise<Copies> => {
  const files = openSnapshotFiles(options);
  const control = (await files.read(CONTROL_LEDGER))?.snapshot;
  const flagSets = new Map<string, Snapshot<'flagSet'>>();
  for (const { document } of control?.records.environments.values() ?? []) {
    const saved = await files.read(flagSetLedger(document));
    if (saved !== undefined) flagSets.set(document.ledger, saved.snapshot);
  }
  return { control, flagSets };
};
