import type { CompiledFlagSet } from '@pennon/engine';
import { compile, references } from '@pennon/engine';
import type { Flag, FlagSet, FlagSetChange, Segment } from '@pennon/schema';
import { FORMAT_VERSION } from '@pennon/schema';

import type { Replica, Step } from '../replica/replica.ts';
import { revisionOf } from '../store/change-id.ts';
import type { Snapshot, Stored } from '../store/store.ts';

/**
 * One environment's flag set in memory: as data, compiled, and as JSON text, all of one revision.
 * A view never changes; the next change brings the next view.
 */
export type FlagSetView = {
  readonly flagSet: FlagSet;
  readonly compiled: CompiledFlagSet;
  /** The flag set as JSON text, made once, when first asked for. */
  readonly json: () => string;
};

/** How a flag set got from one view to the next. */
export type FlagSetStep =
  | {
      readonly type: 'change';
      readonly change: FlagSetChange;
      /** Flags whose answers may differ: those written and all that depend on what was written. */
      readonly affected: ReadonlySet<string>;
      readonly view: FlagSetView;
    }
  | { readonly type: 'set'; readonly view: FlagSetView };

export type LiveFlagSet = {
  readonly environment: string;
  readonly replica: Replica<'flagSet'>;
  view(): FlagSetView;
  /** Called after each step, in order. Returns how to stop. */
  subscribe(listener: (step: FlagSetStep) => void): () => void;
  /** Steps after the change `id`, oldest first; undefined where it is unknown or too old. */
  since(id: string): readonly FlagSetStep[] | undefined;
  /** Aborts when the environment is removed or the server stops. */
  readonly closed: AbortSignal;
  close(): void;
};

/** Steps kept for subscribers that come back. */
const KEPT_STEPS = 1_000;

/** Compiles a replica's flag set and keeps it compiled. */
export const openLiveFlagSet = (environment: string, replica: Replica<'flagSet'>): LiveFlagSet => {
  const listeners = new Set<(step: FlagSetStep) => void>();
  const closing = new AbortController();
  const steps: FlagSetStep[] = [];
  let view = makeView(environment, replica.current());

  const stop = replica.subscribe(step => {
    const next = makeView(environment, step.snapshot, view.compiled);
    const told = tell(step, next);
    view = next;
    steps.push(told);
    if (steps.length > KEPT_STEPS) steps.shift();
    for (const listener of listeners) listener(told);
  });

  return {
    environment,
    replica,
    view: () => view,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    since(id) {
      if (id === view.flagSet.id) return [];
      const next = steps.findIndex(step => step.type === 'change' && step.change.previous === id);
      return next === -1 ? undefined : steps.slice(next);
    },
    closed: closing.signal,
    close() {
      stop();
      replica.close();
      closing.abort();
    },
  };
};

const makeView = (
  environment: string,
  snapshot: Snapshot<'flagSet'>,
  previous?: CompiledFlagSet,
): FlagSetView => {
  const flagSet: FlagSet = {
    formatVersion: FORMAT_VERSION,
    environment,
    id: snapshot.id,
    revision: revisionOf(snapshot.id),
    flags: documents(snapshot.records.flags),
    segments: documents(snapshot.records.segments),
  };
  let json: string | undefined;
  return {
    flagSet,
    compiled: compile(flagSet, previous),
    json: () => (json ??= JSON.stringify(flagSet)),
  };
};

/** Documents by key, in the order of their keys: the same data is always the same text. */
const documents = <Document>(
  records: ReadonlyMap<string, Stored<Document>>,
): Record<string, Document> => {
  const sorted = [...records.keys()].toSorted(byCodeUnit);
  return Object.fromEntries(
    sorted.flatMap(key => {
      const record = records.get(key);
      return record === undefined ? [] : [[key, record.document] as const];
    }),
  );
};

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const tell = (step: Step<'flagSet'>, view: FlagSetView): FlagSetStep => {
  if (step.type === 'reload') return { type: 'set', view };
  const { previous, writes } = step.change;
  const flags: ReadonlyMap<string, Flag | null> = writes.flags ?? new Map();
  const segments: ReadonlyMap<string, Segment | null> = writes.segments ?? new Map();
  return {
    type: 'change',
    change: {
      previous,
      revision: view.flagSet.revision,
      flags: Object.fromEntries(flags),
      segments: Object.fromEntries(segments),
    },
    affected: dependents(view.flagSet, new Set(flags.keys()), new Set(segments.keys())),
    view,
  };
};

/** These flags, and every flag whose answer can depend on one of these flags or segments. */
export const dependents = (
  flagSet: Pick<FlagSet, 'flags'>,
  flags: ReadonlySet<string>,
  segments: ReadonlySet<string>,
): ReadonlySet<string> => {
  const named = Object.values(flagSet.flags).flatMap(flag => {
    if (flag.rules.length === 0) return [];
    return [{ key: flag.key, ...references(flag) }];
  });
  const reached = new Set(flags);
  for (const flag of named) {
    if (flag.segments.some(segment => segments.has(segment))) reached.add(flag.key);
  }
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const flag of named) if (flag.flags.some(key => reached.has(key))) reached.add(flag.key);
  }
  return reached;
};
