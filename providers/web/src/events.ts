import { createEvents, isJsonObject } from '@pennon/sync';
import type { BatchStorage, EventBatch, Events, Runtime, Values } from '@pennon/sync';

import { createLastRequests, onLeave } from './leaving.ts';
import type { OnlineOptions } from './options.ts';
import type { ValueStorage } from './persistence.ts';
import type { ServerOptions } from './shared-follower.ts';
import { hashOf } from './subject.ts';

/** Sends exposures and tracking events of a page. */
export type PageEvents = Omit<Events, 'handOver'> & {
  /** Sends what waits when the page is left, from now on. */
  listen(): void;
};

const LIMITS = {
  queue: 500,
  flushMs: 2_000,
  flushEvents: 50,
  // A browser accepts beacons of 64 KiB, together with those that are on their way.
  batchEvents: 25,
  batchBytes: 60_000,
};

type PageEventsOptions = {
  readonly options: OnlineOptions;
  readonly server: ServerOptions;
  readonly storage: ValueStorage | undefined;
  /** Returns the values that are in use. */
  readonly values: () => Values | undefined;
  readonly onProblem: (message: string) => void;
};

export const createPageEvents = (
  { options, server, storage, values, onProblem }: PageEventsOptions,
  runtime: Runtime,
): PageEvents => {
  const { enabled = true, hashUnits = false, flushMs, queue } = options.events ?? {};
  const name = hashOf(JSON.stringify([server.url, server.key, server.headers]));
  const { handOver, ...events } = createEvents(
    {
      ...server,
      sdk: '@pennon/web-provider',
      isEnabled: enabled,
      hashUnits,
      limits: {
        ...LIMITS,
        flushMs: flushMs ?? LIMITS.flushMs,
        queue: queue ?? LIMITS.queue,
      },
      storage: storage && createBatchStorage(`pennon:events:${name}`, storage, runtime),
      envelope: values,
      isRepeated: createPageMemory(`pennon:exposures:${name}`, storage && browserSession()),
      onProblem,
    },
    runtime,
  );
  const { hasBeacons, sendBeacon, post } = createLastRequests(options, server, runtime);
  const leave = () =>
    handOver(({ url, init }, text) => {
      // What a beacon has no room for, or no network, waits in the storage for the next page.
      if (hasBeacons) return navigator.onLine && sendBeacon(url, text);
      post(url, init);
      return true;
    });
  const closing = new AbortController();
  return {
    ...events,
    listen: () => onLeave(leave, closing.signal),
    close() {
      closing.abort();
      return events.close();
    },
  };
};

const MAX_STORED = 102_400;
const MAX_STORED_MS = 86_400_000;

/**
 * Pages of the same site share the storage. A batch that several of them send counts once, because it keeps its
 * instance and sequence.
 */
const createBatchStorage = (
  slot: string,
  storage: ValueStorage,
  { now }: Pick<Runtime, 'now'>,
): BatchStorage => {
  const load = (): readonly EventBatch[] => {
    const time = now();
    return listIn(storage, slot).filter(
      (batch): batch is EventBatch =>
        isJsonObject(batch) &&
        Array.isArray(batch['events']) &&
        Math.abs(time - Number(batch['at'])) < MAX_STORED_MS,
    );
  };
  const save = (batches: readonly EventBatch[]): void => {
    const latest = [...batches];
    let text = JSON.stringify(latest);
    while (text.length > MAX_STORED) {
      latest.shift();
      text = JSON.stringify(latest);
    }
    setText(storage, slot, latest.length > 0 ? text : undefined);
  };
  return {
    load,
    add: batches => save([...load(), ...batches]),
    remove: batches =>
      save(
        load().filter(
          ({ instance, sequence }) =>
            !batches.some(each => each.instance === instance && each.sequence === sequence),
        ),
      ),
  };
};

const MAX_REMEMBERED = 500;

/** Remembers the exposures of this tab, as hashes, because units may be personal data. */
const createPageMemory = (
  slot: string,
  storage: ValueStorage | undefined,
): ((exposure: string) => boolean) => {
  const seen = new Set<string>();
  return exposure => {
    if (seen.has(exposure)) return true;
    if (seen.size === MAX_REMEMBERED) seen.clear();
    seen.add(exposure);
    const hash = hashOf(exposure);
    const stored = listIn(storage, slot);
    if (stored.includes(hash)) return true;
    setText(storage, slot, JSON.stringify([...stored, hash].slice(-MAX_REMEMBERED)));
    return false;
  };
};

/** Returns the list in a slot. The storage may be blocked or hold anything else. */
const listIn = (storage: ValueStorage | undefined, slot: string): readonly unknown[] => {
  try {
    const list: unknown = JSON.parse(storage?.getItem(slot) ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
};

/** The storage may be full or blocked. The provider then works without it. */
const setText = (
  storage: ValueStorage | undefined,
  slot: string,
  text: string | undefined,
): void => {
  try {
    if (text === undefined) storage?.removeItem(slot);
    else storage?.setItem(slot, text);
  } catch {
    // The page still has the events.
  }
};

/** Returns `sessionStorage`, or undefined outside of a page and if the browser blocks it. */
const browserSession = (): ValueStorage | undefined => {
  try {
    return typeof document === 'undefined' ? undefined : globalThis.sessionStorage;
  } catch {
    return undefined;
  }
};
