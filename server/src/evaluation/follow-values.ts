import type { Evaluation, EvaluationContext } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetEvent, FlagSetView } from '../flag-set/live-flag-set.ts';
import type { Measured } from '../flag-set/measured.ts';
import { once } from '../once.ts';
import { mapEvents } from '../streaming/each-event.ts';
import type { StreamServices } from '../streaming/follow-flag-set.ts';
import type { Heartbeat, StreamEvent, Subscription } from '../streaming/subscription.ts';
import type { Audience } from './audience.ts';
import {
  isVisible,
  measuredFor,
  measuredSince,
  measuredText,
  revisionFor,
  visibleKeys,
} from './audience.ts';
import { digestOfResults } from './bulk-evaluation.ts';
import { validateContext } from './context.ts';
import { evaluateFor, evaluateInTurns } from './evaluate.ts';
import { openTextOf } from './result-text.ts';
import { forEachByUnits, unitsOf, unitsToCompile } from './units.ts';
import { andThen, type Turns } from '../turns.ts';

/**
 * All values of a context, what a change of the flag set makes of them, or a heartbeat. `id` identifies the values,
 * and `revision` is that of the flags that the follower sees.
 */
export type ValuesEvent = { readonly id: string; readonly revision: number } & (
  ({ readonly type: 'values' | 'change' } & Values) | Heartbeat
);

export type Values = {
  /** The view that has the versions of the flags. */
  readonly view: FlagSetView;
  /** Shared by all readers, so their text is made when it is sent. */
  readonly evaluations: readonly Evaluation[];
  /** The keys of the flags that the reader does not see any more. */
  readonly removed: readonly string[];
  /** What the reader measures; in a change, only if that has changed. */
  readonly measured: Measured;
};

export type FollowValuesInput = {
  readonly environment?: string | undefined;
  readonly context: EvaluationContext;
  /** The id of the last event that the follower has. If it is current, the values are not sent again. */
  readonly lastEventId?: string | null | undefined;
};

type ValuesServices = StreamServices & {
  readonly audienceOf: (caller: Caller) => Audience;
  readonly turns: Turns;
};

/** Follows the evaluated values of one context: all of them first, then only what changes for it. */
export const followValues = (
  { registry, streams, broadcastOf, audienceOf, turns }: ValuesServices,
  caller: Caller,
  { environment, context, lastEventId }: FollowValuesInput,
  requestEnded: AbortSignal | undefined,
): Subscription<ValuesEvent> => {
  const values = validateContext(context);
  const memory = requireSmall(context) + values * VALUE_BYTES;
  const live = registry.find(environmentOf(caller, environment));
  const reader = { context, audience: audienceOf(caller), lastEventId, turns };
  const whole: StreamEvent = { type: 'set', view: live.view() };
  const stream = streams.open(caller, requestEnded, memory);
  const events = broadcastOf(live).subscribe(stream, [whole]);
  return valuesFor(reader, events);
};

/** A stream keeps its context for as long as it is open. */
const MAX_CONTEXT_BYTES = 65_536;

/** Memory of a value besides its JSON: `{}` takes about 70 bytes, a name and its value about 100. */
const VALUE_BYTES = 96;

/** Throws PAYLOAD_TOO_LARGE if a stream may not keep the context. Returns its bytes as JSON. */
const requireSmall = (context: EvaluationContext): number => {
  const bytes = Buffer.byteLength(JSON.stringify(context));
  if (bytes <= MAX_CONTEXT_BYTES) return bytes;
  throw new PennonError(
    'PAYLOAD_TOO_LARGE',
    `the context of a stream must be at most ${MAX_CONTEXT_BYTES} bytes of JSON; this one has ${bytes}`,
  );
};

type Reader = {
  readonly context: EvaluationContext;
  readonly audience: Audience;
  readonly lastEventId?: string | null | undefined;
  readonly turns: Turns;
};

/**
 * Keeps the view of the last event and no results: all streams share the view, and evaluating it again
 * gives the same results. So thousands of streams of thousands of flags need no memory of their own, and
 * a change costs each of them only the flags that it affects.
 */
const valuesFor = (
  reader: Reader,
  events: AsyncIterable<StreamEvent, void>,
): Subscription<ValuesEvent> => {
  const { audience, turns } = reader;
  let last: { readonly view: FlagSetView; readonly id: string } | undefined;
  return mapEvents(events, async (event): Promise<ValuesEvent | undefined> => {
    const { view } = event;
    const revision = revisionFor(view, audience);
    if (event.type === 'heartbeat') {
      const id = last?.id ?? '';
      last = { view, id };
      return { id, revision, ...event };
    }
    // All streams receive an event in the same turn.
    if (turns.isOver()) await turns.next();
    const values =
      last === undefined ? await allFor(reader, view) : await changesFor(reader, last.view, event);
    const isChanged = hasContent(values);
    if (isChanged && turns.isOver()) await turns.next();
    const type = last === undefined ? 'values' : 'change';
    const id = await idOf(reader, last?.id, values);
    last = { view, id };
    const isSent = type === 'values' ? id !== reader.lastEventId : isChanged;
    return isSent ? { id, revision, type, ...values } : undefined;
  });
};

const hasContent = ({ evaluations, removed, measured }: Values): boolean =>
  evaluations.length > 0 || removed.length > 0 || measured.experiments !== undefined;

/** The id of the flag set changes with every edit, so public keys get a hash of what they have received. */
const idOf = (
  { audience, turns }: Reader,
  previous: string | undefined,
  values: Values,
): string | Promise<string> => {
  const { flagSet } = values.view;
  const { evaluations, removed, measured } = values;
  if (!audience.visibleOnly) return flagSet.id;
  const text = measuredText(measured);
  if (previous === undefined)
    return digestOfResults(flagSet.environment + text, evaluations, turns);
  if (!hasContent(values)) return previous;
  return digestOfResults(`${previous} ${JSON.stringify(removed)}${text}`, evaluations, turns);
};

const allFor = async ({ audience, context, turns }: Reader, view: FlagSetView): Promise<Values> => {
  const keys = visibleKeys(view, audience);
  const evaluations = await evaluateInTurns(turns, { view, audience }, keys, context);
  return { view, evaluations, removed: [], measured: measuredFor(view, audience) };
};

const changesFor = (
  { audience, context, turns }: Reader,
  previous: FlagSetView,
  event: FlagSetEvent,
): Values | Promise<Values> => {
  const { view } = event;
  const { present, removed } = comparedAfter(event)(previous)(audience);
  const evaluations: Evaluation[] = [];
  const compare = (key: string): number => {
    const before = evaluateFor(previous, audience, key, context);
    const units = unitsOf() + unitsToCompile(view.compiled.lazyFlags.get(key));
    const after = evaluateFor(view, audience, key, context);
    if (!isSame(before, after)) evaluations.push(after);
    return units + unitsOf();
  };
  return andThen(forEachByUnits(turns, present, compare), () => ({
    view,
    evaluations,
    removed,
    measured: measuredSince(previous, view, audience),
  }));
};

/** The keys of the flags whose results an event may change, and of those that are not visible any more. */
type Compared = { readonly present: readonly string[]; readonly removed: readonly string[] };

/** Returns what to compare. Found once for all streams that have the same view. */
const comparedAfter = once((event: FlagSetEvent) =>
  once((previous: FlagSetView) =>
    once((audience: Audience): Compared => {
      const { view } = event;
      const affected = affectedBy(previous, event);
      const removed = keysAmong(previous, audience, affected).filter(
        key => !isVisible(view, audience, key),
      );
      return { present: keysAmong(view, audience, affected), removed };
    }),
  ),
);

/** The flags that an event affects, or undefined if it may affect any. */
type Affected = ReadonlySet<string> | undefined;

const keysOf = once(
  ({ affected }: { readonly affected: readonly string[] }): ReadonlySet<string> =>
    new Set(affected),
);

/** A set that replaces events which this stream missed may affect any flag. */
const affectedBy = (previous: FlagSetView, event: FlagSetEvent): Affected => {
  if (event.type === 'change') return keysOf(event);
  return event.replaced?.view === previous ? keysOf(event.replaced) : undefined;
};

/** An edit of a segment may affect far more flags than a client key sees, so the smaller number is read. */
const keysAmong = (
  view: FlagSetView,
  audience: Audience,
  affected: Affected,
): readonly string[] => {
  const visible = visibleKeys(view, audience);
  if (affected === undefined) return visible;
  return affected.size < visible.length
    ? [...affected].filter(key => isVisible(view, audience, key))
    : visible.filter(key => affected.has(key));
};

/** Results are created by the compiler, so most unchanged ones are the same object, and the text of others is kept. */
const isSame = (a: Evaluation, b: Evaluation): boolean =>
  a === b || openTextOf(a) === openTextOf(b);
