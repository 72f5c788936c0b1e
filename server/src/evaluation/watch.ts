import type { EvaluationContext } from '@pennon/schema';
import type { TrackedEnvelope } from '@trpc/server';
import { tracked } from '@trpc/server';

import { iterateChanges } from '../streaming/change-iterator.ts';
import type { OpenStream, Streams } from '../streaming/stream-registry.ts';
import { openUntil } from '../streaming/stream-registry.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf, seesOnlyVisible } from '../auth/caller.ts';
import { requireContext } from './evaluate.ts';
import type { ValuesMessage, ValuesOf } from './values.ts';
import { createValues } from './values.ts';

type WatchInput = {
  readonly environment?: string | undefined;
  readonly context: EvaluationContext;
  readonly lastEventId?: string | null | undefined;
};

type Flattened<Each> = Each extends { event: infer Event; data: infer Data }
  ? { readonly event: Event } & Data
  : never;

/** The event beside its data: `event` tells which of the two it is. */
type Message = Flattened<ValuesMessage>;

/**
 * Follows the evaluated values of one context. Whoever comes back with the id of the revision that is
 * still current is told nothing until something changes; everybody else gets all values first.
 */
export const watchValues = (
  { registry, streams }: { registry: Registry; streams: Streams },
  caller: Caller,
  { environment, context, lastEventId }: WatchInput,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrackedEnvelope<Message>> => {
  requireContext(context);
  const live = registry.find(environmentOf(caller, environment));
  const values = createValues(context, seesOnlyVisible(caller));
  return tell(live, openUntil(streams, caller, signal), values, lastEventId);
};

async function* tell(
  live: LiveFlagSet,
  stream: OpenStream,
  values: ValuesOf,
  lastEventId: string | null | undefined,
): AsyncGenerator<TrackedEnvelope<Message>> {
  try {
    const steps = iterateChanges(live, stream.ended);
    const first = values.first(live.view());
    if (first.id !== lastEventId) yield enveloped(first);
    for await (const step of steps) {
      const message = values.next(step);
      if (message !== undefined) yield enveloped(message);
    }
  } finally {
    stream.close();
  }
}

// Each kind on its own, so that the type still tells them apart.
const enveloped = (message: ValuesMessage): TrackedEnvelope<Message> =>
  message.event === 'values'
    ? tracked(message.id, { event: message.event, ...message.data })
    : tracked(message.id, { event: message.event, ...message.data });
