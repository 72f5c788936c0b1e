import { asTrouble, trouble, unsuccessful } from './trouble.ts';
import type { World } from './world.ts';

/** One request, ready to be sent. */
export type Ask = { readonly url: string; readonly init: RequestInit };

/** A request under way, which ends when it has been silent for too long. */
export type Watch = {
  readonly signal: AbortSignal;
  /** Something was heard: the silence begins anew. */
  heard(quietMs: number): void;
  end(): void;
};

export const createWatch = ({ after }: World, quietMs: number): Watch => {
  const ending = new AbortController();
  let cancel: () => void = () => undefined;
  const heard = (ms: number) => {
    cancel();
    cancel = after(ms, () => ending.abort(trouble(`nothing was heard for ${ms / 1_000} s`)));
  };
  heard(quietMs);
  return {
    signal: ending.signal,
    heard,
    end() {
      cancel();
      ending.abort(trouble('stopped'));
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
 * Resolves when the answer has ended; rejects with trouble, and then nothing is left of the request.
 */
export const exchange = async (
  { fetch, now }: World,
  { url, init }: Ask,
  watch: Watch,
  onText: (text: string) => void,
): Promise<Response> => {
  try {
    const response = await fetch(url, { ...init, cache: 'no-store', signal: watch.signal });
    if (response.status === 304) return response;
    if (!response.ok) throw await unsuccessful(response, now());
    await readText(response, onText);
    return response;
  } catch (error) {
    throw asTrouble(watch.signal.aborted ? watch.signal.reason : error);
  } finally {
    watch.end();
  }
};
