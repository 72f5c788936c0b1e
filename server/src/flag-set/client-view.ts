import { createHash } from 'node:crypto';

import { references } from '@pennon/engine';
import { PersistentMap } from '@pennon/engine/persistent-map';
import type { EvaluationFlag } from '@pennon/schema';

import { once } from '../once.ts';
import type { Steps } from '../slices.ts';
import type { Contents } from './documents.ts';

/**
 * What client keys know of the state of a flag set. It depends only on the flags that they see, so they do not
 * learn whether and how often anything else is edited.
 */
export type ClientView = {
  /**
   * At first the sum of the versions of all visible flags. Raised with each change of a visible flag, or of what
   * it depends on. Servers may have different ones.
   */
  readonly revision: number;
  /** Identifies the visible flags and all that their results depend on. The same on each server. */
  readonly id: () => string;
  /** The keys of the visible flags, in order. */
  readonly flagKeys: () => readonly string[];
  readonly visible: VisibleFlags;
};

/** The visible flags by key, and the sum of their versions. */
type VisibleFlags = { readonly flags: PersistentMap<EvaluationFlag>; readonly versions: number };

export const createClientView = (contents: Contents): ClientView =>
  viewOf(contents, afterChange(NONE, contents, contents.flags.keys()), 0);

/** Returns the same view unless one of the flags that changed is, or was, visible. */
export const nextClientView = (
  previous: ClientView,
  next: Contents,
  changedFlags: ReadonlySet<string>,
): ClientView => {
  const { visible } = previous;
  for (const key of changedFlags)
    if (visible.flags.has(key) || isClientVisible(next.flags.get(key)))
      return viewOf(next, afterChange(visible, next, changedFlags), previous.revision + 1);
  return previous;
};

const NONE: VisibleFlags = { flags: PersistentMap.from<EvaluationFlag>([]), versions: 0 };

const viewOf = (contents: Contents, visible: VisibleFlags, minRevision: number): ClientView => {
  let id: string | undefined;
  return {
    revision: Math.max(minRevision, visible.versions),
    id: () => (id ??= hashOf(contents, visible.flags.keyList())),
    flagKeys: () => visible.flags.keyList(),
    visible,
  };
};

/** Whether a flag exists for client keys. */
export const isClientVisible = (flag: EvaluationFlag | undefined): flag is EvaluationFlag =>
  flag?.clientVisible === true;

const afterChange = (
  { flags, versions }: VisibleFlags,
  next: Contents,
  changedFlags: Iterable<string>,
): VisibleFlags => {
  const changes: [string, EvaluationFlag | null][] = [];
  let sum = versions;
  for (const key of changedFlags) {
    const [before, flag] = [flags.get(key), next.flags.get(key)];
    const after = isClientVisible(flag) ? flag : undefined;
    if (after === before) continue;
    sum += (after?.version ?? 0) - (before?.version ?? 0);
    changes.push([key, after ?? null]);
  }
  return { flags: flags.with(changes), versions: sum };
};

const ID_LENGTH = 22;

/** The hash of a definition, which is never modified. */
const digestOf = once((definition: object): string =>
  createHash('sha256').update(JSON.stringify(definition)).digest('base64url'),
);

/** Hashes what the id of a view depends on, so that it takes little time afterwards. */
export function* digestSteps({ segments }: Contents, { visible }: ClientView): Steps<void> {
  for (const definition of [...visible.flags.values(), ...segments.values()]) {
    digestOf(definition);
    yield;
  }
}

/** Hashes the definitions of the flags, and of the flags and segments that they depend on. */
const hashOf = ({ flags, segments }: Contents, keys: readonly string[]): string => {
  const parts: string[] = [];
  const seen = new Set(keys);
  // The set grows while it is read, so it ends with the last dependency.
  for (const key of seen) {
    const flag = flags.get(key);
    const { flags: otherFlags, segments: ownSegments } = references(flag);
    parts.push(key, flag ? digestOf(flag) : '');
    for (const segment of ownSegments.map(each => segments.get(each)))
      parts.push(segment ? digestOf(segment) : '');
    for (const other of otherFlags) seen.add(other);
  }
  return createHash('sha256').update(parts.join(' ')).digest('base64url').slice(0, ID_LENGTH);
};
