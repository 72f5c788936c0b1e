import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { defaultRuntime } from '../src/index.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const DAY_MS = 86_400_000;

it.each([Number.POSITIVE_INFINITY, 30 * DAY_MS])(
  'a timer of %i ms does not fire immediately',
  ms => {
    const fired = vi.fn<() => void>();
    const cancel = defaultRuntime.setTimer(ms, fired);
    vi.advanceTimersByTime(24 * DAY_MS);
    expect(fired).not.toHaveBeenCalled();
    cancel();
    expect(vi.getTimerCount()).toBe(0);
  },
);
