import type { FollowerState } from './follower-state.ts';
import type { ConnectionScope } from './http.ts';
import type { Runtime } from './runtime.ts';

/** Resolves to the result, or to false after `ms`. */
export const trueWithin = (
  promise: Promise<boolean>,
  ms: number,
  setTimer: Runtime['setTimer'],
): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const cancelTimer = setTimer(ms, () => resolve(false));
    promise.finally(cancelTimer).then(resolve, reject);
  });

/**
 * Requests the data at once. Resolves to whether the server sent or confirmed them within `timeoutMs`, in response to
 * a request that was sent after the call.
 */
export type Refresh = (timeoutMs: number) => Promise<boolean>;

/**
 * A call while the request of an earlier one is under way waits for it, and then shares another request with all
 * calls that have waited, too. Each uses a new connection, because an open one may be dead.
 */
export const createRefresh = <Data, Changed>(
  { isClosed, interrupt, requestCount }: ConnectionScope,
  { onNextOutcome }: FollowerState<Data, Changed>,
  { setTimer, renewConnections }: Runtime,
): Refresh => {
  let isUnderWay = false;

  const request = () => {
    if (isUnderWay) return;
    isUnderWay = true;
    onNextOutcome(() => {
      isUnderWay = false;
    });
    renewConnections?.();
    interrupt();
  };
  /** Calls `settle` with the outcome of a request after the first `sentBefore` ones. The follower repeats failed ones. */
  const settleAfter = (sentBefore: number, settle: (isConfirmed: boolean) => void): void => {
    if (isClosed()) return settle(false);
    if (requestCount() === sentBefore) request();
    onNextOutcome(isConfirmed => {
      if (isConfirmed && requestCount() > sentBefore) settle(true);
      else settleAfter(sentBefore, settle);
    });
  };
  return timeoutMs =>
    trueWithin(new Promise(resolve => settleAfter(requestCount(), resolve)), timeoutMs, setTimer);
};
