import type { EvaluationContext } from '@openfeature/web-sdk';
import type { Follower, FollowerStatus, Runtime, Values } from '@pennon/sync';
import { followValues } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';
import { releasePlace, requestPlace } from './stream-places.ts';
import { toCanonicalJson } from './subject.ts';
import type { KnownValues } from './value-store.ts';

/** The server to follow, with the same options as a follower. */
export type ServerOptions = {
  readonly url: string;
  readonly key: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly stream?: boolean | undefined;
  readonly pollIntervalMs?: number | undefined;
};

type ValuesFollower = Follower<Values<Evaluation>>;

export type Subscriber = {
  readonly onData: (values: Values<Evaluation>, changed: string[] | undefined) => void;
  readonly onStatus: (status: FollowerStatus) => void;
  /** The values of its subject that it has, in case it is the first subscriber. */
  readonly initial: KnownValues | undefined;
};

/** The part of a shared follower that one subscriber has. */
export type Subscription = Omit<ValuesFollower, 'data'> & {
  /** Ends the sharing of the follower with later subscribers, because its connection may be dead. */
  readonly retire: () => void;
};

type SharedFollower = {
  readonly current: () => ValuesFollower;
  readonly subscribers: Set<Subscriber>;
  readonly stop: () => void;
};

type FollowRequest = ServerOptions & { readonly context: EvaluationContext };

/** The followers of this page that can be shared. Different functions for `fetch` may do different things. */
const followersByFetch = new WeakMap<Runtime['fetch'], Map<string, SharedFollower>>();

/** Follows by a stream if there is a place for one, and by polls until then. */
const startFollower = (
  request: FollowRequest,
  initial: KnownValues | undefined,
  runtime: Runtime,
): SharedFollower => {
  const subscribers = new Set<Subscriber>();
  const { url, stream = true } = request;
  let follower: ValuesFollower | undefined;

  const start = (isStream: boolean): ValuesFollower => {
    const data = follower?.data();
    const known = data && { data, ageMs: follower?.status().dataAgeMs };
    follower?.stop();
    return (follower = followValues<Evaluation>(
      {
        ...request,
        stream: isStream,
        initial: known ?? initial,
        onData: (...args) => subscribers.forEach(({ onData }) => onData(...args)),
        onStatus: status => subscribers.forEach(({ onStatus }) => onStatus(status)),
      },
      runtime,
    ));
  };
  const onPlace = () => void start(true);
  const first = start(stream && requestPlace(url, onPlace));

  return {
    current: () => follower ?? first,
    subscribers,
    stop() {
      releasePlace(url, onPlace, runtime);
      follower?.stop();
    },
  };
};

/** Passes on what the follower has received before the subscriber joined. */
const deliver = (follower: ValuesFollower, { onData, onStatus }: Subscriber): void => {
  const data = follower.data();
  const status = follower.status();
  if (data !== undefined && status.source !== 'initial') onData(data, undefined);
  onStatus(status);
};

/**
 * Follows the values of a context. Providers of one page with the same options and the same context share a
 * follower, and so its connection. Throws if the context cannot be serialized.
 */
export const subscribe = (
  request: FollowRequest,
  subscriber: Subscriber,
  runtime: Runtime,
): Subscription => {
  const followers = followersByFetch.get(runtime.fetch) ?? new Map<string, SharedFollower>();
  followersByFetch.set(runtime.fetch, followers);
  const name = toCanonicalJson(request);
  const known = followers.get(name);
  const shared = known ?? startFollower(request, subscriber.initial, runtime);
  const { subscribers, current } = shared;
  followers.set(name, shared);
  subscribers.add(subscriber);
  let isStopped = false;
  if (known !== undefined)
    queueMicrotask(() => {
      if (!isStopped) deliver(current(), subscriber);
    });

  const retire = () => {
    if (followers.get(name) === shared) followers.delete(name);
  };
  return {
    status: () => (isStopped ? { ...current().status(), mode: 'stopped' } : current().status()),
    isUnconfirmed: () => current().isUnconfirmed(),
    noticePause: () => current().noticePause(),
    refresh: async timeoutMs => !isStopped && current().refresh(timeoutMs),
    retire,
    stop() {
      isStopped = true;
      if (!subscribers.delete(subscriber) || subscribers.size > 0) return;
      retire();
      shared.stop();
    },
  };
};
