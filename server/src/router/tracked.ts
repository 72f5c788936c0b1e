import type { Evaluation, FlagSet, FlagSetChange } from '@pennon/schema';
import type { TrackedEnvelope } from '@trpc/server';
import { tracked } from '@trpc/server';

import type { ValuesEvent } from '../evaluation/follow-values.ts';
import { toFlagSet } from '../flag-set/documents.ts';
import type { Resumed } from '../streaming/follow-flag-set.ts';
import type { StreamEvent } from '../streaming/subscription.ts';

/** What `flags.watch` sends: a whole flag set, or one change of it. */
export type FlagSetMessage =
  | { readonly event: 'set'; readonly flagSet: FlagSet }
  | { readonly event: 'change'; readonly change: FlagSetChange };

/** What `evaluation.watch` sends: all values of a context, or those that changed (null: removed). */
export type ValuesMessage =
  | ({ readonly event: 'values' } & Values<Evaluation>)
  | ({ readonly event: 'change' } & Values<Evaluation | null>);

type Values<Value> = {
  readonly revision: number;
  readonly environment: string;
  readonly evaluations: Readonly<Record<string, Value>>;
};

/**
 * Turns the events of a flag set into tRPC messages, each tracked by its change id so that a client can
 * resume. tRPC has heartbeats of its own.
 */
export async function* trackFlagSet(
  events: AsyncIterable<StreamEvent | Resumed>,
): AsyncGenerator<TrackedEnvelope<FlagSetMessage>> {
  for await (const event of events) {
    const { flagSet } = event.view;
    if (event.type === 'set')
      yield tracked(flagSet.id, { event: 'set', flagSet: toFlagSet(flagSet) });
    if (event.type === 'change') yield trackedChange(flagSet.id, event.change);
    if (event.type === 'resumed')
      for (const { id, change } of event.missed) yield trackedChange(id, change);
  }
}

const trackedChange = (id: string, change: FlagSetChange): TrackedEnvelope<FlagSetMessage> =>
  tracked(id, { event: 'change', change });

/** Turns the values of a context into tRPC messages, tracked likewise. */
export async function* trackValues(
  events: AsyncIterable<ValuesEvent>,
): AsyncGenerator<TrackedEnvelope<ValuesMessage>> {
  for await (const event of events) {
    if (event.type === 'heartbeat') continue;
    const { id, revision } = event;
    const about = { revision, environment: event.view.flagSet.environment };
    // One case for each type: TypeScript would lose which evaluations may be null.
    yield event.type === 'values'
      ? tracked(id, { event: 'values', ...about, evaluations: event.evaluations })
      : tracked(id, { event: 'change', ...about, evaluations: event.evaluations });
  }
}
