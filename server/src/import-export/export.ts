import type { Export, ExportedEnvironment } from '@pennon/schema';
import { FORMAT_VERSION } from '@pennon/schema';

import { toEnvironment } from '../environments/environments.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import type { Replica } from '../replication/replica.ts';
import { ADMIN_KEY_ID, keyIdOf } from '../auth/key-id.ts';
import type { Snapshot, Store, Stored } from '../store/store.ts';
import { isTransient } from '../store/store.ts';

export type ExportServices = {
  readonly store: Store;
  readonly control: Replica<'control'>;
  readonly registry: Registry;
};

/**
 * Exports one environment, or with a key for all environments everything, including the hashes of API keys.
 * The key set by PENNON_ADMIN_KEY is left out, because it belongs to the installation.
 */
export const exportData = async (
  services: ExportServices,
  caller: Caller,
  requested: string | undefined,
): Promise<Export> => {
  if (requested === undefined && caller.everywhere !== undefined) return exportAll(services);
  const live = services.registry.find(environmentOf(caller, requested));
  return { formatVersion: FORMAT_VERSION, environments: [await exportOne(services, live)] };
};

/** Fails when an environment cannot be read, rather than leaving it out. */
const exportAll = async (services: ExportServices): Promise<Export> => {
  await services.control.refresh().catch(ignoreUnavailable);
  await services.registry.whenReady();
  const { environments, keys } = services.control.current().records;
  const all = sorted(environments).map(({ key }) => services.registry.find(key));
  return {
    formatVersion: FORMAT_VERSION,
    environments: await Promise.all(all.map(live => exportOne(services, live))),
    keys: sorted(keys)
      .filter(({ id }) => id !== ADMIN_KEY_ID)
      .map(key => ({ ...key, id: keyIdOf(key) })),
  };
};

const exportOne = async (
  { store, control }: ExportServices,
  { environment, replica }: LiveFlagSet,
): Promise<ExportedEnvironment> => {
  const document = control.current().records.environments.get(environment)?.document;
  const { records } = await snapshotOf(store, replica);
  return {
    key: environment,
    createdAt: '',
    ...(document === undefined ? {} : toEnvironment(document)),
    flags: sorted(records.flags),
    segments: sorted(records.segments),
    ...unlessEmpty('metrics', sorted(records.metrics)),
    ...unlessEmpty('experiments', sorted(records.experiments)),
    ...unlessEmpty('layers', sorted(records.layers)),
    ...unlessEmpty('ramps', sorted(records.ramps)),
  };
};

/** Servers of the release before have no such lists, so they accept an export without them. */
const unlessEmpty = <Name extends string, Item>(
  name: Name,
  list: Item[],
): { readonly [Key in Name]?: Item[] } => {
  const field: { [Key in Name]?: Item[] } = {};
  if (list.length > 0) field[name] = list;
  return field;
};

/** What the store has. If the store is unavailable, what this server has in memory, so data can always be exported. */
const snapshotOf = async (
  store: Store,
  replica: Replica<'flagSet'>,
): Promise<Snapshot<'flagSet'>> => {
  const read = await store.read(replica.ledger).catch(ignoreUnavailable);
  return read ?? replica.current();
};

const ignoreUnavailable = (error: unknown): undefined => {
  if (!isTransient(error)) throw error;
};

/** In the order of keys, so equal data is exported as equal text. */
const sorted = <Document>(records: ReadonlyMap<string, Stored<Document>>): Document[] =>
  [...records].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, { document }]) => document);
