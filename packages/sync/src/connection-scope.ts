import { createIdleTimeout, sendRequest } from './http.ts';
import type { RequestSpec, IdleTimeout } from './http.ts';
import { syncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** All of a follower that must end with it: its requests under way, and the timers it waits for. */
export type ConnectionScope = {
  readonly closed: () => boolean;
  /** Sends a request, which ends after `idleTimeoutMs` of silence. `onText` says how long it may be silent next. */
  readonly send: (
    ask: RequestSpec,
    idleTimeoutMs: number,
    onText: (text: string) => number,
  ) => Promise<Response>;
  /** For how long the server has asked to be left alone, by a Retry-After to any request. */
  readonly retryAfterMs: () => number;
  /** Resolves after `ms`, or when life ends. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly end: () => void;
};

export const createConnectionScope = (world: Runtime): ConnectionScope => {
  const underWay = new Set<IdleTimeout>();
  let closed = false;
  let heldUntil = 0;
  let wake: () => void = () => undefined;

  const hold = (error: SyncError): never => {
    heldUntil = Math.max(heldUntil, world.now() + (error.retryAfterMs ?? 0));
    throw error;
  };

  return {
    closed: () => closed,
    async send(ask, idleTimeoutMs, onText) {
      if (closed) throw syncError('stopped');
      const watch = createIdleTimeout(world, idleTimeoutMs);
      underWay.add(watch);
      try {
        return await sendRequest(world, ask, watch, text => watch.reset(onText(text))).catch(hold);
      } finally {
        underWay.delete(watch);
      }
    },
    retryAfterMs: () => Math.max(0, heldUntil - world.now()),
    sleep: ms =>
      new Promise(resolve => {
        if (ms <= 0 || closed) return resolve();
        const cancel = world.setTimer(ms, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      }),
    end() {
      closed = true;
      for (const watch of underWay) watch.end();
      wake();
    },
  };
};
