import type { FlagSet, FlagSetChange } from '@pennon/schema';
import type { TrackedEnvelope } from '@trpc/server';
import { tracked } from '@trpc/server';

import { iterateChanges } from '../streaming/change-iterator.ts';
import type { OpenStream, Streams } from '../streaming/stream-registry.ts';
import { openUntil } from '../streaming/stream-registry.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';

/** A whole flag set, at first or where changes are missing; then each change. */
export type FlagsMessage =
  | { readonly event: 'set'; readonly flagSet: FlagSet }
  | { readonly event: 'change'; readonly change: FlagSetChange };

type WatchInput = {
  readonly environment?: string | undefined;
  readonly lastEventId?: string | null | undefined;
};

/** Follows an environment's flags; goes on after `lastEventId` with nothing lost or doubled. */
export const watchFlags = (
  { registry, streams }: { registry: Registry; streams: Streams },
  caller: Caller,
  { environment, lastEventId }: WatchInput,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrackedEnvelope<FlagsMessage>> => {
  const live = registry.find(environmentOf(caller, environment));
  return tell(live, openUntil(streams, caller, signal), lastEventId);
};

async function* tell(
  live: LiveFlagSet,
  stream: OpenStream,
  lastEventId: string | null | undefined,
): AsyncGenerator<TrackedEnvelope<FlagsMessage>> {
  try {
    await live.replica.waitForRevision(lastEventId ?? '');
    const steps = iterateChanges(live, stream.ended);
    const missed = lastEventId == null ? undefined : live.since(lastEventId);
    if (missed === undefined) yield wholeSet(live.view().flagSet);
    for (const { id, change } of missed ?? []) yield oneChange(id, change);
    for await (const step of steps) {
      const { flagSet } = step.view;
      yield step.type === 'set' ? wholeSet(flagSet) : oneChange(flagSet.id, step.change);
    }
  } finally {
    stream.close();
  }
}

const wholeSet = (flagSet: FlagSet): TrackedEnvelope<FlagsMessage> =>
  tracked(flagSet.id, { event: 'set', flagSet });

const oneChange = (id: string, change: FlagSetChange): TrackedEnvelope<FlagsMessage> =>
  tracked(id, { event: 'change', change });
