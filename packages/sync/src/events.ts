import { sha256 } from './delivery.ts';
import { createEventQueue } from './event-queue.ts';
import type { EventQueue, EventQueueOptions } from './event-queue.ts';
import { parseMeasured, unitOf } from './measured.ts';
import type { Measured, MeasuredEnvelope, RunningExperiment } from './measured.ts';
import type { Runtime } from './runtime.ts';

export type EventsOptions = EventQueueOptions & {
  /** If false, nothing is sent. */
  readonly isEnabled: boolean;
  /** Returns the flag set or the values that are in use, or undefined before the first. */
  readonly envelope: () => MeasuredEnvelope | undefined;
  /** Returns whether it was called with the same exposure before, and remembers it. */
  readonly isRepeated: (exposure: string) => boolean;
};

/** What was served. */
type Result = { readonly ruleId?: string | undefined; readonly variant?: string | undefined };

/** Sends exposures and tracking events. Never throws. */
export type Events = Omit<EventQueue, 'add' | 'drop' | 'restore'> & {
  /**
   * Returns the key of the running experiment whose rule has served the result, if there is one. Also sends the
   * exposure of the unit, unless it was sent before.
   */
  expose(flagKey: string, result: Result, context: unknown): string | undefined;
  /** Sends an event if it is measured. Until it is known what is measured, the event waits. */
  track(name: string, context: unknown, details: object): void;
  /** Sends the events that have waited, if it is known what is measured. */
  release(): void;
};

/** An event whose units are not known yet. */
type HeldEvent = { readonly name: string; readonly text: string; readonly context: unknown };

const MAX_NAME_LENGTH = 100;
const MAX_UNIT_LENGTH = 256;
const MAX_ATTRIBUTES = 20;
const MAX_EVENT_BYTES = 4_096;

export const createEvents = (options: EventsOptions, runtime: Runtime): Events => {
  const { isEnabled, hashUnits, limits } = options;
  const queue = createEventQueue(options, runtime);
  const { now } = runtime;
  const reader = createMeasuredReader(options.envelope);
  let held: HeldEvent[] = [];
  /** Resolves when the units of all events so far are hashed. */
  let hashed: Promise<unknown> = Promise.resolve();

  /** Adds an event to the queue. `text` is the JSON of all but the units. */
  const add = (exposure: string | undefined, text: string, units: object) => {
    const whole = `${text.slice(0, -1)},${JSON.stringify(units).slice(1)}`;
    if (new TextEncoder().encode(whole).length <= MAX_EVENT_BYTES)
      queue.add({ text: whole, exposure });
    else queue.drop({ exposure }, `an event has more than ${MAX_EVENT_BYTES} bytes`);
  };
  const addHashed = (exposure: string | undefined, text: string, units: () => Promise<object>) => {
    const added = units().then(
      all => add(exposure, text, all),
      () => queue.drop({ exposure }, 'units can be hashed in secure contexts only'),
    );
    hashed = Promise.all([hashed, added]).then(() => undefined);
  };

  const sendExposure = (running: RunningExperiment, variant: string, unit: string) => {
    const exposure = `${reader.runOf(running)} ${variant} ${unit}`;
    if (options.isRepeated(exposure)) return;
    const text = JSON.stringify({
      type: 'exposure',
      experiment: running.key,
      variant,
      timeMs: now(),
    });
    if (hashUnits) addHashed(exposure, text, async () => ({ unit: await sha256(unit) }));
    else if (unit.length <= MAX_UNIT_LENGTH) add(exposure, text, { unit });
    else queue.drop({ exposure }, `a unit has more than ${MAX_UNIT_LENGTH} characters`);
  };

  const sendTracked = ({ name, text, context }: HeldEvent, { isTracked, units }: Measured) => {
    if (!isTracked(name)) return;
    const found = unitsIn(context, units);
    if (found.length === 0) return;
    if (!hashUnits) return add(undefined, text, { units: Object.fromEntries(found) });
    addHashed(undefined, text, async () => {
      const hashes = found.map(async ([each, unit]) => [each, await sha256(unit)] as const);
      return { units: Object.fromEntries(await Promise.all(hashes)) };
    });
  };
  const release = () => {
    const measured = reader.current();
    if (measured === undefined) return;
    if (isEnabled) queue.restore();
    const events = held;
    held = [];
    for (const event of events) sendTracked(event, measured);
  };
  /** An application must not fail because of what it passes, such as an object that contains itself. */
  const guard = (exposure: string | undefined, act: () => void) => {
    try {
      act();
    } catch (error) {
      queue.drop({ exposure }, `an event cannot be sent: ${String(error)}`);
    }
  };

  return {
    ...queue,
    expose(flagKey, { ruleId, variant }, context) {
      if (ruleId === undefined || variant === undefined) return undefined;
      const experiment = reader.current()?.experimentOf(flagKey, ruleId);
      if (experiment === undefined) return undefined;
      if (isEnabled)
        guard(flagKey, () => {
          const unit = unitOf(context, experiment.unit);
          if (unit !== undefined) sendExposure(experiment, variant, unit);
        });
      return experiment.key;
    },
    track(name, context, details) {
      if (!isEnabled) return;
      guard(undefined, () => {
        const event = toTracked(name, details, now());
        if (typeof event !== 'object') return queue.drop({}, event);
        held.push({ name, text: JSON.stringify(event), context: { ...Object(context) } });
        if (held.length > limits.queue) {
          held.shift();
          queue.drop({}, 'too many events have waited for the first flags');
        }
        release();
      });
    },
    release,
    async flush() {
      await hashed;
      return queue.flush();
    },
    async close() {
      held = [];
      await hashed;
      await queue.close();
    },
  };
};

/** Returns a tracking event without units, or why it cannot be sent. */
const toTracked = (name: string, details: object, timeMs: number): object | string => {
  const { value, ...attributes }: { readonly value?: unknown } = details;
  const count = Object.keys(attributes).length;
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH)
    return `the name of an event must have 1 to ${MAX_NAME_LENGTH} characters`;
  if (count > MAX_ATTRIBUTES)
    return `the event "${name}" has more than ${MAX_ATTRIBUTES} attributes`;
  return {
    type: 'track',
    name,
    timeMs,
    ...(Number.isFinite(value) && { value }),
    ...(count > 0 && { attributes }),
  };
};

const unitsIn = (context: unknown, names: readonly string[]): (readonly [string, string])[] =>
  names
    .map(name => [name, unitOf(context, name) ?? ''] as const)
    .filter(([, unit]) => unit !== '' && unit.length <= MAX_UNIT_LENGTH);

/** Reads what is measured from the latest envelope, once for each that differs. */
const createMeasuredReader = (envelope: EventsOptions['envelope']) => {
  /** How often an experiment has ended, for servers that do not identify runs. */
  const endings = new Map<string, number>();
  let source: MeasuredEnvelope = {};
  let measured: Measured | undefined;
  return {
    /** The exposures of another run are not repetitions. */
    runOf: ({ key, run }: RunningExperiment) =>
      typeof run === 'string' ? run : `${key} ${endings.get(key) ?? 0}`,
    /** Returns undefined before the first envelope. */
    current(): Measured | undefined {
      const next = envelope();
      if (next === undefined) return measured;
      const isSame = next.experiments === source.experiments && next.tracked === source.tracked;
      if (measured !== undefined && isSame) return measured;
      const previous = measured;
      measured = parseMeasured(next);
      source = next;
      for (const key of previous?.experiments ?? [])
        if (!measured.experiments.has(key)) endings.set(key, (endings.get(key) ?? 0) + 1);
      return measured;
    },
  };
};

const DAY_MS = 86_400_000;

/** Remembers the most recent exposures of a day in UTC. */
export const createDailyMemory = (
  maxExposures: number,
  { now }: Pick<Runtime, 'now'>,
): Required<Pick<EventsOptions, 'isRepeated' | 'onLost'>> => {
  const seen = new Set<string>();
  let day = 0;
  return {
    isRepeated(exposure) {
      const today = Math.floor(now() / DAY_MS);
      if (today !== day) seen.clear();
      day = today;
      // The order matters only when it decides which one is removed.
      if (seen.size < maxExposures && seen.has(exposure)) return true;
      const isRepeated = seen.delete(exposure);
      seen.add(exposure);
      // A set iterates in the order of insertion, so the first one is the least recently used.
      for (const oldest of seen) {
        if (seen.size <= maxExposures) break;
        seen.delete(oldest);
      }
      return isRepeated;
    },
    onLost: exposure => void seen.delete(exposure),
  };
};
