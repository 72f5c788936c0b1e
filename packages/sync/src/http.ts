import { errorFromResponse, syncError, toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { fetchWithinOrigin } from './redirects.ts';
import type { Runtime } from './runtime.ts';

/** The arguments of a `fetch` call. */
export type RequestSpec = { readonly url: string; readonly init: RequestInit };

const interruption = (): SyncError => syncError('interrupted', { isInterruption: true });

/**
 * Owns requests and a timer, and releases all of them when it is closed. All network traffic of this package goes
 * through here.
 */
export type ConnectionScope = {
  readonly isClosed: () => boolean;
  /**
   * Sends a request, which fails if it receives nothing for `idleTimeoutMs`. `onText` receives the text as it
   * arrives, and returns the timeout until the next text, or undefined if the timeout continues.
   */
  readonly send: (
    request: RequestSpec,
    idleTimeoutMs: number,
    onText: (text: string, response: Response) => number | undefined,
  ) => Promise<Response>;
  /** Returns how many requests were sent. */
  readonly requestCount: () => number;
  /** Whether `interrupt` was called, and no request has been sent since. */
  readonly isInterrupted: () => boolean;
  /** Returns how long the server's last Retry-After header, of any request, still applies. */
  readonly retryAfterMs: () => number;
  /** Resolves after `ms`, or when the scope is closed. Supports one sleep at a time. */
  readonly sleep: (ms: number) => Promise<void>;
  /**
   * Ends requests and sleeps until the next request, so that their owner sends it at once. Does nothing while a
   * Retry-After header applies.
   */
  readonly interrupt: () => void;
  readonly close: () => void;
};

export const createConnectionScope = (runtime: Runtime): ConnectionScope => {
  const { monotonic, setTimer } = runtime;
  const inFlight = new Set<(reason?: SyncError) => void>();
  let isClosed = false;
  /** Set until the next request begins: the interruption may come between a request and a sleep. */
  let isInterrupted = false;
  let requestCount = 0;
  let retryAt = 0;
  let wake: () => void = () => undefined;

  const retryAfterMs = (): number => Math.max(0, retryAt - monotonic());
  const endAll = (reason?: SyncError) => {
    for (const end of inFlight) end(reason);
    wake();
  };

  return {
    isClosed: () => isClosed,
    async send({ url, init }, idleTimeoutMs, onText) {
      if (isClosed) throw syncError('closed');
      const controller = new AbortController();
      const { signal } = controller;
      let cancelTimer: () => void = () => undefined;
      const end = (reason = syncError('closed')) => {
        cancelTimer();
        controller.abort(reason);
      };
      const restartTimer = (ms: number) => {
        cancelTimer();
        cancelTimer = setTimer(ms, () => end(syncError(`no data for ${ms / 1_000} s`)));
      };
      restartTimer(idleTimeoutMs);
      isInterrupted = false;
      requestCount += 1;
      inFlight.add(end);
      try {
        const spec = { ...init, cache: 'no-store', signal } as const;
        const response = await fetchWithinOrigin(runtime.fetch, url, spec);
        if (!response.ok && response.status !== 304) throw await errorFromResponse(response);
        await readText(response, text => {
          // The text may have been read before the request was aborted.
          signal.throwIfAborted();
          const nextMs = onText(text, response);
          if (nextMs !== undefined) restartTimer(nextMs);
        });
        if (isInterrupted) throw interruption();
        return response;
      } catch (thrown) {
        const error = toSyncError(signal.aborted ? signal.reason : thrown);
        retryAt = Math.max(retryAt, monotonic() + (error.retryAfterMs ?? 0));
        throw error;
      } finally {
        // Releases everything that belongs to the request.
        end();
        inFlight.delete(end);
      }
    },
    requestCount: () => requestCount,
    isInterrupted: () => isInterrupted,
    retryAfterMs,
    sleep: ms =>
      new Promise(resolve => {
        if (ms <= 0 || isClosed || isInterrupted) return resolve();
        const cancel = setTimer(ms, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      }),
    interrupt() {
      if (retryAfterMs() > 0) return;
      isInterrupted = true;
      endAll(interruption());
    },
    close() {
      isClosed = true;
      endAll();
    },
  };
};

const readText = async (response: Response, onText: (text: string) => void): Promise<void> => {
  if (response.body === null) return;
  const reader = response.body.getReader();
  // Fatal: a flag with damaged text must not be served.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (;;) {
    const { done, value } = await reader.read();
    onText(decoder.decode(value, { stream: !done }));
    if (done) return;
  }
};
