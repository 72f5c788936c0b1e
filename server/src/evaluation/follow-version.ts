import { environmentOf, type Caller } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { StreamServices } from '../streaming/follow-flag-set.ts';
import type { StreamEvent } from '../streaming/subscription.ts';
import type { Audience } from './audience.ts';
import { versionFor } from './audience.ts';

/** The id of the flags that a follower sees, if it is another one than before, or a heartbeat. */
export type VersionEvent =
  { readonly type: 'version'; readonly id: string } | { readonly type: 'heartbeat' };

type VersionServices = StreamServices & {
  readonly audienceOf: (caller: Caller) => Audience;
  readonly clock: Clock;
};

/** Follows the version of the flags that a caller sees, from the one that it has. */
export const followVersion = async (
  services: VersionServices,
  caller: Caller,
  lastEventId: string,
  requestEnded: AbortSignal,
): Promise<AsyncGenerator<VersionEvent, void>> => {
  const audience = services.audienceOf(caller);
  const { registry, clock } = services;
  const environment = environmentOf(caller, undefined);
  await reachVersion(clock, registry.find(environment), audience, lastEventId);
  const live = registry.find(environment);
  const stream = services.streams.open(caller, requestEnded);
  const whole: StreamEvent = { type: 'set', view: live.view() };
  return versionsIn(services.broadcastOf(live).subscribe(stream, [whole]), audience, lastEventId);
};

async function* versionsIn(
  events: AsyncIterable<StreamEvent>,
  audience: Audience,
  lastEventId: string,
): AsyncGenerator<VersionEvent, void> {
  let last = lastEventId;
  for await (const { type, view } of events) {
    const { id } = versionFor(view, audience);
    if (id !== last) yield { type: 'version', id };
    else if (type === 'heartbeat') yield { type };
    last = id;
  }
}

/** How long a request waits for the store. */
const MAX_WAIT_MS = 2_000;

/**
 * Catches up with the store unless this server has the version: another server may have been the first to send it.
 * If the store is away, the data in memory are used.
 */
export const reachVersion = async (
  clock: Clock,
  live: LiveFlagSet,
  audience: Audience,
  id: string,
): Promise<void> => {
  if (id === '' || versionFor(live.view(), audience).id === id) return;
  let cancel: () => void = () => undefined;
  const timeout = new Promise<void>(resolve => {
    cancel = clock.after(MAX_WAIT_MS, resolve);
  });
  await Promise.race([refreshOf(live)().catch(() => undefined), timeout]);
  cancel();
};

const refreshes = new WeakMap<LiveFlagSet, () => Promise<void>>();

/** Returns how to refresh a flag set, which all callers share. */
const refreshOf = (live: LiveFlagSet): (() => Promise<void>) => {
  const known = refreshes.get(live);
  if (known !== undefined) return known;
  const created = createSharedRefresh(async () => void (await live.replica.refresh()));
  refreshes.set(live, created);
  return created;
};

/** Calls that arrive while a refresh runs share the next one: that one may have read the store too early. */
const createSharedRefresh = (refresh: () => Promise<void>): (() => Promise<void>) => {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    next = undefined;
    return refresh();
  };
  return () => {
    if (next !== undefined) return next;
    const started = running.then(start, start);
    next = started;
    running = started;
    return started;
  };
};
