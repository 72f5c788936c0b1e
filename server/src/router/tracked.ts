import type { Evaluation, FlagSet, FlagSetChange, RampStatus, Results } from '@pennon/schema';
import type { TrackedEnvelope } from '@trpc/server';
import { tracked } from '@trpc/server';

import { withVersions } from '../evaluation/evaluate.ts';
import type { ValuesEvent } from '../evaluation/follow-values.ts';
import { textOfValues } from '../evaluation/values-text.ts';
import { toFlagSet } from '../flag-set/documents.ts';
import type { FlagSetView, PastChange } from '../flag-set/live-flag-set.ts';
import type { Measured } from '../flag-set/measured.ts';
import type { SharedText } from '../flag-set/text.ts';
import type { OverviewEvent } from '../flags/follow-overview.ts';
import { once } from '../once.ts';
import { mapEvents } from '../streaming/each-event.ts';
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

type Values<Value> = Measured & {
  readonly revision: number;
  readonly environment: string;
  readonly evaluations: Readonly<Record<string, Value>>;
};

/**
 * Turns the events of a flag set into tRPC messages, each tracked by its change id so that a client can
 * resume. tRPC has heartbeats of its own. All readers receive the same messages.
 */
export async function* trackFlagSet(
  events: AsyncIterable<StreamEvent | Resumed>,
): AsyncGenerator<TrackedEnvelope<FlagSetMessage>> {
  for await (const event of events) {
    const { view } = event;
    if (event.type === 'set') yield tracked(view.flagSet.id, setMessage(view));
    if (event.type === 'change') yield trackedChange({ ...event, id: view.flagSet.id });
    if (event.type === 'resumed') for (const missed of event.missed) yield trackedChange(missed);
  }
}

const trackedChange = ({ id, change, text }: PastChange): TrackedEnvelope<FlagSetMessage> => {
  const message = changeMessage(change);
  texts.set(message, () => textOfMessage('{"event":"change","change":', text));
  return tracked(id, message);
};

const changeMessage = once((change: FlagSetChange): FlagSetMessage => ({
  event: 'change',
  change,
}));

const setMessage = once((view: FlagSetView): FlagSetMessage => {
  const message: FlagSetMessage = { event: 'set', flagSet: toFlagSet(view.flagSet) };
  texts.set(message, async () => textOfMessage('{"event":"set","flagSet":', await view.text()));
  return message;
});

/** The pieces of a text, made before or when they are sent. */
type Pieces = Iterable<Uint8Array>;

/** How to serialize messages whose parts are serialized already, or only when they are sent. */
const texts = new WeakMap<object, () => Pieces | Promise<Pieces>>();

const textOfMessage = (start: string, text: SharedText): SharedText => [
  Buffer.from(start),
  ...text,
  Buffer.from('}'),
];

/** Returns the JSON of a message of a subscription, or undefined for any other value. */
export const textOf = (message: unknown): Pieces | Promise<Pieces> | undefined =>
  typeof message === 'object' && message !== null ? texts.get(message)?.() : undefined;

/** Turns the values of a context into tRPC messages, tracked likewise. */
export const trackValues = (
  events: AsyncIterable<ValuesEvent, void>,
): AsyncIterable<TrackedEnvelope<ValuesMessage>> =>
  mapEvents(events, async event =>
    event.type === 'heartbeat' ? undefined : tracked(event.id, valuesMessage(event)),
  );

/** Its values become objects only if they are read: those of thousands of flags would be kept for each reader. */
const valuesMessage = (event: ValuesOrChange): ValuesMessage => {
  const { type, revision, view } = event;
  const about = { revision, environment: view.flagSet.environment, ...event.measured };
  const message: ValuesMessage =
    type === 'values'
      ? {
          event: type,
          ...about,
          get evaluations() {
            return withVersions(view, event.evaluations);
          },
        }
      : {
          event: type,
          ...about,
          get evaluations() {
            const gone = Object.fromEntries(event.removed.map(key => [key, null]));
            return { ...withVersions(view, event.evaluations), ...gone };
          },
        };
  texts.set(message, () => textOfValues(event, { before: `{"event":"${type}",`, after: '' }));
  return message;
};

type ValuesOrChange = Exclude<ValuesEvent, { readonly type: 'heartbeat' }>;

/** Turns the results of an experiment into tRPC messages, each tracked by its id. */
export async function* trackResults(
  events: AsyncIterable<Results>,
): AsyncGenerator<TrackedEnvelope<Results>> {
  for await (const results of events) yield tracked(results.id, results);
}

/** Turns how a ramp is doing into tRPC messages, each tracked by its id. */
export async function* trackRamp(
  events: AsyncIterable<{ readonly id: string; readonly status: RampStatus }>,
): AsyncGenerator<TrackedEnvelope<RampStatus>> {
  for await (const { id, status } of events) yield tracked(id, status);
}

/** Turns what changes in an overview into tRPC messages, each tracked by the entity tag of the overview. */
export async function* trackOverview(
  events: AsyncIterable<OverviewEvent>,
): AsyncGenerator<TrackedEnvelope<OverviewEvent>> {
  for await (const event of events) yield tracked(event.etag, event);
}
