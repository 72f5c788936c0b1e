import type { EventBatch } from '@pennon/schema';

import { seesOnlyVisible, type Caller } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Expose, Exposure } from '../evaluation/exposures.ts';
import type { Random } from '../random.ts';
import { acceptEvents, type AcceptServices } from './accept.ts';

/** Sends the exposures of evaluations on this server to the log, as a provider does over HTTP. */
export type Exposer = {
  readonly expose: Expose;
  /** Sends what waits. Resolves when the log has it, or cannot be written. */
  close(): Promise<void>;
};

type ExposerServices = AcceptServices & { readonly clock: Clock; readonly random: Random };

/** Exposures of callers who see the same flags of an environment. */
type Group = {
  readonly caller: Caller;
  readonly environment: string;
  readonly events: (Omit<Exposure, 'run'> & {
    readonly type: 'exposure';
    readonly timeMs: number;
  })[];
};

/** A group with what identifies it in the log, so that it counts once if it is sent again. */
type Batch = Group & Pick<EventBatch, 'sequence'> & { readonly since: number };

const FLUSH_MS = 1_000;
const RETRY_MS = 5_000;
const GIVE_UP_MS = 15 * 60_000;
const MAX_EVENTS = 500;
const MAX_WAITING = 10_000;
const INSTANCE_LENGTH = 22;
const SDK = 'exposeOnEvaluate';

export const createExposer = (
  services: ExposerServices,
  onError: (error: unknown) => void,
): Exposer => {
  const { clock, random } = services;
  const memory = createMemory();
  const instance = random(INSTANCE_LENGTH);
  let sequence = 0;
  let waiting = 0;
  let dropped = 0;
  const groups = new Map<string, Group>();
  const batches: Batch[] = [];
  let sending: Promise<void> | undefined;
  let cancel: (() => void) | undefined;

  const schedule = (ms: number): void => {
    cancel ??= clock.after(ms, () => {
      cancel = undefined;
      void flush();
    });
  };
  const seal = (): void => {
    for (const group of groups.values())
      for (let at = 0; at < group.events.length; at += MAX_EVENTS) {
        const events = group.events.slice(at, at + MAX_EVENTS);
        batches.push({ ...group, events, sequence: (sequence += 1), since: clock.monotonic() });
      }
    groups.clear();
  };
  /** Returns whether the batch needs no other attempt. */
  const send = async ({ caller, environment, events, ...batch }: Batch): Promise<boolean> => {
    const head = { instance, sequence: batch.sequence, sentAtMs: clock.now(), sdk: SDK };
    const lost = dropped > 0 ? { dropped: { exposures: dropped, tracks: 0 } } : {};
    try {
      await acceptEvents(services, caller, { batch: { ...head, events, ...lost }, environment });
      if ('dropped' in lost) dropped -= lost.dropped.exposures;
      return true;
    } catch (error) {
      const isAway = error instanceof PennonError && error.code === 'SERVICE_UNAVAILABLE';
      if (isAway && clock.monotonic() - batch.since < GIVE_UP_MS) return false;
      onError(error);
      dropped += events.length;
      return true;
    }
  };
  const sendAll = async (): Promise<void> => {
    for (let batch = batches[0]; batch !== undefined; batch = batches[0]) {
      if (!(await send(batch))) return schedule(RETRY_MS);
      batches.shift();
      waiting -= batch.events.length;
    }
  };
  const flush = (): Promise<void> => {
    seal();
    sending ??= sendAll().finally(() => {
      sending = undefined;
      if (groups.size > 0) schedule(FLUSH_MS);
    });
    return sending;
  };

  return {
    expose(caller, environment, { run, ...exposure }) {
      const timeMs = clock.now();
      const identity = `${run} ${exposure.variant} ${exposure.unit}`;
      if (memory.isRepeated(identity, timeMs)) return;
      if (waiting >= MAX_WAITING) {
        dropped += 1;
        memory.forget(identity);
        return;
      }
      waiting += 1;
      const name = `${seesOnlyVisible(caller)} ${environment}`;
      const group = groups.get(name) ?? { caller, environment, events: [] };
      group.events.push({ type: 'exposure', ...exposure, timeMs });
      groups.set(name, group);
      schedule(FLUSH_MS);
    },
    async close() {
      cancel?.();
      await flush();
      cancel?.();
    },
  };
};

const DAY_MS = 86_400_000;
const MAX_REMEMBERED = 100_000;

/** Remembers the exposures of a day in UTC. */
const createMemory = () => {
  const seen = new Set<string>();
  let day = 0;
  return {
    isRepeated(exposure: string, now: number): boolean {
      const today = Math.floor(now / DAY_MS);
      if (today !== day || seen.size >= MAX_REMEMBERED) seen.clear();
      day = today;
      const isRepeated = seen.has(exposure);
      seen.add(exposure);
      return isRepeated;
    },
    forget: (exposure: string) => void seen.delete(exposure),
  };
};
