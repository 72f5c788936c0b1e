import type { CompiledFlagSet } from '@pennon/engine';
import { compile, diffFlagSets } from '@pennon/engine';
import type { FlagSetChange } from '@pennon/schema';
import { FORMAT_VERSION, jsonBytes } from '@pennon/schema';

import type { ReplicaEvent } from '../replication/replica-state.ts';
import type { Replica } from '../replication/replica.ts';
import type { WritePlan } from '../replication/writer.ts';
import type { ChangeId } from '../store/change-id.ts';
import { carryUsages } from '../resources/attribute-types.ts';
import { revisionOf } from '../store/change-id.ts';
import type { Snapshot } from '../store/store.ts';
import { createClientView, nextClientView, type ClientView } from './client-view.ts';
import {
  contentsAfter,
  contentsOf,
  toFlagSet,
  writesOf,
  type Contents,
  type IndexedFlagSet,
} from './documents.ts';

/**
 * One revision of an environment's flag set in memory: as stored records, as it is sent, compiled, and as
 * JSON. A view is immutable; each change creates a new one.
 */
export type FlagSetView = {
  /** The stored records that everything else in this view is derived from. */
  readonly snapshot: Snapshot<'flagSet'>;
  readonly flagSet: IndexedFlagSet;
  readonly compiled: CompiledFlagSet;
  readonly client: ClientView;
  /** Returns the flag set as JSON in UTF-8. It is serialized once, on first use, and shared by all readers. */
  readonly json: () => Buffer;
};

/** How a flag set moved from one view to the next. */
export type FlagSetEvent =
  | {
      readonly type: 'change';
      readonly change: FlagSetChange;
      /** Keys of the flags whose results may differ: the changed ones and their dependents. */
      readonly affected: readonly string[];
      readonly view: FlagSetView;
    }
  | {
      readonly type: 'set';
      readonly view: FlagSetView;
      /**
       * The view that the set replaces, with the keys of the flags whose results may differ between both;
       * undefined when it replaces none.
       */
      readonly replaced?: { readonly view: FlagSetView; readonly affected: readonly string[] };
    };

export type LiveFlagSet = {
  readonly environment: string;
  readonly replica: Replica<'flagSet'>;
  view(): FlagSetView;
  /** How long ago the flag set, and the environments and keys, were last known to be current in the store. */
  readonly sourceAgeMs: () => number;
  /**
   * Commits what `planWrite` plans. It receives the view of exactly the snapshot that the commit expects, so
   * whether a key exists and whether a flag compiles are decided on the same data.
   */
  write<Result>(
    planWrite: (
      view: FlagSetView,
    ) => WritePlan<'flagSet', Result> | Promise<WritePlan<'flagSet', Result>>,
  ): Promise<Result>;
  /** Calls `listener` with each later event, in order. Returns how to unsubscribe. */
  subscribe(listener: (event: FlagSetEvent) => void): () => void;
  /** The changes after the change `id`, oldest first, or undefined when it is unknown or too old. */
  changesSince(id: ChangeId): readonly PastChange[] | undefined;
  /** Aborts when the environment is deleted or the server stops. */
  readonly closed: AbortSignal;
  close(): void;
};

/** A change without its view: a thousand views would each hold a whole flag set in memory. */
export type PastChange = { readonly id: ChangeId; readonly change: FlagSetChange };

/** Compiles a replica's flag set, and again after each of its changes. `control` has the keys that may read it. */
export const openLiveFlagSet = (
  environment: string,
  replica: Replica<'flagSet'>,
  control: Pick<Replica<'control'>, 'sourceAgeMs'>,
): LiveFlagSet => {
  const listeners = new Set<(event: FlagSetEvent) => void>();
  const closing = new AbortController();
  const history = createHistory();
  let view = viewFromSnapshot(environment, replica.current());

  const stop = replica.subscribe(replicaEvent => {
    const event = eventAfter(view, replicaEvent);
    view = event.view;
    history.add(event);
    for (const listener of listeners) listener(event);
  });

  return {
    environment,
    replica,
    view: () => view,
    sourceAgeMs: () => Math.max(replica.sourceAgeMs(), control.sourceAgeMs()),
    write: planWrite =>
      replica.write(snapshot =>
        planWrite(snapshot === view.snapshot ? view : viewFromSnapshot(environment, snapshot)),
      ),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    changesSince: id => (id === view.flagSet.id ? [] : history.since(id)),
    closed: closing.signal,
    close() {
      stop();
      replica.close();
      closing.abort();
    },
  };
};

/** How many past changes are available to followers that reconnect, and their bytes as JSON. */
const HISTORY_LENGTH = 1_000;
const HISTORY_BYTES = 8 * 1_048_576;

const createHistory = () => {
  let changes: (PastChange & { readonly bytes: number })[] = [];
  let bytes = 0;
  const add = (id: ChangeId, change: FlagSetChange) => {
    const added = { id, change, bytes: jsonBytes(change) };
    changes.push(added);
    bytes += added.bytes;
    while (changes.length > HISTORY_LENGTH || bytes > HISTORY_BYTES)
      bytes -= changes.shift()?.bytes ?? 0;
  };
  const clear = () => {
    changes = [];
    bytes = 0;
  };
  return {
    add(event: FlagSetEvent) {
      // No sequence of changes leads across a reload.
      if (event.type === 'set') clear();
      else add(event.view.flagSet.id, event.change);
    },
    since(id: ChangeId): readonly PastChange[] | undefined {
      const next = changes.findIndex(({ change }) => change.previous === id);
      return next === -1 ? undefined : changes.slice(next);
    },
  };
};

const viewOf = (
  snapshot: Snapshot<'flagSet'>,
  flagSet: IndexedFlagSet,
  client: ClientView,
  compiled = compile(flagSet),
): FlagSetView => {
  let json: Buffer | undefined;
  return {
    snapshot,
    flagSet,
    client,
    compiled,
    json: () => (json ??= Buffer.from(JSON.stringify(toFlagSet(flagSet)))),
  };
};

const flagSetOf = (environment: string, id: ChangeId, contents: Contents): IndexedFlagSet => ({
  formatVersion: FORMAT_VERSION,
  environment,
  id,
  revision: revisionOf(id),
  ...contents,
});

const viewFromSnapshot = (environment: string, snapshot: Snapshot<'flagSet'>): FlagSetView => {
  const flagSet = flagSetOf(environment, snapshot.id, contentsOf(snapshot));
  return viewOf(snapshot, flagSet, createClientView(flagSet));
};

/** Returns the view after a reload, with the affected flags. */
const viewAfterReload = (
  previous: FlagSetView,
  snapshot: Snapshot<'flagSet'>,
): { view: FlagSetView; affected: readonly string[] } => {
  const flagSet = flagSetOf(previous.flagSet.environment, snapshot.id, contentsOf(snapshot));
  const { affected, changed } = diffFlagSets(previous.flagSet, flagSet);
  const client = nextClientView(previous.client, flagSet, new Set([...affected, ...changed.flags]));
  return { view: viewOf(snapshot, flagSet, client), affected };
};

/** Returns the event that leads from `previous` to the next view, which reuses unchanged compiled flags. */
const eventAfter = (previous: FlagSetView, replicaEvent: ReplicaEvent<'flagSet'>): FlagSetEvent => {
  const { environment } = previous.flagSet;
  if (replicaEvent.type === 'reload') {
    const { view, affected } = viewAfterReload(previous, replicaEvent.snapshot);
    return { type: 'set', view, replaced: { view: previous, affected } };
  }
  const { snapshot, change } = replicaEvent;
  const writes = writesOf(change.writes);
  const { flags, segments } = writes;
  const flagSet = flagSetOf(environment, change.id, contentsAfter(previous.flagSet, writes));
  carryUsages(previous.flagSet, flagSet, writes);
  const written = { flags: [...flags.keys()], segments: [...segments.keys()] };
  const { affected } = diffFlagSets(previous.flagSet, flagSet, written);
  const client = nextClientView(previous.client, flagSet, new Set([...affected, ...flags.keys()]));
  return {
    type: 'change',
    change: {
      previous: change.previous,
      revision: flagSet.revision,
      flags: Object.fromEntries(flags),
      segments: Object.fromEntries(segments),
    },
    affected,
    view: viewOf(snapshot, flagSet, client, compile(flagSet, previous.compiled, written)),
  };
};
