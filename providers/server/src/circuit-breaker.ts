import { backoffDelay, rejectedKeyDelay } from '@pennon/sync';
import type { ConnectionScope, Runtime, SyncError } from '@pennon/sync';

/** Stops requests to a server that fails, so evaluations do not wait for its timeouts. */
export type CircuitBreaker = {
  /** The error that opened the circuit; undefined while it is closed. */
  readonly openError: () => SyncError | undefined;
  /**
   * Returns the error to fail with, or undefined if a request may be sent. After a pause, one request is let
   * through as a trial; the others fail until it succeeds or times out.
   */
  readonly check: () => SyncError | undefined;
  trip(error: SyncError): void;
  reset(): void;
};

type CircuitBreakerOptions = {
  readonly scope: ConnectionScope;
  readonly requestTimeoutMs: number;
  /** Called when the circuit opens, closes or stays open with another error. */
  readonly onChange: () => void;
};

export const createCircuitBreaker = (
  { scope, requestTimeoutMs, onChange }: CircuitBreakerOptions,
  { now, random }: Runtime,
): CircuitBreaker => {
  let openError: SyncError | undefined;
  let failures = 0;
  let retryAt = 0;
  return {
    openError: () => openError,
    check() {
      if (openError === undefined || now() < retryAt) return openError;
      retryAt = now() + requestTimeoutMs;
      return undefined;
    },
    trip(error) {
      openError = error;
      const pauseMs = Math.max(
        scope.retryAfterMs(),
        rejectedKeyDelay(error, random),
        backoffDelay(failures, random),
      );
      retryAt = now() + pauseMs;
      failures += 1;
      onChange();
    },
    reset() {
      if (openError === undefined) return;
      openError = undefined;
      failures = 0;
      onChange();
    },
  };
};
