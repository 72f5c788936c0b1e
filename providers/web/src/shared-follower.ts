import type { EvaluationContext } from '@openfeature/web-sdk';
import type { Follower, FollowerStatus, Runtime, Values } from '@pennon/sync';
import { defaultRuntime, follow, valuesResource } from '@pennon/sync';

import type { Evaluation } from './resolution.ts';
import { requestPlace } from './stream-places.ts';
import { toCanonicalJson } from './subject.ts';

/** The server to follow. Equal options have the same form here, so that equal ones share a follower. */
export type ServerOptions = {
  readonly url: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly stream: boolean;
  readonly pollIntervalMs: number;
};

/** Values, and how long ago the server sent or confirmed them, if that is known. */
export type KnownValues = { readonly data: Values<Evaluation>; readonly ageMs: number | undefined };

type ValuesFollower = Follower<Values<Evaluation>>;

/** Receives values and statuses. */
export type Subscriber = readonly [
  onData: (values: Values<Evaluation>) => void,
  onStatus: (status: FollowerStatus) => void,
];

/** The part of a shared follower that one subscriber has. */
export type Subscription = readonly [
  follower: () => ValuesFollower,
  stop: () => void,
  /** Ends the sharing of the follower with later subscribers, because its connection may be dead. */
  retire: () => void,
];

type SharedFollower = readonly [
  follower: () => ValuesFollower,
  subscribers: Set<Subscriber>,
  stop: () => void,
];

type FollowRequest = ServerOptions & { readonly context: EvaluationContext };

/**
 * The followers of this page that can be shared, by the function for `fetch`: different ones may do different
 * things. All copies of this package in the page share them, so the name has a number, which changes with the types
 * `SharedFollower` and `Subscriber`.
 */
const FOLLOWERS = Symbol.for('pennon.web.followers.2');
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
  initial: KnownValues | undefined,
  confirmWithinMs: number,
  runtime: Runtime,
): SharedFollower => {
  const subscribers = new Set<Subscriber>();
  const body = JSON.stringify({ context: request.context });
  const open = (stream: boolean, known: KnownValues | undefined): ValuesFollower =>
    follow<Values<Evaluation>, string[]>(
      valuesResource(request, body),
      {
        ...request,
        stream,
        initial: known,
        confirmWithinMs,
        onData: values => subscribers.forEach(([onData]) => onData(values)),
        onStatus: status => subscribers.forEach(([, onStatus]) => onStatus(status)),
      },
      runtime,
    );
  const reopen = (stream: boolean) => {
    const data = follower.data();
    const ageMs = follower.status().dataAgeMs;
    follower.stop();
    follower = open(stream, data && { data, ageMs });
  };
  const [isFree, release] = request.stream ? requestPlace(request.url, reopen, runtime) : [];
  let follower = open(isFree === true, initial);

  return [
    () => follower,
    subscribers,
    () => {
      release?.();
      follower.stop();
    },
  ];
};

/**
 * Follows the values of a context. Providers of one page with the same options and the same context share a
 * follower, and so its connection. Throws if the context cannot be serialized. The first subscriber has `initial`, if it
 * knows values of its subject, which count as out of date after `confirmWithinMs` without a response.
 */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const subscribe = (
  request: FollowRequest,
  subscriber: Subscriber,
  initial: KnownValues | undefined,
  confirmWithinMs: number,
  runtime: Runtime,
): Subscription => {
  const followers = followersOf(runtime);
  // If the context cannot be serialized, starting the follower throws.
  const name = toCanonicalJson(request) ?? '';
  const known = followers.get(name);
  const shared = known ?? startFollower(request, initial, confirmWithinMs, runtime);
  const [follower, subscribers, end] = shared;
  followers.set(name, shared);
  subscribers.add(subscriber);
  // Passes on what the follower has received before.
  if (known !== undefined)
    queueMicrotask(() => {
      if (!subscribers.has(subscriber)) return;
      const data = follower().data();
      const status = follower().status();
      if (data !== undefined && status.source !== 'initial') subscriber[0](data);
      subscriber[1](status);
    });
  const retire = () => {
    if (followers.get(name) === shared) followers.delete(name);
  };
  return [
    follower,
    () => {
      if (!subscribers.delete(subscriber) || subscribers.size > 0) return;
      retire();
      end();
    },
    retire,
  ];
};
