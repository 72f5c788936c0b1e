import { toSyncError, syncError, errorFromResponse } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** One request, ready to be sent. */
export type RequestSpec = { readonly url: string; readonly init: RequestInit };

/** A request under way, which ends when it has been silent for too long. */
export type IdleTimeout = {
  readonly signal: AbortSignal;
  /** Something was reset: the silence begins anew. */
  reset(idleTimeoutMs: number): void;
  end(): void;
};

export const createIdleTimeout = ({ setTimer }: Runtime, idleTimeoutMs: number): IdleTimeout => {
  const ending = new AbortController();
  let cancel: () => void = () => undefined;
  const reset = (ms: number) => {
    cancel();
    cancel = setTimer(ms, () => ending.abort(syncError(`nothing was reset for ${ms / 1_000} s`)));
  };
  reset(idleTimeoutMs);
  return {
    signal: ending.signal,
    reset,
    end() {
      cancel();
      ending.abort(syncError('stopped'));
    },
  };
};

const readText = async (response: Response, onText: (text: string) => void): Promise<void> => {
  if (response.body === null) return;
  const reader = response.body.getReader();
  // Fatal: a flag whose text was damaged on its way must not be served.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (;;) {
    const { done, value } = await reader.read();
    onText(decoder.decode(value, { stream: !done }));
    if (done) return;
  }
};

/**
 * The only place that touches the network: sends a request and hands over the answer's text as it comes.
 * Resolves when the answer has closed; rejects with syncError, and then nothing is left of the request.
 */
export const sendRequest = async (
  { fetch, now }: Runtime,
  { url, init }: RequestSpec,
  watch: IdleTimeout,
  onText: (text: string) => void,
): Promise<Response> => {
  try {
    const response = await fetch(url, { ...init, cache: 'no-store', signal: watch.signal });
    if (response.status === 304) return response;
    if (!response.ok) throw await errorFromResponse(response, now());
    await readText(response, onText);
    return response;
  } catch (error) {
    throw toSyncError(watch.signal.aborted ? watch.signal.reason : error);
  } finally {
    watch.end();
  }
};
