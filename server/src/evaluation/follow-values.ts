import type { Evaluations } from '@pennon/engine';
import { evaluateAll } from '@pennon/engine';
import type { Evaluation, EvaluationContext } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { environmentOf, seesOnlyVisible } from '../auth/caller.ts';
import type { FlagSetEvent, FlagSetView } from '../flag-set/live-flag-set.ts';
import type { StreamServices } from '../streaming/follow-flag-set.ts';
import type { Heartbeat, StreamEvent } from '../streaming/subscription.ts';
import { validateContext } from './context.ts';
import { isVisible, withVersions } from './evaluate.ts';

/** All values of a context, what a change of the flag set makes of them (null: removed), or a heartbeat. */
export type ValuesEvent =
  | {
      readonly type: 'values';
      readonly view: FlagSetView;
      readonly evaluations: Readonly<Record<string, Evaluation>>;
    }
  | {
      readonly type: 'change';
      readonly view: FlagSetView;
      readonly evaluations: Readonly<Record<string, Evaluation | null>>;
    }
  | Heartbeat;

export type FollowValuesInput = {
  readonly environment?: string | undefined;
  readonly context: EvaluationContext;
  /** The id of the last event that the follower has. If it is current, the values are not sent again. */
  readonly lastEventId?: string | null | undefined;
};

/** Follows the evaluated values of one context: all of them first, then only what changes for it. */
export const followValues = (
  { registry, streams, broadcastOf }: StreamServices,
  caller: Caller,
  { environment, context, lastEventId }: FollowValuesInput,
  requestEnded: AbortSignal | undefined,
): AsyncGenerator<ValuesEvent, void> => {
  validateContext(context);
  const live = registry.find(environmentOf(caller, environment));
  const reader = { context, visibleOnly: seesOnlyVisible(caller), lastEventId };
  const whole: StreamEvent = { type: 'set', view: live.view() };
  const events = broadcastOf(live).subscribe(streams.open(caller, requestEnded), [whole]);
  return valuesFor(reader, events);
};

/** `visibleOnly` hides flags that are not `clientVisible`, as if they did not exist. */
type Reader = {
  readonly context: EvaluationContext;
  readonly visibleOnly: boolean;
  readonly lastEventId?: string | null | undefined;
};

/**
 * Keeps the view of the last event and no results: all streams share the view, and evaluating it again
 * gives the same results. So thousands of streams of thousands of flags need no memory of their own, and
 * a change costs each of them only the flags that it affects.
 */
async function* valuesFor(
  reader: Reader,
  events: AsyncIterable<StreamEvent>,
): AsyncGenerator<ValuesEvent, void> {
  let previous: FlagSetView | undefined;
  for await (const event of events) {
    const { view } = event;
    if (event.type === 'heartbeat') yield event;
    else if (previous !== undefined) {
      const evaluations = changesFor(reader, previous, event);
      if (Object.keys(evaluations).length > 0) yield { type: 'change', view, evaluations };
    } else if (view.flagSet.id !== reader.lastEventId)
      yield { type: 'values', view, evaluations: allFor(reader, view) };
    previous = view;
  }
}

const allFor = (reader: Reader, view: FlagSetView): Evaluations =>
  withVersions(view, evaluateVisible(view, Object.keys(view.flagSet.flags), reader));

const changesFor = (
  reader: Reader,
  previous: FlagSetView,
  event: FlagSetEvent,
): Record<string, Evaluation | null> => {
  const { view } = event;
  const keys = affectedKeys(previous, event);
  const before = evaluateVisible(previous, keys, reader);
  const after = evaluateVisible(view, keys, reader);
  const changed = Object.entries(after).filter(([key, result]) => !isSame(before[key], result));
  const removed = Object.keys(before).filter(key => !Object.hasOwn(after, key));
  return {
    ...withVersions(view, Object.fromEntries(changed)),
    ...Object.fromEntries(removed.map(key => [key, null])),
  };
};

/** A set that replaces events which this stream missed may affect any flag. */
const affectedKeys = (previous: FlagSetView, event: FlagSetEvent): readonly string[] => {
  if (event.type === 'change') return event.affected;
  if (event.replaced?.view === previous) return event.replaced.affected;
  return Object.keys({ ...previous.flagSet.flags, ...event.view.flagSet.flags });
};

const evaluateVisible = (
  view: FlagSetView,
  keys: readonly string[],
  { context, visibleOnly }: Reader,
): Evaluations =>
  evaluateAll(
    view.compiled,
    context,
    keys.filter(key => isVisible(view, visibleOnly, key)),
  );

/** Results that need no context are created by the compiler, so most unchanged ones are the same object. */
const isSame = (a: Evaluation | undefined, b: Evaluation): boolean =>
  a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b));
