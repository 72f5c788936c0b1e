import { createHash } from 'node:crypto';

import { references } from '@pennon/engine';
import { PersistentMap } from '@pennon/engine/persistent-map';
import type { EvaluationFlag } from '@pennon/schema';

import { once } from '../once.ts';
import type { Steps } from '../slices.ts';
import type { Contents } from './documents.ts';
import { measuredOf, textOfMeasured, type Measured } from './measured.ts';

/**
 * What client keys know of the state of a flag set. It depends only on the flags that they see, so they do not
 * learn whether and how often anything else is edited.
 */
export type ClientView = {
  /**
   * At first the sum of the versions of all visible flags. Raised with each change of what visible flags evaluate, or of what is measured, but
   * not of what they depend on, nor of their descriptions and tags. Servers may have different ones.
   */
  readonly revision: number;
  /**
   * Identifies the visible flags and all that their results depend on. The same on each server. Receives the contents
   * of a flag set with this view: the view refers to none, because it may outlive many of them.
   */
  readonly idOf: (contents: Contents) => string;
  /** The keys of the visible flags, in order. */
  readonly flagKeys: () => readonly string[];
  readonly visible: VisibleFlags;
  /** The running experiments of the visible flags, and the events that are measured. */
  readonly measured: Measured;
};

/** The visible flags by key. */
type VisibleFlags = PersistentMap<EvaluationFlag>;

export const createClientView = (contents: Contents & Measured): ClientView => {
  const changes = visibleChanges(NONE, contents, contents.flags.keys());
  const revision = changes.reduce((sum, [, flag]) => sum + (flag?.version ?? 0), 0);
  return viewOf(NONE.with(changes), revision, measuredIn(contents));
};

const measuredIn = (contents: Contents & Measured): Measured =>
  measuredOf(contents, key => isClientVisible(contents.flags.get(key)));

/** Returns the same view unless one of the flags that changed is, or was, visible, or something else is measured. */
export const nextClientView = (
  previous: ClientView,
  next: Contents & Measured,
  changedFlags: ReadonlySet<string>,
): ClientView => {
  const { visible, revision } = previous;
  const measured = measuredIn(next);
  const isRemeasured = textOfMeasured(measured) !== textOfMeasured(previous.measured);
  const isSeen = (key: string) => visible.has(key) || isClientVisible(next.flags.get(key));
  if (!isRemeasured && ![...changedFlags].some(isSeen)) return previous;
  const changes = visibleChanges(visible, next, changedFlags);
  const isRaised =
    isRemeasured || changes.some(([key, flag]) => textOf(visible.get(key)) !== textOf(flag));
  return viewOf(visible.with(changes), isRaised ? revision + 1 : revision, measured);
};

const NONE: VisibleFlags = PersistentMap.from<EvaluationFlag>([]);

const viewOf = (visible: VisibleFlags, revision: number, measured: Measured): ClientView => {
  let id: string | undefined;
  return {
    revision,
    idOf: contents => (id ??= hashOf(contents, visible.keyList(), measured)),
    flagKeys: () => visible.keyList(),
    visible,
    measured,
  };
};

/** Whether a flag exists for client keys. */
export const isClientVisible = (flag: EvaluationFlag | undefined): flag is EvaluationFlag =>
  flag?.clientVisible === true;

/** What is evaluated of a flag. Its version counts other edits too. */
const textOf = (flag: EvaluationFlag | null | undefined): string =>
  flag ? JSON.stringify({ ...flag, version: 0 }) : '';

const visibleChanges = (
  visible: VisibleFlags,
  next: Contents,
  changedFlags: Iterable<string>,
): readonly (readonly [key: string, flag: EvaluationFlag | null])[] => {
  const changes: (readonly [string, EvaluationFlag | null])[] = [];
  for (const key of changedFlags) {
    const flag = next.flags.get(key);
    const after = isClientVisible(flag) ? flag : undefined;
    if (after !== visible.get(key)) changes.push([key, after ?? null]);
  }
  return changes;
};

const ID_LENGTH = 22;

/** The hash of a definition, which is never modified. */
const digestOf = once((definition: object): string =>
  createHash('sha256').update(JSON.stringify(definition)).digest('base64url'),
);

/** Hashes what the id of a view depends on, so that it takes little time afterwards. */
export function* digestSteps({ segments }: Contents, { visible }: ClientView): Steps<void> {
  for (const definition of [...visible.values(), ...segments.values()]) {
    digestOf(definition);
    yield;
  }
}

/** Hashes the definitions of the flags, and of the flags and segments that they depend on. */
const hashOf = (
  { flags, segments }: Contents,
  keys: readonly string[],
  measured: Measured,
): string => {
  const parts: string[] = measured.experiments === undefined ? [] : [textOfMeasured(measured)];
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
