import {
  buildRequest,
  createConnectionScope,
  isAuthError,
  isRequestError,
  newInstance,
  parseJsonObject,
  RESPONSE_TIMEOUT_MS,
  retryDelay,
  toSyncError,
  VERSION,
} from '@pennon/sync';
import type { Runtime, SyncError } from '@pennon/sync';

import { FLUSH_TIMEOUT_MS, GIVE_UP_MS } from './limits.ts';
import type { ServerOptions } from './shared-follower.ts';
import { listOf } from './storage.ts';

const SDK = `@pennon/web-provider ${VERSION}`;

/** What one request has. One that is sent again has the same instance and sequence, so that it counts once. */
export type Batch<Content> = { readonly instance: string; readonly sequence: number } & Content;

export type LaneOptions<Content> = {
  /** The route of the API. */
  readonly route: string;
  /** Returns the body of a request, without the key. */
  readonly bodyOf?: (batch: Batch<Content>) => object;
  /** Called when the server has accepted a batch, except for what it has rejected, or the browser has taken it over. */
  readonly onAccepted?: (batch: Batch<Content>, rejected: readonly unknown[]) => void;
  /** Called when a batch is given up. The same batch would be refused again if `isFinal`. */
  readonly onGivenUp?: (batch: Batch<Content>, error: SyncError, isFinal: boolean) => void;
  /** Called when nothing more is on its way. */
  readonly onIdle?: () => void;
  /** Whether the next page sends what the browser does not take over. */
  readonly canWait?: boolean;
};

/** Sends the batches of one route, one after the other. The failures of a route do not delay the other one. */
export type Lane<Content> = {
  /** What the server has not accepted, the oldest first. The first one may be on its way. */
  readonly waiting: Set<Batch<Content>>;
  /** Adds a new batch to what waits. */
  enqueue(content: Content): Batch<Content>;
  /** Sends what waits. Resolves when nothing does. If it is urgent, does not wait, unless the server requires it. */
  start(isUrgent?: boolean): Promise<void>;
  isSending(): boolean;
  /** Passes what waits on to the browser, which sends it although the page may not live until the response. */
  passOn(): void;
  /** Sends the rest once, and nothing after it. */
  end(): Promise<unknown>;
};

/** Whether the server would accept the text as a name. A character may be two units. */
export const isName = (text: unknown): boolean =>
  typeof text === 'string' && /^[^]{1,100}$/u.test(text);

/** Opens a lane to the server. */
export type OpenLane = <Content>(options: LaneOptions<Content>) => Lane<Content>;

/**
 * `canUseBeacons` is false if an application has its own `fetch`, which beacons do not use. `onProblem` is called once
 * when the batches of a lane are not accepted, and again only after one was.
 */
export const createDelivery = (
  server: ServerOptions,
  canUseBeacons: boolean,
  onProblem: (message: string) => void,
  runtime: Runtime,
): OpenLane => {
  const { monotonic, random } = runtime;
  const instance = newInstance();
  const hasBeacons =
    canUseBeacons &&
    Object.keys(server.headers).length === 0 &&
    'sendBeacon' in (globalThis.navigator ?? {});

  return <Content>({
    route,
    bodyOf = batch => batch,
    onAccepted,
    onGivenUp,
    onIdle,
    canWait,
  }: LaneOptions<Content>): Lane<Content> => {
    type Waiting = Batch<Content>;
    const scope = createConnectionScope(runtime);
    const waiting = new Set<Waiting>();
    let sequence = 0;
    let running: Promise<void> | undefined;
    let isAsleep = false;
    let isRefused = false;

    const textOf = (batch: Waiting, key?: string) =>
      JSON.stringify({ ...bodyOf(batch), key, sdk: SDK });
    const requestOf = (batch: Waiting) => buildRequest(server, route, { body: textOf(batch) });

    /** Sends a batch once. Resolves to the error, if there is one. */
    const send = async (
      batch: Waiting,
      connection: typeof scope,
      timeoutMs: number,
    ): Promise<SyncError | undefined> => {
      let response = '';
      const error = await connection
        .send(requestOf(batch), timeoutMs, text => void (response += text))
        .then(() => undefined, toSyncError);
      if (error || !waiting.delete(batch)) return error;
      isRefused = false;
      onAccepted?.(batch, listOf(parseJsonObject(response)?.['rejected']));
      return undefined;
    };
    const giveUp = (batch: Waiting, error: SyncError, isFinal: boolean) => {
      waiting.delete(batch);
      if (!isRefused) onProblem(`the server does not accept ${route}: ${error.message}`);
      isRefused = true;
      onGivenUp?.(batch, error, isFinal);
    };
    /** Sends a batch until it is accepted or given up, or until the browser is responsible for it. */
    const deliver = async (batch: Waiting): Promise<void> => {
      const giveUpAt = monotonic() + GIVE_UP_MS;
      const isOver = () => !waiting.has(batch) || scope.isClosed();
      for (let failures = 0; !isOver(); failures += 1) {
        const error = await send(batch, scope, RESPONSE_TIMEOUT_MS);
        if (!error || isOver()) return;
        const delay = Math.max(scope.retryAfterMs(), retryDelay(failures, random));
        const isFinal = isAuthError(error) || isRequestError(error);
        if (isFinal || monotonic() + delay > giveUpAt) return giveUp(batch, error, isFinal);
        isAsleep = true;
        await scope.sleep(delay);
        isAsleep = false;
      }
    };
    const deliverAll = async () => {
      for (const batch of waiting) await deliver(batch);
      running = undefined;
      onIdle?.();
    };

    return {
      waiting,
      enqueue(content) {
        const batch = { instance, sequence: (sequence += 1), ...content };
        waiting.add(batch);
        return batch;
      },
      async start(isUrgent) {
        if (isUrgent && isAsleep) scope.interrupt();
        // Without a batch, the delivery would end before it is known to run.
        if (waiting.size > 0) await (running ??= deliverAll());
      },
      isSending: () => running !== undefined,
      passOn() {
        for (const batch of waiting) {
          const { url, init } = requestOf(batch);
          // Plain text with the key, because a browser requests permission before it sends JSON, for which there is no
          // time.
          const isPassed =
            hasBeacons && navigator.onLine && navigator.sendBeacon(url, textOf(batch, server.key));
          // What a beacon has no room for, or no network, waits in the storage for the next page.
          if (!isPassed && hasBeacons && canWait) continue;
          // The page may be gone before the response, so a failure has no consequence.
          if (!isPassed) runtime.fetch(url, { ...init, keepalive: true }).catch(() => {});
          waiting.delete(batch);
          onAccepted?.(batch, []);
        }
      },
      end() {
        scope.close();
        const last = createConnectionScope(runtime);
        return Promise.all([...waiting].map(batch => send(batch, last, FLUSH_TIMEOUT_MS)));
      },
    };
  };
};
