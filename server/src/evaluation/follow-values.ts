import { hash } from 'node:crypto';

import type { Evaluation, EvaluationContext } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetEvent, FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';
import type { StreamServices } from '../streaming/follow-flag-set.ts';
import type { Heartbeat, StreamEvent } from '../streaming/subscription.ts';
import type { Audience } from './audience.ts';
import { isVisible, versionFor, visibleKeys } from './audience.ts';
import { digestOfResults } from './bulk-evaluation.ts';
import { validateContext } from './context.ts';
import { evaluateInTurns, withVersions } from './evaluate.ts';
import type { Turns } from '../turns.ts';

/**
 * All values of a context, what a change of the flag set makes of them (null: removed), or a heartbeat. `id`
 * identifies the values, and `revision` is that of the flags that the follower sees.
 */
export type ValuesEvent = { readonly id: string; readonly revision: number } & (
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
  | Heartbeat
);

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
): AsyncGenerator<ValuesEvent, void> => {
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
async function* valuesFor(
  reader: Reader,
  events: AsyncIterable<StreamEvent>,
): AsyncGenerator<ValuesEvent, void> {
  let previous: FlagSetView | undefined;
  let id = '';
  for await (const event of events) {
    const { view } = event;
    const { revision } = versionFor(view, reader.audience);
    if (event.type === 'heartbeat') yield { id, revision, ...event };
    else if (previous === undefined) {
      const all = await evaluateVisible(view, undefined, reader);
      id = await firstId(reader, view, all);
      if (id !== reader.lastEventId)
        yield { id, revision, type: 'values', view, evaluations: withVersions(view, all) };
    } else {
      const evaluations = await changesFor(reader, previous, event);
      const isChanged = Object.keys(evaluations).length > 0;
      id = nextId(reader, view, id, isChanged ? evaluations : undefined);
      if (isChanged) yield { id, revision, type: 'change', view, evaluations };
    }
    previous = view;
  }
}

// The id of the flag set changes with every edit, so public keys get a hash of what they have received.

const firstId = async (
  { audience, turns }: Reader,
  { flagSet }: FlagSetView,
  evaluations: readonly Evaluation[],
): Promise<string> =>
  audience.visibleOnly ? digestOfResults(flagSet.environment, evaluations, turns) : flagSet.id;

const nextId = (
  { audience }: Reader,
  { flagSet }: FlagSetView,
  previous: string,
  changes: object | undefined,
): string => {
  if (!audience.visibleOnly) return flagSet.id;
  return changes === undefined
    ? previous
    : hash('sha256', `${previous} ${JSON.stringify(changes)}`, 'base64url');
};

const changesFor = async (
  reader: Reader,
  previous: FlagSetView,
  event: FlagSetEvent,
): Promise<Record<string, Evaluation | null>> => {
  const { view } = event;
  const affected = affectedBy(previous, event);
  const before = await evaluateVisible(previous, affected, reader);
  const after = await evaluateVisible(view, affected, reader);
  const changed = await differing(before, after, reader);
  const present = new Set(after.map(({ flagKey }) => flagKey));
  const removed = before.filter(({ flagKey }) => !present.has(flagKey));
  return {
    ...withVersions(view, changed),
    ...Object.fromEntries(removed.map(({ flagKey }) => [flagKey, null])),
  };
};

/** Returns the evaluations that differ from those before. */
const differing = async (
  before: readonly Evaluation[],
  after: readonly Evaluation[],
  { turns }: Reader,
): Promise<readonly Evaluation[]> => {
  const resultBefore = new Map(before.map(each => [each.flagKey, each]));
  const changed: Evaluation[] = [];
  for (const each of after) {
    if (!isSame(resultBefore.get(each.flagKey), each)) changed.push(each);
    if (turns.isOver()) await turns.next();
  }
  return changed;
};

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

const evaluateVisible = (
  view: FlagSetView,
  affected: Affected,
  { context, audience, turns }: Reader,
): readonly Evaluation[] | Promise<readonly Evaluation[]> =>
  evaluateInTurns(turns, { view, audience }, keysAmong(view, audience, affected), context);

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

/** Results that need no context are created by the compiler, so most unchanged ones are the same object. */
const isSame = (a: Evaluation | undefined, b: Evaluation): boolean =>
  a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b));
