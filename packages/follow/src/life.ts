import { createWatch, exchange } from './exchange.ts';
import type { Ask, Watch } from './exchange.ts';
import { trouble } from './trouble.ts';
import type { Trouble } from './trouble.ts';
import type { World } from './world.ts';

/** All of a follower that must end with it: its requests under way, and the timers it waits for. */
export type Life = {
  readonly ended: () => boolean;
  /** Sends a request, which ends after `quietMs` of silence. `onText` says how long it may be silent next. */
  readonly send: (ask: Ask, quietMs: number, onText: (text: string) => number) => Promise<Response>;
  /** For how long the server has asked to be left alone, by a Retry-After to any request. */
  readonly holdMs: () => number;
  /** Resolves after `ms`, or when life ends. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly end: () => void;
};

export const createLife = (world: World): Life => {
  const underWay = new Set<Watch>();
  let ended = false;
  let heldUntil = 0;
  let wake: () => void = () => undefined;

  const hold = (error: Trouble): never => {
    heldUntil = Math.max(heldUntil, world.now() + (error.retryAfterMs ?? 0));
    throw error;
  };

  return {
    ended: () => ended,
    async send(ask, quietMs, onText) {
      if (ended) throw trouble('stopped');
      const watch = createWatch(world, quietMs);
      underWay.add(watch);
      try {
        return await exchange(world, ask, watch, text => watch.heard(onText(text))).catch(hold);
      } finally {
        underWay.delete(watch);
      }
    },
    holdMs: () => Math.max(0, heldUntil - world.now()),
    sleep: ms =>
      new Promise(resolve => {
        if (ms <= 0 || ended) return resolve();
        const cancel = world.after(ms, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      }),
    end() {
      ended = true;
      for (const watch of underWay) watch.end();
      wake();
    },
  };
};
