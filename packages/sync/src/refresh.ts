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

/** Requests the data at once. Resolves to whether the server sent or confirmed them within `timeoutMs`. */
export type Refresh = (timeoutMs: number) => Promise<boolean>;

/** Concurrent calls share one request. It uses a new connection, because an open one may be dead. */
export const createRefresh = <Data, Changed>(
  scope: ConnectionScope,
  { nextOutcome }: FollowerState<Data, Changed>,
  { setTimer, renewConnections }: Runtime,
): Refresh => {
  let isRequested = false;

  const request = () => {
    if (isRequested) return;
    isRequested = true;
    renewConnections?.();
    scope.interrupt();
    void nextOutcome().then(() => (isRequested = false));
  };
  const confirmed = async (): Promise<boolean> => {
    while (!scope.isClosed()) if (await nextOutcome()) return true;
    return false;
  };
  return timeoutMs => {
    if (!scope.isClosed()) request();
    return trueWithin(confirmed(), timeoutMs, setTimer);
  };
};
