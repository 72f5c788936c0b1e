import { storeProblem } from '../flag-set/health.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';
import type { Replica } from '../replication/replica.ts';
import { revisionOf } from '../store/change-id.ts';
import type { FleetMember, Store } from '../store/store.ts';
import type { Fleet } from './fleet.ts';

export type StatusDeps = {
  readonly store: Store;
  readonly control: Replica<'control'>;
  readonly registry: Registry;
  readonly fleet: Fleet;
};

export type Status = {
  /** `away` if the store is unavailable, or has lost the data of an environment. */
  store: 'available' | 'away';
  /** What an operator must do about the store; absent when nothing. */
  problem?: string;
  /** The revision in the store; null when the store does not return it. */
  environments: { key: string; revision: number | null }[];
  servers: ServerStatus[];
};

export type ServerStatus = {
  id: string;
  /** Whether this is the server that handles the request. */
  self: boolean;
  version: string;
  startedAt: string;
  heardSecondsAgo: number;
  degradedSeconds: number;
  streams: number;
  /** The server's revision of each environment; `behind` counts the changes that it does not have yet. */
  environments: { key: string; revision: number; behind: number | null }[];
};

/** Returns the state of the store and of every running server, for operators. */
export const readStatus = async (
  { store, control, registry, fleet }: StatusDeps,
  caller: Caller,
): Promise<Status> => {
  requireAllEnvironments(caller, 'the status of all servers');
  const revisions = await storeRevisions(store, registry);
  const environments = registry
    .all()
    .map(({ environment: key }) => ({ key, revision: revisions.get(key) ?? null }));
  const problem = storeProblem({ store, control, registry });
  return {
    store: environments.some(({ revision }) => revision === null) ? 'away' : 'available',
    ...(problem === undefined ? {} : { problem }),
    environments,
    servers: fleet.members().map(member => serverStatus(member, fleet.self, revisions)),
  };
};

/** Returns the store's revision of each environment, without those that it fails to return. */
const storeRevisions = async (
  store: Store,
  registry: Registry,
): Promise<ReadonlyMap<string, number>> => {
  const revisions = new Map<string, number>();
  const readRevision = async ({ environment, replica }: LiveFlagSet) => {
    const head = await store.head(replica.ledger);
    if (head !== undefined) revisions.set(environment, revisionOf(head));
  };
  await Promise.allSettled(registry.all().map(readRevision));
  return revisions;
};

const serverStatus = (
  { report, ageMs }: FleetMember,
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
