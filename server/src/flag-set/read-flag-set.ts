import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import type { ChangeId } from '../store/change-id.ts';
import type { FlagSetView } from './live-flag-set.ts';
import type { Registry } from './registry.ts';

export type ReadFlagSetInput = {
  readonly environment?: string | undefined;
  /** The id of the last change that the client has, or the empty string. */
  readonly knownId: ChangeId;
};

/** Returns the flag set of an environment, never one that is older than what the client has. */
export const readFlagSet = async (
  { registry }: { readonly registry: Registry },
  caller: Caller,
  { environment, knownId }: ReadFlagSetInput,
): Promise<FlagSetView> => {
  const live = registry.find(environmentOf(caller, environment));
  await live.replica.waitForChange(knownId);
  return live.view();
};
