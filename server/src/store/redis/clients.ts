import type { ConnectionOptions } from 'node:tls';

import { Cluster, Redis, type RedisOptions as AllRedisOptions } from 'ioredis';

import { within, type Clock } from '../../clock.ts';
import type { RedisAddress, RedisNode } from './url.ts';

/** The shared client: of a cluster, or of one server that Sentinel may replace. */
export type SharedClient = Redis | Cluster;
export type ClientOptions = Omit<AllRedisOptions, 'replyMapping'>;

const CONNECT_TIMEOUT_MS = 2_000;
/** A connection is given up if Redis sends nothing for this long while a command is pending. */
export const IDLE_TIMEOUT_MS = 2_000;
/** The limit of a command in any case: in a cluster it may be sent to several nodes in turn. */
export const COMMAND_TIMEOUT_MS = 3_000;
const KEEP_ALIVE_MS = 10_000;
export const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 250;
const SENTINEL_RETRY_MS = 250;
const MAX_REDIRECTIONS = 4;
const CLUSTER_RETRY_MS = 100;
const CLUSTER_REFRESH_MS = 5_000;

export const clientOptions = (
  address: RedisAddress,
  tls: ConnectionOptions | undefined,
): ClientOptions => ({
  username: address.username,
  password: address.password,
  ...(address.tls && { tls: tls ?? {} }),
  connectionName: 'pennon',
  // RESP2 has the same replies in every Redis version and in proxies.
  protocol: 2,
  connectTimeout: CONNECT_TIMEOUT_MS,
  socketTimeout: IDLE_TIMEOUT_MS,
  keepAlive: KEEP_ALIVE_MS,
  // Commands fail at once while there is no connection, and are never sent a second time.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  ...serverOptions(address, tls),
});

/** How the client finds its server. In a cluster each connection sets its own. */
const serverOptions = (
  address: RedisAddress,
  tls: ConnectionOptions | undefined,
): ClientOptions => {
  switch (address.form) {
    case 'single':
      return { ...address.nodes[0], db: address.database };
    case 'sentinel':
      return {
        sentinels: [...address.nodes],
        name: address.master,
        db: address.database,
        sentinelUsername: address.sentinelUsername,
        sentinelPassword: address.sentinelPassword,
        sentinelCommandTimeout: IDLE_TIMEOUT_MS,
        ...(address.tls && { enableTLSForSentinelMode: true, sentinelTLS: tls ?? {} }),
      };
    case 'cluster':
      return {};
  }
};

/** Creates the client that all commands share. It reconnects by itself. */
export const createSharedClient = (address: RedisAddress, options: ClientOptions): SharedClient =>
  address.form === 'cluster'
    ? createCluster(address.nodes, options)
    : new Redis({
        ...options,
        retryStrategy: backOff,
        sentinelRetryStrategy: () => SENTINEL_RETRY_MS,
        failoverDetector: true,
        reconnectOnError: isDemotion,
      });

const createCluster = (nodes: readonly RedisNode[], options: ClientOptions): Cluster =>
  new Cluster([...nodes], {
    redisOptions: options,
    enableOfflineQueue: false,
    maxRedirections: MAX_REDIRECTIONS,
    retryDelayOnFailover: CLUSTER_RETRY_MS,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    slotsRefreshInterval: CLUSTER_REFRESH_MS,
    slotsRefreshTimeout: IDLE_TIMEOUT_MS,
    clusterRetryStrategy: backOff,
    // Host names are not resolved to addresses, because certificates are checked against names.
    dnsLookup: (host, callback) => callback(null, host),
  });

const backOff = (attempt: number): number =>
  Math.min(MIN_RETRY_MS * 2 ** (attempt - 1), MAX_RETRY_MS);

/** The server is no longer the master. Reconnecting requests the new one from Sentinel. */
const isDemotion = ({ message }: Error): boolean => message.startsWith('READONLY');

/** Creates a client with its own connection, which does not reconnect. */
export const createDedicatedClient = (options: ClientOptions): Redis =>
  new Redis({
    ...options,
    lazyConnect: true,
    retryStrategy: null,
    sentinelRetryStrategy: () => null,
  });

/** Connects. Rejects with the reason for a failure, which the client only emits as an event. */
export const connect = async (client: Redis, clock: Clock): Promise<void> => {
  let reason: Error | undefined;
  client.on('error', (error: Error) => {
    reason = error;
  });
  try {
    await within(clock, COMMAND_TIMEOUT_MS, client.connect());
  } catch (error) {
    client.disconnect();
    throw reason ?? error;
  }
};
