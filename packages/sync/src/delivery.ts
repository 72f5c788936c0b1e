import { isAuthError, isRequestError, toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { createConnectionScope } from './http.ts';
import type { RequestSpec } from './http.ts';
import { trueWithin } from './refresh.ts';
import type { Runtime } from './runtime.ts';
import { buildRequest, routeOf } from './synced-resource.ts';
import type { Address } from './synced-resource.ts';
import { FIRST_RETRY_MS, LONGEST_RETRY_MS, RESPONSE_TIMEOUT_MS } from './times.ts';

/** The version of all packages, which are released together. */
export const VERSION = '0.1.0';

/** A batch that is not accepted for so long is given up. The server knows repeated ones for longer. */
const GIVE_UP_MS = 900_000;
/** How long `close` and `flush` wait for the server. */
export const CLOSE_TIMEOUT_MS = 2_000;

export type DeliveryOptions<Batch> = Address & {
  readonly route: string;
  /** What the warning begins with if a batch is not accepted. */
  readonly problem: string;
  /** Called once when batches are not accepted, and again only after one was. */
  readonly onProblem: (message: string) => void;
  /** Returns the body of a request, with further fields. */
  readonly textOf: (batch: Batch, fields: object) => string;
  /** Called with the response when the server has accepted a batch. */
  readonly onAccepted?: (batch: Batch, response: string) => void;
  /** Called when a batch is given up. The same batch would be refused again if `isFinal`. */
  readonly onGivenUp?: (batch: Batch, error: SyncError, isFinal: boolean) => void;
};

/**
 * Sends batches to the server, one at a time, until each is accepted or given up. A batch that is sent again is the
 * same, so that it counts once. Never throws.
 */
export type Delivery<Batch> = {
  /** What the server has not accepted, the oldest first. The first one may be on its way. */
  readonly waiting: Set<Batch>;
  readonly isActive: () => boolean;
  /** Sends what waits. Resolves when nothing does. */
  readonly start: () => Promise<void>;
  /** Ends the wait for the next attempt, unless the server requires it. */
  readonly hurry: () => void;
  /**
   * Passes on all that waits, for a page that may not live until a response: as a request, and as text with the key
   * in it. What is passed on without success still waits.
   */
  readonly handOver: (send: (request: RequestSpec, text: string) => boolean) => readonly Batch[];
  /** Sends the rest. Waits for the server, but at most 2 s. */
  close(): Promise<void>;
};

export const createDelivery = <Batch>(
  options: DeliveryOptions<Batch>,
  runtime: Runtime,
): Delivery<Batch> => {
  const { monotonic, random, setTimer } = runtime;
  const { key, route, textOf, onAccepted, onGivenUp } = options;
  const scope = createConnectionScope(runtime);
  const waiting = new Set<Batch>();
  let running: Promise<void> | undefined;
  let isAsleep = false;
  let isRefused = false;

  const requestOf = (batch: Batch): RequestSpec =>
    buildRequest(options, routeOf(route, options), { body: textOf(batch, {}) });

  /** Sends a batch once. Resolves to the error, if there is one. */
  const send = async (
    batch: Batch,
    connection: typeof scope,
    timeoutMs: number,
  ): Promise<SyncError | undefined> => {
    let response = '';
    try {
      await connection.send(requestOf(batch), timeoutMs, text => void (response += text));
    } catch (error) {
      return toSyncError(error);
    }
    isRefused = false;
    if (waiting.delete(batch)) onAccepted?.(batch, response);
    return undefined;
  };

  const giveUp = (batch: Batch, error: SyncError, isFinal: boolean) => {
    waiting.delete(batch);
    if (!isRefused) options.onProblem(`${options.problem}: ${error.message}`);
    isRefused = true;
    onGivenUp?.(batch, error, isFinal);
  };

  /** Sends a batch until it is accepted or given up, or until others are responsible for it. */
  const deliver = async (batch: Batch): Promise<void> => {
    const giveUpAt = monotonic() + GIVE_UP_MS;
    for (let failures = 0; ; failures += 1) {
      const error = await send(batch, scope, RESPONSE_TIMEOUT_MS);
      if (error === undefined || !waiting.has(batch) || scope.isClosed()) return;
      const delay = Math.max(scope.retryAfterMs(), retryDelay(failures, random));
      const isFinal = isAuthError(error) || isRequestError(error);
      if (isFinal || monotonic() + delay > giveUpAt) return giveUp(batch, error, isFinal);
      isAsleep = true;
      await scope.sleep(delay);
      isAsleep = false;
      if (!waiting.has(batch) || scope.isClosed()) return;
    }
  };

  const deliverAll = async (): Promise<void> => {
    for (const batch of waiting) {
      if (scope.isClosed()) break;
      await deliver(batch);
    }
    running = undefined;
  };

  return {
    waiting,
    isActive: () => running !== undefined,
    start: () => (waiting.size === 0 ? Promise.resolve() : (running ??= deliverAll())),
    hurry() {
      if (isAsleep) scope.interrupt();
    },
    handOver(pass) {
      const passed = [...waiting].filter(batch => pass(requestOf(batch), textOf(batch, { key })));
      for (const batch of passed) waiting.delete(batch);
      return passed;
    },
    async close() {
      if (scope.isClosed()) return;
      scope.close();
      if (waiting.size === 0) return;
      const last = createConnectionScope(runtime);
      const sent = [...waiting].map(batch => send(batch, last, CLOSE_TIMEOUT_MS));
      await trueWithin(
        Promise.all(sent).then(() => true),
        CLOSE_TIMEOUT_MS,
        setTimer,
      );
      last.close();
    },
  };
};

/** Drawn from the whole range, so that the providers of a restarted server do not all return at the same time. */
export const retryDelay = (failures: number, random: () => number): number =>
  FIRST_RETRY_MS +
  random() * Math.min(LONGEST_RETRY_MS - FIRST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);

/** Returns the bytes of a text, as a request has it. */
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Returns the items in parts that each fit into one request. */
export const inParts = <Item>(
  items: readonly Item[],
  textOf: (item: Item) => string,
  maxItems: number,
  maxBytes: number,
): readonly Item[][] => {
  const parts: Item[][] = [];
  let part: Item[] = [];
  let bytes = Infinity;
  for (const item of items) {
    const size = bytesOf(textOf(item)).length + 1;
    if (bytes + size > maxBytes || part.length === maxItems) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  return parts;
};

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

/** Returns 16 random bytes as text, by which the server knows one run of a provider. */
export const newInstance = (): string => toHex(crypto.getRandomValues(new Uint8Array(16)));

/** Returns the SHA-256 of a text, in hexadecimal. Browsers have it in secure contexts only. */
export const sha256 = async (text: string): Promise<string> =>
  toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytesOf(text))));
