/**
 * Returns an async iterable over the data of a follower. Each step yields the latest data, so a slow reader
 * skips outdated ones. Each loop starts a follower, and stops it when the loop ends or `signal` aborts.
 *
 * @example
 * for await (const flagSet of updates(onData => followFlagSet({ url, key, onData }))) show(flagSet);
 */
export const updates = <Data>(
  start: (onData: (data: Data) => void) => { stop(): void },
  signal?: AbortSignal,
): AsyncIterable<Data> => ({
  async *[Symbol.asyncIterator]() {
    let pending: { readonly data: Data } | undefined;
    let wake: () => void = () => undefined;
    let isClosed = signal?.aborted === true;
    const close = () => {
      isClosed = true;
      wake();
    };
    const follower = start(data => {
      pending = { data };
      wake();
    });
    const takePending = () => {
      const latest = pending;
      pending = undefined;
      return latest;
    };
    signal?.addEventListener('abort', close);
    try {
      for (;;) {
        if (isClosed) return;
        const latest = takePending();
        if (latest !== undefined) yield latest.data;
        else await new Promise<void>(resolve => (wake = resolve));
      }
    } finally {
      follower.stop();
      signal?.removeEventListener('abort', close);
    }
  },
});
