/**
 * What a follower is told, as an async iterable: the newest data each time, so that a slow reader skips
 * what is outdated. Each loop is a follower of its own, which stops when the loop ends or `signal` aborts.
 *
 * @example
 * for await (const flagSet of updates(onData => followFlagSet({ url, key, onData }))) show(flagSet);
 */
export const updates = <Data>(
  start: (onData: (data: Data) => void) => { stop(): void },
  signal?: AbortSignal,
): AsyncIterable<Data> => ({
  async *[Symbol.asyncIterator]() {
    let news: { readonly data: Data } | undefined;
    let wake: () => void = () => undefined;
    let closed = signal?.aborted === true;
    const end = () => {
      closed = true;
      wake();
    };
    const follower = start(data => {
      news = { data };
      wake();
    });
    const take = () => {
      const taken = news;
      news = undefined;
      return taken;
    };
    signal?.addEventListener('abort', end);
    try {
      for (;;) {
        if (closed) return;
        const taken = take();
        if (taken !== undefined) yield taken.data;
        else await new Promise<void>(resolve => (wake = resolve));
      }
    } finally {
      follower.stop();
      signal?.removeEventListener('abort', end);
    }
  },
});
