import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import type { FlagSetView, LiveFlagSet, PastChange } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { ChangeId } from '../store/change-id.ts';
import type { Broadcast } from './broadcast.ts';
import type { StreamRegistry } from './stream-registry.ts';
import type { StreamEvent, Subscription } from './subscription.ts';

export type StreamServices = {
  readonly registry: Registry;
  readonly streams: StreamRegistry;
  readonly broadcastOf: (live: LiveFlagSet) => Broadcast;
};

export type FollowFlagSetInput = {
  readonly environment?: string | undefined;
  /** The id of the last change that the follower has. */
  readonly lastEventId?: string | null | undefined;
};

/** The first event if the last event id is known. `missed` are the changes after it, oldest first. */
export type Resumed = {
  readonly type: 'resumed';
  readonly missed: readonly PastChange[];
  readonly view: FlagSetView;
};

/**
 * Follows the flag set of an environment: first `resumed` or the whole `set`, then every later change.
 * Resolves once the data of this server is not older than the follower's.
 */
export const followFlagSet = async (
  { registry, streams, broadcastOf }: StreamServices,
  caller: Caller,
  { environment: requested, lastEventId }: FollowFlagSetInput,
  requestEnded: AbortSignal | undefined,
): Promise<Subscription<StreamEvent | Resumed>> => {
  const environment = environmentOf(caller, requested);
  const id = lastEventId ?? '';
  await registry.find(environment).replica.waitForChange(id);
  const live = registry.find(environment);
  const stream = streams.open(caller, requestEnded);
  return broadcastOf(live).subscribe(stream, [firstEventFor(live, id)]);
};

const firstEventFor = (live: LiveFlagSet, lastEventId: ChangeId): StreamEvent | Resumed => {
  const view = live.view();
  const missed = live.changesSince(lastEventId);
  return missed === undefined ? { type: 'set', view } : { type: 'resumed', missed, view };
};
