import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';
import { revisionOf } from '../store/change-id.ts';
import type { Alive, Store } from '../store/store.ts';
import type { Fleet } from './fleet.ts';

export type StatusParts = {
  readonly store: Store;
  readonly registry: Registry;
  readonly fleet: Fleet;
};

export type Status = {
  /** Whether the store has the data of every environment; a revision that it does not tell is null. */
  store: 'available' | 'away';
  environments: { key: string; revision: number | null }[];
  servers: ServerStatus[];
};

export type ServerStatus = {
  id: string;
  /** The server that answers. */
  self: boolean;
  version: string;
  startedAt: string;
  heardSecondsAgo: number;
  degradedSeconds: number;
  streams: number;
  /** Its revision of each environment, and how many changes of the store it had not seen. */
  environments: { key: string; revision: number; behind: number | null }[];
};

/** What an operator wants to see: every server that is alive, and how far each has got. */
export const readStatus = async (
  { store, registry, fleet }: StatusParts,
  caller: Caller,
): Promise<Status> => {
  requireAllEnvironments(caller, 'the status of all servers');
  const revisions = await revisionsOf(store, registry);
  const environments = registry
    .all()
    .map(({ environment: key }) => ({ key, revision: revisions.get(key) ?? null }));
  return {
    store: environments.some(({ revision }) => revision === null) ? 'away' : 'available',
    environments,
    servers: fleet.alive().map(alive => serverStatus(alive, fleet.self, revisions)),
  };
};

/** The revision that the store has of each environment, as far as it answers and has the data. */
const revisionsOf = async (
  store: Store,
  registry: Registry,
): Promise<ReadonlyMap<string, number>> => {
  const revisions = new Map<string, number>();
  const ask = async ({ environment, replica }: LiveFlagSet) => {
    const head = await store.head(replica.ledger);
    if (head !== undefined) revisions.set(environment, revisionOf(head));
  };
  await Promise.allSettled(registry.all().map(ask));
  return revisions;
};

const serverStatus = (
  { report, ageMs }: Alive,
  self: string,
  revisions: ReadonlyMap<string, number>,
): ServerStatus => ({
  id: report.id,
  self: report.id === self,
  version: report.version,
  startedAt: report.startedAt,
  heardSecondsAgo: Math.round(ageMs / 1_000),
  degradedSeconds: report.degradedSeconds,
  streams: report.streams,
  environments: Object.entries(report.revisions).map(([key, revision]) => {
    const current = revisions.get(key);
    return {
      key,
      revision,
      behind: current === undefined ? null : Math.max(0, current - revision),
    };
  }),
});
