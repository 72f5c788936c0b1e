import type { ConnectionOptions } from 'node:tls';

import { Cluster, Command, type Redis } from 'ioredis';

import { within, type Clock } from '../../clock.ts';
import { errorMessage } from '../../error-message.ts';
import type { StoreError } from '../store.ts';
import {
  clientOptions,
  COMMAND_TIMEOUT_MS,
  connect,
  createDedicatedClient,
  createSharedClient,
  MIN_RETRY_MS,
  type ClientOptions,
  type SharedClient,
} from './clients.ts';
import { errorFromReply, isErrorReply, noReply, storeClosed, unreachable } from './errors.ts';
import { createUnresponsiveNodes } from './unresponsive-nodes.ts';
import { describeAddress, type RedisAddress, type RedisNode } from './url.ts';

/**
 * The connections to Redis. While Redis cannot be reached, commands fail at once; none is queued or sent
 * later, and none waits for a reply longer than its limit.
 */
export type Connections = {
  /** The address of Redis, without credentials. */
  readonly url: string;
  /** Sends a command over the shared connection, in the order of the calls. */
  readonly send: Send;
  /** Resolves to true once Redis can be reached, or to false after `ms`. */
  readonly waitUntilReady: (ms: number) => Promise<boolean>;
  /**
   * Opens a dedicated connection to the server that has `key`. It is closed if Redis sends nothing for
   * `idleTimeoutMs` while a command is pending, and if the shared connection is lost, because after a
   * failover it may lead to the former master.
   */
  readonly open: (key: string, idleTimeoutMs: number) => Promise<DedicatedConnection>;
  /** Waits for pending commands, then closes every connection. */
  readonly close: () => Promise<void>;
};

/**
 * Arguments are a list, because a large commit has more than a function call allows. With `bytes` a reply has buffers in
 * place of texts.
 */
export type Send = (
  command: string,
  args: readonly (string | number | Buffer)[],
  reply?: 'bytes',
) => Promise<CommandResult>;

export type CommandResult =
  | { readonly type: 'reply'; readonly reply: unknown }
  /** Not executed: Redis replied with an error, or nothing was sent. */
  | { readonly type: 'rejected'; readonly error: StoreError }
  /** Sent, but without a reply: it may have been executed. */
  | { readonly type: 'noReply'; readonly error: StoreError };

export type DedicatedConnection = {
  readonly send: Send;
  readonly close: () => void;
};

export type ConnectionsOptions = {
  readonly address: RedisAddress;
  /** TLS options beyond Node's defaults, for example a certificate authority. */
  readonly tls?: ConnectionOptions | undefined;
  readonly clock: Clock;
};

export const openConnections = ({ address, tls, clock }: ConnectionsOptions): Connections => {
  const url = describeAddress(address);
  const options = clientOptions(address, tls);
  const shared = openSharedConnection(createSharedClient(address, options), url, clock);
  const dedicated = createDedicatedConnections(shared, { url, options, clock });
  const pending = new Set<Promise<unknown>>();

  const tracked =
    (send: Send): Send =>
    (command, args, reply) => {
      const result = send(command, args, reply);
      pending.add(result);
      void result.finally(() => pending.delete(result));
      return result;
    };

  const closeAll = async () => {
    shared.stop();
    await Promise.allSettled(pending);
    dedicated.disconnectAll();
    shared.client.disconnect();
  };
  let closing: Promise<void> | undefined;

  return {
    url,
    send: tracked(shared.send),
    waitUntilReady: ms => waitUntilReady(shared.client, clock, ms),
    async open(key, idleTimeoutMs) {
      const connection = await dedicated.open(key, idleTimeoutMs);
      return { ...connection, send: tracked(connection.send) };
    },
    close: () => (closing ??= closeAll()),
  };
};

type SharedConnection = {
  readonly client: SharedClient;
  /** Why no command can be sent now, if so. */
  readonly error: () => StoreError | undefined;
  readonly send: Send;
  /** Rejects further commands and stops reconnecting. */
  readonly stop: () => void;
  readonly isStopped: () => boolean;
};

const openSharedConnection = (
  client: SharedClient,
  url: string,
  clock: Clock,
): SharedConnection => {
  const stopped = new AbortController();
  const lastError = keepConnected(client, clock, stopped.signal);

  const error = (): StoreError | undefined => {
    if (stopped.signal.aborted) return storeClosed();
    return client.status === 'ready' ? undefined : unreachable(url, lastError());
  };

  const sendNow: Send = (command, args, reply) =>
    resultOf(url, within(clock, COMMAND_TIMEOUT_MS, callOn(client, command, args, reply)));
  const unresponsive = createUnresponsiveNodes(
    clock,
    key => sendNow('exists', [key]),
    stopped.signal,
  );

  return {
    client,
    error,
    stop: () => stopped.abort(),
    isStopped: () => stopped.signal.aborted,
    async send(command, args, reply) {
      const notReady = error();
      if (notReady !== undefined) return { type: 'rejected', error: notReady };
      const key = firstKey(command, args);
      const node = nodeOf(client, key);
      if (node === undefined) return sendNow(command, args, reply);
      if (unresponsive.has(node))
        return { type: 'rejected', error: unreachable(url, `${node} does not reply`) };
      const result = await sendNow(command, args, reply);
      if (result.type === 'noReply') unresponsive.add(node, key);
      return result;
    },
  };
};

/** Reconnects a client that has given up. Returns the last error of the client. */
const keepConnected = (client: SharedClient, clock: Clock, stopped: AbortSignal) => {
  let lastError = 'not connected yet';
  const setLastError = (error: Error) => {
    lastError = error.message;
  };
  client.on('error', setLastError);
  client.on('node error', setLastError);
  client.on('ready', () => {
    lastError = 'not connected yet';
  });
  // The client gives up if Sentinel announces a new master while the client is requesting one.
  client.on('end', () => {
    clock.after(MIN_RETRY_MS, () => {
      if (!stopped.aborted) client.connect().catch(setLastError);
    });
  });
  return () => lastError;
};

type DedicatedOptions = {
  readonly url: string;
  readonly options: ClientOptions;
  readonly clock: Clock;
};

const createDedicatedConnections = (
  { client: shared, error, isStopped }: SharedConnection,
  { url, options, clock }: DedicatedOptions,
) => {
  const clients = new Set<Redis>();
  const disconnectAll = () => {
    for (const each of clients) each.disconnect();
  };
  shared.on('close', disconnectAll);

  /** Added before it connects, so that `disconnectAll` never misses one. */
  const createClient = (key: string, idleTimeoutMs: number) => {
    const node = shared instanceof Cluster ? clusterNode(shared, key, url) : {};
    const client = createDedicatedClient({ ...options, ...node, socketTimeout: idleTimeoutMs });
    clients.add(client);
    client.once('end', () => clients.delete(client));
    return client;
  };

  const throwIfNotReady = () => {
    const reason = error();
    if (reason !== undefined) throw reason;
  };

  return {
    disconnectAll,
    async open(key: string, idleTimeoutMs: number): Promise<DedicatedConnection> {
      throwIfNotReady();
      const client = createClient(key, idleTimeoutMs);
      await connect(client, clock).catch((reason: unknown) => {
        if (shared instanceof Cluster) shared.refreshSlotsCache();
        throw isStopped() ? storeClosed() : unreachable(url, errorMessage(reason));
      });
      return {
        send: (command, args, reply) => resultOf(url, callOn(client, command, args, reply)),
        close: () => client.disconnect(),
      };
    },
  };
};

const callOn = (
  client: SharedClient,
  command: string,
  args: Parameters<Send>[1],
  reply?: 'bytes',
): Promise<unknown> =>
  reply === 'bytes' ? client.callBuffer(command, [...args]) : client.call(command, [...args]);

const resultOf = async (url: string, reply: Promise<unknown>): Promise<CommandResult> => {
  try {
    return { type: 'reply', reply: await reply };
  } catch (error) {
    if (isErrorReply(error)) return { type: 'rejected', error: errorFromReply(url, error) };
    return { type: 'noReply', error: noReply(url, errorMessage(error)) };
  }
};

const waitUntilReady = (client: SharedClient, clock: Clock, ms: number): Promise<boolean> =>
  new Promise(resolve => {
    if (client.status === 'ready') return resolve(true);
    const done = (ready: boolean) => {
      cancelTimeout();
      client.off('ready', onReady);
      resolve(ready);
    };
    const onReady = () => done(true);
    const cancelTimeout = clock.after(ms, () => done(false));
    client.once('ready', onReady);
  });

/** Returns the first key of a command. All keys of a script are in the same slot. */
const firstKey = (command: string, args: Parameters<Send>[1]): string =>
  String(command === 'eval' ? args[2] : args[0]);

/** Returns the cluster node that has this key, if it is known. If it is wrong, Redis redirects. */
const nodeOf = (client: SharedClient, key: string): string | undefined =>
  client instanceof Cluster ? client.slots[new Command('get', [key]).getSlot()]?.[0] : undefined;

const clusterNode = (cluster: Cluster, key: string, url: string): RedisNode => {
  const node = nodeOf(cluster, key);
  if (node === undefined) throw unreachable(url, 'no node with this data is known');
  const colon = node.lastIndexOf(':');
  return { host: node.slice(0, colon), port: Number(node.slice(colon + 1)) };
};
