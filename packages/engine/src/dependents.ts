import { readEnvelope, type Contents } from './envelope.ts';
import { createInvertedIndex } from './inverted-index.ts';
import { references } from './references.ts';
import type { Steps } from './steps.ts';

/** Keys of flags and segments. */
export type Keys = {
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
};

const byFlag = createInvertedIndex<unknown>(flag => references(flag).flags);
const bySegment = createInvertedIndex<unknown>(flag => references(flag).segments);

/** Keeps the dependents known after a change of these flags, so that they are not found again among all. */
export function* carryDependents(
  previous: Contents,
  next: Contents,
  changedFlags: ReadonlySet<string>,
): Steps<void> {
  yield* byFlag.carry(previous.flags, next.flags, changedFlags);
  yield* bySegment.carry(previous.flags, next.flags, changedFlags);
}

/** Returns the given flags and all that depend on them or on one of the segments, however far. */
export function* withDependents({ flags }: Contents, changed: Keys): Steps<ReadonlySet<string>> {
  const reached = new Set(changed.flags);
  if (changed.segments.size > 0) yield* bySegment.index(flags);
  for (const segment of changed.segments)
    for (const key of bySegment.keysWith(flags, segment)) reached.add(key);
  if (reached.size > 0) yield* byFlag.index(flags);
  // The loop also visits keys that it adds to the set.
  for (const key of reached) {
    for (const dependent of byFlag.keysWith(flags, key)) reached.add(dependent);
    yield;
  }
  return reached;
}

/**
 * Finds which flags depend on which, in steps of one flag each, so that the first change of the flag set takes no longer than later ones. They
 * are found again after each set that arrives as a whole.
 */
export function* dependentSteps(flagSet: unknown): Steps<void> {
  const { flags } = readEnvelope(flagSet);
  yield* byFlag.index(flags);
  yield* bySegment.index(flags);
}
