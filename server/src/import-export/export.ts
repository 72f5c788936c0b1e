import type { Export, ExportedEnvironment } from '@pennon/schema';
import { ALL_ENVIRONMENTS, FORMAT_VERSION } from '@pennon/schema';

import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import type { Replica } from '../replication/replica.ts';
import { ADMIN_KEY_ID } from '../bootstrap/first-start.ts';
import type { Snapshot, Store, Stored } from '../store/store.ts';
import { isTransient } from '../store/store.ts';

export type ExportParts = {
  readonly store: Store;
  readonly control: Replica<'control'>;
  readonly registry: Registry;
};

/**
 * One environment, or with a key for all of them everything: environments, and API keys as their hashes.
 * The admin key of PENNON_ADMIN_KEY stays: it belongs to the installation, not to its data.
 */
export const exportData = async (
  parts: ExportParts,
  caller: Caller,
  asked: string | undefined,
): Promise<Export> => {
  if (asked === undefined && caller.environment === ALL_ENVIRONMENTS) return exportAll(parts);
  const live = parts.registry.find(environmentOf(caller, asked));
  return { formatVersion: FORMAT_VERSION, environments: [await exportOne(parts, live)] };
};

/** All environments that there are: one that cannot be read is an error, never left out. */
const exportAll = async (parts: ExportParts): Promise<Export> => {
  await parts.control.refresh().catch(unlessAway);
  await parts.registry.whenReady();
  const { environments, keys } = parts.control.current().records;
  const all = sorted(environments).map(({ key }) => parts.registry.find(key));
  return {
    formatVersion: FORMAT_VERSION,
    environments: await Promise.all(all.map(live => exportOne(parts, live))),
    keys: sorted(keys).filter(({ id }) => id !== ADMIN_KEY_ID),
  };
};

const exportOne = async (
  { store, control }: ExportParts,
  { environment, replica }: LiveFlagSet,
): Promise<ExportedEnvironment> => {
  const record = control.current().records.environments.get(environment)?.document;
  const { records } = await snapshotOf(store, replica);
  return {
    key: environment,
    ...(record?.description == null ? {} : { description: record.description }),
    createdAt: record?.createdAt ?? '',
    flags: sorted(records.flags),
    segments: sorted(records.segments),
  };
};

/** As the store has it; while that is away, as this server last knew it: nobody is held hostage. */
const snapshotOf = async (
  store: Store,
  replica: Replica<'flagSet'>,
): Promise<Snapshot<'flagSet'>> => {
  const read = await store.read(replica.ledger).catch(unlessAway);
  return read ?? replica.current();
};

const unlessAway = (error: unknown): undefined => {
  if (!isTransient(error)) throw error;
};

/** In the order of their keys: equal data is equal text. */
const sorted = <Document>(records: ReadonlyMap<string, Stored<Document>>): Document[] =>
  [...records].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, { document }]) => document);
