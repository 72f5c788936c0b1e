import type { CompiledFlagSet } from '@pennon/engine';
import { compile, diffSteps } from '@pennon/engine';
import type { FlagSetChange } from '@pennon/schema';
import { FORMAT_VERSION } from '@pennon/schema';

import {
  measuredAfter,
  measuredChange,
  measuredIn,
  remeasuredFlags,
  type Measured,
} from './measured.ts';
import type { ReplicaEvent } from '../replication/replica-state.ts';
import type { Replica } from '../replication/replica.ts';
import type { WritePlan } from '../replication/writer.ts';
import { runAtOnce, runInSlices, type Steps } from '../slices.ts';
import type { ChangeId } from '../store/change-id.ts';
import { revisionOf } from '../store/change-id.ts';
import type { Snapshot } from '../store/store.ts';
import { carryUsages } from './attribute-types.ts';
import { createClientView, digestSteps, nextClientView, type ClientView } from './client-view.ts';
import {
  contentsAfter,
  contentSteps,
  evaluationWriteSteps,
  type Contents,
  type IndexedFlagSet,
} from './documents.ts';
import { bytesOfText, textSteps, type SharedText } from './text.ts';

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
  /** Returns the flag set as JSON. It is serialized once, on first use, and shared by all readers. */
  readonly text: () => Promise<SharedText>;
};

/** How a flag set moved from one view to the next. */
export type FlagSetEvent =
  | {
      readonly type: 'change';
      readonly change: FlagSetChange;
      /** The change as JSON, shared by all readers. */
      readonly text: SharedText;
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
export type PastChange = {
  readonly id: ChangeId;
  readonly change: FlagSetChange;
  /** The change as JSON, which shares its pieces with the flag set. */
  readonly text: SharedText;
};

/**
 * Compiles a replica's flag set, and again after each of its changes. `control` has the keys that may read it.
 * `prepared` is the first view if it is that of the current snapshot.
 */
export const openLiveFlagSet = (
  environment: string,
  replica: Replica<'flagSet'>,
  control: Pick<Replica<'control'>, 'sourceAgeMs'>,
  prepared?: FlagSetView,
): LiveFlagSet => {
  const listeners = new Set<(event: FlagSetEvent) => void>();
  const closing = new AbortController();
  const history = createHistory();
  // No function below may refer to `prepared`: it would keep the first view, and with it what later ones replace.
  let view =
    prepared?.snapshot === replica.current()
      ? prepared
      : runAtOnce(viewSteps(environment, replica.current()));
  const preparation = createPreparation(() => view);

  const stop = replica.subscribe(
    replicaEvent => {
      const event = preparation.take(replicaEvent) ?? runAtOnce(eventSteps(view, replicaEvent));
      view = event.view;
      history.add(event);
      for (const listener of listeners) listener(event);
    },
    update => preparation.prepare(update),
  );

  return {
    environment,
    replica,
    view: () => view,
    sourceAgeMs: () => Math.max(replica.sourceAgeMs(), control.sourceAgeMs()),
    write: planWrite =>
      replica.write(snapshot =>
        planWrite(snapshot === view.snapshot ? view : runAtOnce(viewSteps(environment, snapshot))),
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

/** Prepares the event of a large update, so that what it takes is done in slices before. */
const createPreparation = (currentView: () => FlagSetView) => {
  let prepared:
    | {
        readonly update: ReplicaEvent<'flagSet'>;
        readonly after: FlagSetView;
        readonly event: FlagSetEvent;
      }
    | undefined;
  return {
    async prepare(update: ReplicaEvent<'flagSet'>): Promise<void> {
      const after = currentView();
      const event = await runInSlices(eventSteps(after, update));
      await runInSlices(digestSteps(event.view.flagSet, event.view.client));
      prepared = { update, after, event };
    },
    /** Returns the event, unless another one was prepared or the view has moved. */
    take(update: ReplicaEvent<'flagSet'>): FlagSetEvent | undefined {
      const found = prepared;
      prepared = undefined;
      return found?.update === update && found.after === currentView() ? found.event : undefined;
    },
  };
};

/** How many past changes are available to followers that reconnect, and their bytes as JSON. */
const HISTORY_LENGTH = 1_000;
const HISTORY_BYTES = 8 * 1_048_576;

const createHistory = () => {
  let changes: (PastChange & { readonly bytes: number })[] = [];
  let bytes = 0;
  const add = (id: ChangeId, change: FlagSetChange, text: SharedText) => {
    const added = { id, change, text, bytes: bytesOfText(text) };
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
      else add(event.view.flagSet.id, event.change, event.text);
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
  let text: Promise<SharedText> | undefined;
  return {
    snapshot,
    flagSet,
    client,
    compiled,
    text: () => (text ??= runInSlices(textSteps(flagSet))),
  };
};

const flagSetOf = (
  environment: string,
  id: ChangeId,
  contents: Contents,
  measured: Measured,
): IndexedFlagSet => ({
  formatVersion: FORMAT_VERSION,
  environment,
  id,
  revision: revisionOf(id),
  ...measured,
  ...contents,
});

function* viewSteps(environment: string, snapshot: Snapshot<'flagSet'>): Steps<FlagSetView> {
  const contents = yield* contentSteps(snapshot);
  const flagSet = flagSetOf(environment, snapshot.id, contents, measuredIn(snapshot.records));
  return viewOf(snapshot, flagSet, createClientView(flagSet));
}

/** Returns the first view of a replica, in slices, because it may be large. */
export const prepareView = async (
  environment: string,
  replica: Pick<Replica<'flagSet'>, 'current'>,
): Promise<FlagSetView> => {
  const view = await runInSlices(viewSteps(environment, replica.current()));
  await runInSlices(digestSteps(view.flagSet, view.client));
  return view;
};

/** Returns the event that leads from `previous` to the next view, which reuses unchanged compiled flags. */
const eventSteps = (
  previous: FlagSetView,
  replicaEvent: ReplicaEvent<'flagSet'>,
): Steps<FlagSetEvent> =>
  replicaEvent.type === 'reload'
    ? reloadSteps(previous, replicaEvent.snapshot)
    : changeSteps(previous, replicaEvent);

function* reloadSteps(previous: FlagSetView, snapshot: Snapshot<'flagSet'>): Steps<FlagSetEvent> {
  const contents = yield* contentSteps(snapshot);
  const { environment } = previous.flagSet;
  const flagSet = flagSetOf(environment, snapshot.id, contents, measuredIn(snapshot.records));
  const { affected: differing, changed } = yield* diffSteps(previous.flagSet, flagSet);
  const affected = withRemeasured(differing, previous.flagSet, flagSet);
  const client = nextClientView(previous.client, flagSet, new Set([...affected, ...changed.flags]));
  return {
    type: 'set',
    view: viewOf(snapshot, flagSet, client),
    replaced: { view: previous, affected },
  };
}

function* changeSteps(
  previous: FlagSetView,
  { snapshot, change }: Extract<ReplicaEvent<'flagSet'>, { type: 'change' }>,
): Steps<FlagSetEvent> {
  const { environment } = previous.flagSet;
  const writes = yield* evaluationWriteSteps(change.writes);
  const { flags, segments } = writes;
  const measured = measuredAfter(previous.flagSet, change.writes, snapshot.records);
  const contents = contentsAfter(previous.flagSet, writes);
  const flagSet = flagSetOf(environment, change.id, contents, measured);
  yield* carryUsages(previous.flagSet, flagSet, writes);
  const written = { flags: [...flags.keys()], segments: [...segments.keys()] };
  const { affected: differing } = yield* diffSteps(previous.flagSet, flagSet, written);
  const affected = withRemeasured(differing, previous.flagSet, flagSet);
  const client = nextClientView(previous.client, flagSet, new Set([...affected, ...flags.keys()]));
  const sent: FlagSetChange = {
    previous: change.previous,
    revision: flagSet.revision,
    ...measuredChange(previous.flagSet, flagSet),
    flags: Object.fromEntries(flags),
    segments: Object.fromEntries(segments),
  };
  return {
    type: 'change',
    change: sent,
    text: yield* textSteps({ ...sent, flags, segments }),
    affected,
    view: viewOf(snapshot, flagSet, client, compile(flagSet, previous.compiled, written)),
  };
}

/** Readers with client keys see the ids of rules that are measured, so their results differ then too. */
const withRemeasured = (
  affected: readonly string[],
  before: Measured,
  after: Measured,
): readonly string[] => {
  const remeasured = remeasuredFlags(before, after);
  return remeasured.length === 0 ? affected : [...new Set([...affected, ...remeasured])].toSorted();
};
