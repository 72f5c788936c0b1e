import { syncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { clockOffset } from './runtime.ts';
import type { Runtime } from './runtime.ts';
import { IDLE_TIMEOUT_MS, LATE_MS, TICK_MS } from './times.ts';

/** A time in which this process did not run. */
export type Pause = {
  readonly ms: number;
  /** The part that the monotonic clock did not measure, because it stopped. */
  readonly unmeasuredMs: number;
};

/** Whether the data do not count as current after the pause, until the server has confirmed them. */
export const isLongPause = ({ ms }: Pick<Pause, 'ms'>): boolean => ms > IDLE_TIMEOUT_MS;

export const pausedError = ({ ms }: Pick<Pause, 'ms'>): SyncError =>
  syncError(`this process was paused for ${Math.round(ms / 1_000)} s`);

/** Calls `onPause` at once if the process was paused since the last tick; and ends the watch. */
export type PauseWatch = readonly [check: () => void, stop: () => void];

/**
 * Watches for times in which this process did not run: it was frozen, its machine slept, or its event loop was
 * blocked. A timer that is overdue shows a pause. The monotonic clock may stop while a machine sleeps, so a
 * time of day that is far ahead of it shows one, too.
 */
export const watchPauses = (runtime: Runtime, onPause: (pause: Pause) => void): PauseWatch => {
  const { monotonic, setTimer } = runtime;
  let tickedAt = monotonic();
  let offsetAtTick = clockOffset(runtime);
  let cancelTimer: () => void = () => undefined;

  const check = () => {
    const aheadMs = clockOffset(runtime) - offsetAtTick;
    const lateMs = monotonic() - tickedAt - TICK_MS;
    const unmeasuredMs = aheadMs > IDLE_TIMEOUT_MS ? aheadMs : 0;
    const ms = Math.max(0, lateMs) + unmeasuredMs;
    if (ms <= LATE_MS) return;
    reset();
    onPause({ ms, unmeasuredMs });
  };
  const reset = () => {
    tickedAt = monotonic();
    offsetAtTick = clockOffset(runtime);
  };
  const tick = () => {
    // Before the check, because its callback may end the watch.
    cancelTimer = setTimer(TICK_MS, tick);
    check();
    reset();
  };
  tick();
  return [check, () => cancelTimer()];
};
