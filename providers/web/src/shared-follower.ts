import type { EvaluationContext } from '@openfeature/web-sdk';
import type { Follower, FollowerStatus, Runtime, Values } from '@pennon/sync';
import { defaultRuntime, followValues } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';
import { requestPlace } from './stream-places.ts';
import { toCanonicalJson } from './subject.ts';
import type { KnownValues } from './value-store.ts';

/** The server to follow. Equal options have the same form here, so that equal ones share a follower. */
export type ServerOptions = {
  readonly url: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly stream: boolean;
  readonly pollIntervalMs: number;
};

type ValuesFollower = Follower<Values<Evaluation>>;

export type Subscriber = {
  readonly onData: (values: Values<Evaluation>, changed: string[] | undefined) => void;
  readonly onStatus: (status: FollowerStatus) => void;
  /** The values of its subject that it has, in case it is the first subscriber. */
  readonly initial: KnownValues | undefined;
  /** After this time without a response, the values count as out of date. Used with `initial`. */
  readonly confirmWithinMs: number;
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

/**
 * The followers of this page that can be shared, by the function for `fetch`: different ones may do different
 * things. All copies of this package in the page share them, so the name has a number, which changes with the types
 * `SharedFollower` and `Subscriber`.
 */
const FOLLOWERS = Symbol.for('pennon.web.followers.1');
type Followers = Map<string, SharedFollower>;
const page: typeof globalThis & { [FOLLOWERS]?: WeakMap<object, Followers> } = globalThis;

const followersOf = ({ fetch }: Runtime): Followers => {
  const followersByFetch = (page[FOLLOWERS] ??= new WeakMap<object, Followers>());
  // Each copy of this package has its own function that calls the global one.
  const network = fetch === defaultRuntime.fetch ? globalThis : fetch;
  const followers = followersByFetch.get(network) ?? new Map<string, SharedFollower>();
  followersByFetch.set(network, followers);
  return followers;
};

/** Follows by a stream while there is a place for one, and by polls otherwise. */
const startFollower = (
  request: FollowRequest,
  { initial, confirmWithinMs }: Subscriber,
  runtime: Runtime,
): SharedFollower => {
  const subscribers = new Set<Subscriber>();
  const open = (stream: boolean, known: KnownValues | undefined): ValuesFollower =>
    followValues<Evaluation>(
      {
        ...request,
        stream,
        initial: known,
        confirmWithinMs,
        onData: (...args) => subscribers.forEach(({ onData }) => onData(...args)),
        onStatus: status => subscribers.forEach(({ onStatus }) => onStatus(status)),
      },
      runtime,
    );
  const reopen = (stream: boolean) => {
    const data = follower.data();
    const ageMs = follower.status().dataAgeMs;
    follower.stop();
    follower = open(stream, data && { data, ageMs });
  };
  const place = request.stream ? requestPlace(request.url, reopen, runtime) : undefined;
  let follower = open(place?.isFree === true, initial);

  return {
    current: () => follower,
    subscribers,
    stop() {
      place?.release();
      follower.stop();
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
  const followers = followersOf(runtime);
  // If the context cannot be serialized, starting the follower throws.
  const name = toCanonicalJson(request) ?? '';
  const known = followers.get(name);
  const shared = known ?? startFollower(request, subscriber, runtime);
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
