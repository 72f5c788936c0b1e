import { flagSetLedger } from '../flag-set/registry.ts';
import { openSnapshotFiles, type SnapshotFilesOptions } from '../replication/snapshot-files.ts';
import { CONTROL_LEDGER, type Copies } from '../store/store.ts';

export const NO_COPIES: Copies = { control: undefined, flagSets: new Map() };

/** Returns the copies that a server has saved on this disk. */
export const readCopies = (options: SnapshotFilesOptions): Copies => {
  const files = openSnapshotFiles(options);
  const control = files.read(CONTROL_LEDGER)?.snapshot;
  const environments = [...(control?.records.environments.values() ?? [])];
  return {
    control,
    flagSets: new Map(
      environments.flatMap(({ document }) => {
        const saved = files.read(flagSetLedger(document));
        return saved === undefined ? [] : [[document.ledger, saved.snapshot] as const];
      }),
    ),
  };
};
