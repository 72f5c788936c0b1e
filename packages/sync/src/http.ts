import { errorFromResponse, syncError, toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { fetchWithinOrigin } from './redirects.ts';
import type { Runtime } from './runtime.ts';

/** The arguments of a `fetch` call. */
export type RequestSpec = { readonly url: string; readonly init: RequestInit };

/** Aborts a request that has received nothing for too long. */
type IdleTimeout = {
  readonly signal: AbortSignal;
  /** Starts the timeout again, with a new length. */
  reset(timeoutMs: number): void;
  /** Aborts the request, if it is still in flight, and cancels the timer. */
  end(reason?: SyncError): void;
};

const createIdleTimeout = ({ setTimer }: Runtime, timeoutMs: number): IdleTimeout => {
  const controller = new AbortController();
  let cancel: () => void = () => undefined;
  const reset = (ms: number) => {
    cancel();
    cancel = setTimer(ms, () => controller.abort(syncError(`no data for ${ms / 1_000} s`)));
  };
  reset(timeoutMs);
  return {
    signal: controller.signal,
    reset,
    end(reason = syncError('closed')) {
      cancel();
      controller.abort(reason);
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

/**
 * Sends a request and passes on the text of the response as it arrives. Resolves when the response is complete.
 * Rejects with a SyncError, after everything that belongs to the request has been released. All network
 * traffic of this package goes through here.
 */
const sendRequest = async (
  { fetch }: Runtime,
  { url, init }: RequestSpec,
  timeout: IdleTimeout,
  onText: (text: string, response: Response) => void,
): Promise<Response> => {
  try {
    const { signal } = timeout;
    const response = await fetchWithinOrigin(fetch, url, { ...init, cache: 'no-store', signal });
    if (response.status === 304) return response;
    if (!response.ok) throw await errorFromResponse(response);
    await readText(response, text => onText(text, response));
    return response;
  } catch (error) {
    throw toSyncError(timeout.signal.aborted ? timeout.signal.reason : error);
  } finally {
    timeout.end();
  }
};

const interruption = (): SyncError => syncError('interrupted', { isInterruption: true });

/** Owns requests and a timer, and releases all of them when it is closed. */
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
  const inFlight = new Set<IdleTimeout>();
  let isClosed = false;
  /** Set until the next request begins: the interruption may come between a request and a sleep. */
  let isInterrupted = false;
  let requestCount = 0;
  let retryAt = 0;
  let wake: () => void = () => undefined;

  const retryAfterMs = (): number => Math.max(0, retryAt - runtime.monotonic());

  const recordRetryAfter = (error: SyncError): never => {
    retryAt = Math.max(retryAt, runtime.monotonic() + (error.retryAfterMs ?? 0));
    throw error;
  };

  return {
    isClosed: () => isClosed,
    async send(request, idleTimeoutMs, onText) {
      if (isClosed) throw syncError('closed');
      const timeout = createIdleTimeout(runtime, idleTimeoutMs);
      isInterrupted = false;
      requestCount += 1;
      inFlight.add(timeout);
      try {
        const response = await sendRequest(runtime, request, timeout, (text, received) => {
          // The text may have been read before the request was aborted.
          timeout.signal.throwIfAborted();
          const nextMs = onText(text, received);
          if (nextMs !== undefined) timeout.reset(nextMs);
        }).catch(recordRetryAfter);
        if (isInterrupted) throw interruption();
        return response;
      } finally {
        inFlight.delete(timeout);
      }
    },
    requestCount: () => requestCount,
    isInterrupted: () => isInterrupted,
    retryAfterMs,
    sleep: ms =>
      new Promise(resolve => {
        if (ms <= 0 || isClosed || isInterrupted) return resolve();
        const cancel = runtime.setTimer(ms, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      }),
    interrupt() {
      if (retryAfterMs() > 0) return;
      isInterrupted = true;
      for (const timeout of inFlight) timeout.end(interruption());
      wake();
    },
    close() {
      isClosed = true;
      for (const timeout of inFlight) timeout.end();
      wake();
    },
  };
};
