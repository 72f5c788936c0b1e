import { parseJsonObject, sha256, unitOf } from '@pennon/sync';
import type { Runtime, Values } from '@pennon/sync';

import { isName } from './delivery.ts';
import type { OpenLane } from './delivery.ts';
import { createEventQueue } from './event-queue.ts';
import type { EventQueue, PageEvent } from './event-queue.ts';
import {
  MAX_ATTRIBUTES,
  MAX_NAME_LENGTH,
  MAX_QUEUED,
  MAX_REMEMBERED,
  MAX_UNIT_LENGTH,
} from './limits.ts';
import type { EventOptions } from './options.ts';
import type { ServerOptions } from './shared-follower.ts';
import { browserStorage, listOf, objectOf, readJson, writeJson } from './storage.ts';
import type { ValueStorage } from './storage.ts';
import { hashOf } from './subject.ts';

type Units = Readonly<Record<string, string>>;

/** A tracking event whose units are not known yet. */
type HeldEvent = readonly [event: PageEvent, name: string, context: unknown];

/** Sends the exposures and tracking events of the experiments that run. Never throws. */
export type Events = Pick<EventQueue, 'status' | 'flush' | 'leave' | 'close'> & {
  /**
   * Returns the key of the running experiment whose rule has served the result, if there is one. Also sends the
   * exposure of the unit, unless it was sent before.
   */
  expose(flagKey: string, ruleId: string, variant: string, context: unknown): string | undefined;
  /** Sends an event if it is measured. Until it is known what is measured, the event waits. */
  track(name: string, context: unknown, details: object): void;
  /** Sends the events that have waited, if it is known what is measured, and what earlier pages have stored. */
  release(): void;
};

/** `values` returns those that are in use. */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const createEvents = (
  options: EventOptions,
  { url, key: apiKey, headers }: ServerOptions,
  openLane: OpenLane,
  storage: ValueStorage | undefined,
  values: () => Values | undefined,
  runtime: Runtime,
): Events => {
  const { enabled: isEnabled = true, hashUnits, queue: maxHeld = MAX_QUEUED } = options;
  const { now } = runtime;
  const site = hashOf(JSON.stringify([url, apiKey, headers]));
  const sessionSlot = `pennon:exposures:${site}`;
  const session = storage && browserStorage('sessionStorage');
  const queue = createEventQueue(options, openLane, storage, `pennon:events:${site}`, runtime);

  let held: HeldEvent[] = [];
  /** Resolves when the units of all events so far are hashed. */
  let hashed: Promise<unknown> = Promise.resolve();
  let isRestored = false;
  let measured: Values | undefined;

  const add = (event: PageEvent, units: Units) =>
    queue.add({ ...event, ...(event.type === 'track' ? { units } : units) });
  const addUnits = (event: PageEvent, units: Units) => {
    if (!hashUnits) return add(event, units);
    const hashes = Object.entries(units).map(async ([name, unit]): Promise<[string, string]> => [
      name,
      await sha256(unit),
    ]);
    const added = Promise.all(hashes).then(
      all => add(event, Object.fromEntries(all)),
      () => queue.lose(event.type, 'units can be hashed in secure contexts only'),
    );
    hashed = Promise.all([hashed, added]);
  };

  const seen = new Set<string>();
  /** Remembers the exposures of this tab, as hashes, because units may be personal data. */
  const isRepeated = (exposure: string): boolean => {
    if (seen.has(exposure)) return true;
    if (seen.size === MAX_REMEMBERED) seen.clear();
    seen.add(exposure);
    const hash = hashOf(exposure);
    const stored = listOf(readJson(session, sessionSlot));
    if (stored.includes(hash)) return true;
    writeJson(session, sessionSlot, [...stored, hash].slice(-MAX_REMEMBERED));
    return false;
  };

  /** Returns the last values that were in use: a new context has none at first, and the same is measured. */
  const latest = () => (measured = values() ?? measured);
  /** Returns the running experiments, by key. */
  const experiments = () =>
    Object.entries(objectOf(latest()?.experiments)).map(
      ([key, experiment]) => [key, objectOf(experiment)] as const,
    );
  const release = () => {
    const current = latest();
    if (!current) return;
    if (isEnabled && !isRestored) {
      isRestored = true;
      queue.restore();
    }
    const { tracked } = current;
    // What was done before an experiment belongs to the targeting key.
    const names = new Set(['targetingKey', ...experiments().map(([, { unit }]) => String(unit))]);
    const released = held;
    held = [];
    for (const [event, name, context] of released) {
      const units = [...names].flatMap((unitName): [string, string][] => {
        const unit = unitOf(context, unitName);
        return unit === undefined || unit.length > MAX_UNIT_LENGTH ? [] : [[unitName, unit]];
      });
      const isTracked = current.experiments && (!Array.isArray(tracked) || tracked.includes(name));
      if (isTracked && units.length > 0) addUnits(event, Object.fromEntries(units));
    }
  };
  /** An application must not fail because of what it passes, such as an object that contains itself. */
  const guard = (type: PageEvent['type'], act: () => void) => {
    try {
      if (isEnabled) act();
    } catch (error) {
      queue.lose(type, `an event cannot be sent: ${String(error)}`);
    }
  };

  return {
    expose(flagKey, ruleId, variant, context) {
      const [key, experiment] =
        experiments().find(([, { flag, rule }]) => flag === flagKey && rule === ruleId) ?? [];
      if (experiment)
        guard('exposure', () => {
          const unit = unitOf(context, String(experiment['unit']));
          // The exposures of another run are not repetitions. Servers of earlier versions do not identify it.
          const exposure = JSON.stringify([experiment['run'] ?? key, variant, unit]);
          if (unit === undefined || isRepeated(exposure)) return;
          if (hashUnits || unit.length <= MAX_UNIT_LENGTH)
            addUnits({ type: 'exposure', experiment: key, variant, timeMs: now() }, { unit });
          else queue.lose('exposure', `a unit has more than ${MAX_UNIT_LENGTH} characters`);
        });
      return key;
    },
    track(name, context, details) {
      guard('track', () => {
        const { value, ...attributes }: { readonly value?: unknown } = details;
        const size = Object.keys(attributes).length;
        if (!isName(name) || size > MAX_ATTRIBUTES)
          return queue.lose(
            'track',
            `an event must have a name of 1 to ${MAX_NAME_LENGTH} characters, and at most ${MAX_ATTRIBUTES} attributes`,
          );
        // Later changes of the objects of the application have no effect on it.
        const copy = JSON.stringify({
          name,
          timeMs: now(),
          ...(Number.isFinite(value) && { value }),
          ...(size > 0 && { attributes }),
        });
        const event = { type: 'track', ...parseJsonObject(copy) } as const;
        held.push([event, name, { ...Object(context) }]);
        if (held.length > maxHeld) {
          held.shift();
          queue.lose('track', 'too many events wait for the first flags');
        }
        release();
      });
    },
    release,
    status: queue.status,
    async flush() {
      await hashed;
      return queue.flush();
    },
    leave: queue.leave,
    async close() {
      held = [];
      await hashed;
      await queue.close();
    },
  };
};
