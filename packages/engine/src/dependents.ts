import { readEnvelope, type Contents } from './envelope.ts';
import { createInvertedIndex } from './inverted-index.ts';
import { references } from './references.ts';

/** Keys of flags and segments. */
export type Keys = {
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
};

const byFlag = createInvertedIndex<unknown>(flag => references(flag).flags);
const bySegment = createInvertedIndex<unknown>(flag => references(flag).segments);

/** Keeps the dependents known after a change of these flags, so that they are not found again among all. */
export const carryDependents = (
  previous: Contents,
  next: Contents,
  changedFlags: ReadonlySet<string>,
): void => {
  byFlag.carry(previous.flags, next.flags, changedFlags);
  bySegment.carry(previous.flags, next.flags, changedFlags);
};

/** Returns the given flags and all that depend on them or on one of the segments, however far. */
export const withDependents = ({ flags }: Contents, changed: Keys): ReadonlySet<string> => {
  const reached = new Set(changed.flags);
  for (const segment of changed.segments)
    for (const key of bySegment.keysWith(flags, segment)) reached.add(key);
  // The loop also visits keys that it adds to the set.
  for (const key of reached)
    for (const dependent of byFlag.keysWith(flags, key)) reached.add(dependent);
  return reached;
};

/**
 * Finds which flags depend on which, so that the first change of the flag set takes no longer than later ones. They
 * are found again after each set that arrives as a whole.
 */
export const findDependents = (flagSet: unknown): void => {
  const { flags } = readEnvelope(flagSet);
  byFlag.keysWith(flags, '');
  bySegment.keysWith(flags, '');
};
