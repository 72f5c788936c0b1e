import { createHash } from 'node:crypto';

import { references } from '@pennon/engine';
import type { FlagSet } from '@pennon/schema';

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
};

type Contents = Pick<FlagSet, 'flags' | 'segments'>;

export const createClientView = (contents: Contents, minRevision = 0): ClientView => {
  const flagKeys = lazily(() => visibleFlagKeys(contents));
  return {
    revision: Math.max(minRevision, sumOfVersions(contents, flagKeys())),
    id: lazily(() => hashOf(contents, flagKeys())),
    flagKeys,
  };
};

/** Returns the same view unless one of the flags that changed is, or was, visible. */
export const nextClientView = (
  previous: { readonly client: ClientView; readonly flagSet: Contents },
  next: Contents,
  changedFlags: Iterable<string>,
): ClientView => {
  for (const key of changedFlags)
    if (isClientVisible(previous.flagSet, key) || isClientVisible(next, key))
      return createClientView(next, previous.client.revision + 1);
  return previous.client;
};

/** Whether a flag exists for client keys. */
export const isClientVisible = ({ flags }: Pick<FlagSet, 'flags'>, key: string): boolean =>
  Object.hasOwn(flags, key) && flags[key]?.clientVisible === true;

const visibleFlagKeys = (contents: Contents): readonly string[] =>
  Object.keys(contents.flags).filter(key => isClientVisible(contents, key));

const sumOfVersions = ({ flags }: Contents, keys: readonly string[]): number =>
  keys.reduce((sum, key) => sum + (flags[key]?.version ?? 0), 0);

const lazily = <Value extends object | string>(compute: () => Value): (() => Value) => {
  let value: Value | undefined;
  return () => (value ??= compute());
};

const ID_LENGTH = 22;

/** Hashes the definitions of the flags, and of the flags and segments that they depend on. */
const hashOf = ({ flags, segments }: Contents, keys: readonly string[]): string => {
  const hash = createHash('sha256');
  const seen = new Set(keys);
  // The set grows while it is read, so it ends with the last dependency.
  for (const key of seen) {
    const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
    const { flags: otherFlags, segments: ownSegments } = references(flag);
    hash.update(
      JSON.stringify([key, flag ?? null, ownSegments.map(each => segments[each] ?? null)]),
    );
    for (const other of otherFlags) seen.add(other);
  }
  return hash.digest('base64url').slice(0, ID_LENGTH);
};
