import { systemClock, type Clock } from '../../src/clock.ts';

/** Returns a clock with a time of day that does not change, so that no minute ends during a test. */
export const stoppedClock = (): Clock => {
  const now = systemClock.now();
  return { ...systemClock, now: () => now };
};

/** A clock that can be some time behind. */
export type ShiftedClock = { readonly clock: Clock; readonly setBehind: (ms: number) => void };

export const shiftedClock = (): ShiftedClock => {
  let behind = 0;
  return {
    clock: { ...systemClock, now: () => systemClock.now() - behind },
    setBehind: ms => {
      behind = ms;
    },
  };
};
