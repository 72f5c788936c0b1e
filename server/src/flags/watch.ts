import type { FlagSet, FlagSetChange } from '@pennon/schema';
import type { TrackedEnvelope } from '@trpc/server';
import { tracked } from '@trpc/server';

import { stepsOf } from '../delivery/steps.ts';
import type { OpenStream, Streams } from '../delivery/streams.ts';
import { openUntil } from '../delivery/streams.ts';
import type { LiveFlagSet } from '../environments/live-flag-set.ts';
import type { Registry } from '../environments/registry.ts';
import type { Caller } from '../keys/caller.ts';
import { environmentOf } from '../keys/caller.ts';

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
    await live.replica.reach(lastEventId ?? '');
    const steps = stepsOf(live, stream.ended);
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
