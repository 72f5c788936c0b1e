import type { ConnectionOptions } from 'node:tls';

import { Cluster, Command, Redis, type RedisOptions as AllRedisOptions } from 'ioredis';

import { within, type Clock } from '../../clock.ts';
import type { StoreError } from '../store.ts';
import { openUnresponsiveNodes } from './unresponsive-nodes.ts';
import { away, closed, isRefusal, messageOf, refused, silent } from './errors.ts';
import { describeAddress, type RedisAddress, type RedisNode } from './url.ts';

/**
 * The connections to Redis. Nothing waits for Redis to come back, nothing is kept to be sent later, and
 * nothing waits for an answer longer than its bound: whoever asks knows soon where it stands.
 */
export type Connections = {
  /** Where Redis is, without credentials. */
  readonly place: string;
  /** Sends a command over the connection that all share, in the order of the calls. */
  readonly send: Send;
  /** Resolves once Redis can be reached, to true, or after `ms`, to false. */
  readonly reachable: (ms: number) => Promise<boolean>;
  /**
   * A connection of one's own to the server that has `key`. It is given up when Redis says nothing for
   * `silenceMs` while a command is under way, and when the shared connection is lost: after a failover
   * it could be with the old master.
   */
  readonly open: (key: string, silenceMs: number) => Promise<OwnConnection>;
  /** Waits for what is under way, then ends every connection. */
  readonly close: () => Promise<void>;
};

/** Arguments are a list: a large commit has more of them than a call takes. */
export type Send = (command: string, args: readonly (string | number)[]) => Promise<Answer>;

export type Answer =
  | { readonly type: 'reply'; readonly reply: unknown }
  /** Certainly not done: Redis said no, or nothing was sent. */
  | { readonly type: 'refused'; readonly error: StoreError }
  /** Sent and not answered: nobody knows whether it was done. */
  | { readonly type: 'silence'; readonly error: StoreError };

export type OwnConnection = {
  readonly send: Send;
  readonly close: () => void;
};

export type ConnectionParts = {
  readonly address: RedisAddress;
  /** More about TLS than what Node trusts by itself, such as a certificate authority. */
  readonly tls?: ConnectionOptions | undefined;
  readonly clock: Clock;
};

const CONNECT_MS = 2_000;
/** Redis is taken for dead when it says nothing for this long while a command is under way. */
export const SILENCE_MS = 2_000;
/** The bound of a command whatever happens: in a cluster it may be sent to several nodes in turn. */
const ANSWER_MS = 3_000;
const KEEP_ALIVE_MS = 10_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 250;
const SENTINEL_RETRY_MS = 250;
const REDIRECTIONS = 4;
const CLUSTER_RETRY_MS = 100;
const CLUSTER_REFRESH_MS = 5_000;

type Client = Redis | Cluster;
type RedisOptions = Omit<AllRedisOptions, 'replyMapping'>;

export const openConnections = ({ address, tls, clock }: ConnectionParts): Connections => {
  const place = describeAddress(address);
  const options = optionsFor(address, tls);
  const shared = openShared(address, options);
  const owned = new Set<Redis>();
  const pending = new Set<Promise<unknown>>();
  let lastError: string | undefined;
  const gone = new AbortController();
  let closing: Promise<void> | undefined;

  const remember = (error: Error) => {
    lastError = error.message;
  };
  shared.on('error', remember);
  shared.on('node error', remember);
  shared.on('ready', () => {
    lastError = undefined;
  });
  shared.on('close', () => {
    for (const each of owned) each.disconnect();
  });
  // The client gives up for good where the sentinels tell of a new master while it asks them for one.
  shared.on('end', () => {
    clock.after(FIRST_RETRY_MS, () => {
      if (closing === undefined) shared.connect().catch(remember);
    });
  });

  const notThere = (): StoreError | undefined => {
    if (closing !== undefined) return closed();
    return shared.status === 'ready' ? undefined : away(place, lastError ?? 'not connected yet');
  };

  const track = (work: Promise<Answer>): Promise<Answer> => {
    pending.add(work);
    void work.finally(() => pending.delete(work));
    return work;
  };

  const sendShared: Send = (command, args) =>
    answerOf(place, within(clock, ANSWER_MS, shared.call(command, [...args])));

  const silences = openUnresponsiveNodes(clock, key => sendShared('exists', [key]), gone.signal);

  const sendTo = async (node: string, ...command: Parameters<Send>): Promise<Answer> => {
    if (silences.isSilent(node))
      return { type: 'refused', error: away(place, `${node} does not answer`) };
    const answer = await sendShared(...command);
    if (answer.type === 'silence') silences.add(node, keyOf(command));
    return answer;
  };

  const end = async () => {
    gone.abort();
    await Promise.allSettled(pending);
    for (const each of owned) each.disconnect();
    shared.disconnect();
  };

  /** Registered before it connects, so that nothing which ends the connections can miss it. */
  const own = (client: Redis) => {
    owned.add(client);
    client.once('end', () => owned.delete(client));
    return client;
  };

  const open: Connections['open'] = async (key, silenceMs) => {
    const error = notThere();
    if (error !== undefined) throw error;
    const node = shared instanceof Cluster ? ownerOf(shared, key, place) : {};
    const client = own(newOwn({ ...options, ...node, socketTimeout: silenceMs }));
    await connectOwn(client, clock).catch((reason: unknown) => {
      if (shared instanceof Cluster) shared.refreshSlotsCache();
      throw closing === undefined ? away(place, messageOf(reason)) : closed();
    });
    return {
      send: (command, args) => track(answerOf(place, client.call(command, [...args]))),
      close: () => client.disconnect(),
    };
  };

  return {
    place,
    send(...command) {
      const error = notThere();
      if (error !== undefined) return Promise.resolve({ type: 'refused', error });
      const node =
        shared instanceof Cluster ? shared.slots[slotOf(keyOf(command))]?.[0] : undefined;
      return track(node === undefined ? sendShared(...command) : sendTo(node, ...command));
    },
    reachable: ms => becomesReady(shared, clock, ms),
    open,
    close: () => (closing ??= end()),
  };
};

const answerOf = async (place: string, reply: Promise<unknown>): Promise<Answer> => {
  try {
    return { type: 'reply', reply: await reply };
  } catch (error) {
    if (isRefusal(error)) return { type: 'refused', error: refused(place, error) };
    return { type: 'silence', error: silent(place, messageOf(error)) };
  }
};

const becomesReady = (client: Client, clock: Clock, ms: number): Promise<boolean> =>
  new Promise(resolve => {
    if (client.status === 'ready') return resolve(true);
    const done = (ready: boolean) => {
      cancel();
      client.off('ready', onReady);
      resolve(ready);
    };
    const onReady = () => done(true);
    const cancel = clock.after(ms, () => done(false));
    client.once('ready', onReady);
  });

const optionsFor = (address: RedisAddress, tls: ConnectionOptions | undefined): RedisOptions => ({
  username: address.username,
  password: address.password,
  ...(address.tls && { tls: tls ?? {} }),
  connectionName: 'pennon',
  // The older protocol: the same answers from every Redis, and from proxies in front of one.
  protocol: 2,
  connectTimeout: CONNECT_MS,
  socketTimeout: SILENCE_MS,
  keepAlive: KEEP_ALIVE_MS,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  ...placeOf(address, tls),
});

/** How the client finds its server; in a cluster each connection is told by itself. */
const placeOf = (address: RedisAddress, tls: ConnectionOptions | undefined): RedisOptions => {
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
        sentinelCommandTimeout: SILENCE_MS,
        ...(address.tls && { enableTLSForSentinelMode: true, sentinelTLS: tls ?? {} }),
      };
    case 'cluster':
      return {};
  }
};

const openShared = (address: RedisAddress, options: RedisOptions): Client =>
  address.form === 'cluster'
    ? openCluster(address.nodes, options)
    : new Redis({
        ...options,
        retryStrategy: backOff,
        sentinelRetryStrategy: () => SENTINEL_RETRY_MS,
        failoverDetector: true,
        reconnectOnError: wasDemoted,
      });

const openCluster = (nodes: readonly RedisNode[], options: RedisOptions): Cluster =>
  new Cluster([...nodes], {
    redisOptions: options,
    enableOfflineQueue: false,
    maxRedirections: REDIRECTIONS,
    retryDelayOnFailover: CLUSTER_RETRY_MS,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    slotsRefreshInterval: CLUSTER_REFRESH_MS,
    slotsRefreshTimeout: SILENCE_MS,
    clusterRetryStrategy: backOff,
    // Names stay names: a certificate is checked against them.
    dnsLookup: (host, found) => found(null, host),
  });

const backOff = (attempt: number): number =>
  Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LAST_RETRY_MS);

/** The server was the master and is no longer: the sentinels know the new one. */
const wasDemoted = ({ message }: Error): boolean => message.startsWith('READONLY');

const newOwn = (options: RedisOptions): Redis =>
  new Redis({
    ...options,
    lazyConnect: true,
    retryStrategy: null,
    sentinelRetryStrategy: () => null,
  });

/** Rejects with the reason why there is no connection, which the client itself only emits. */
const connectOwn = async (client: Redis, clock: Clock): Promise<void> => {
  let reason: Error | undefined;
  client.on('error', (error: Error) => {
    reason = error;
  });
  try {
    await within(clock, ANSWER_MS, client.connect());
  } catch (error) {
    client.disconnect();
    throw reason ?? error;
  }
};

/** The first key of a command; of a script all keys are together. */
const keyOf = ([command, args]: Parameters<Send>): string =>
  String(command === 'eval' ? args[2] : args[0]);

const slotOf = (key: string): number => new Command('get', [key]).getSlot();

/** The node of the cluster that has this key, as far as is known. A wrong one answers MOVED. */
const ownerOf = (cluster: Cluster, key: string, place: string): RedisNode => {
  const owner = cluster.slots[slotOf(key)]?.[0];
  if (owner === undefined) throw away(place, 'no node that has this data is known');
  const colon = owner.lastIndexOf(':');
  return { host: owner.slice(0, colon), port: Number(owner.slice(colon + 1)) };
};
