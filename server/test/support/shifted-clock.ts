import { systemClock, type Clock } from '../../src/clock.ts';

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
