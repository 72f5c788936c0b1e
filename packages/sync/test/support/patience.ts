import { vi } from 'vitest';

/** Less than a test has, so that the condition is reported. A busy machine must not fail a test. */
const PATIENCE = { timeout: 90_000 };

/** Repeats an assertion until it holds. */
export const eventually = <Value>(assertion: () => Value | Promise<Value>): Promise<Value> =>
  vi.waitFor(assertion, PATIENCE);

/** Resolves once the condition is true. */
export const until = (condition: () => boolean | Promise<boolean>): Promise<unknown> =>
  vi.waitUntil(condition, PATIENCE);
