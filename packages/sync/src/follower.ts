import type { Address, SyncedResource } from './synced-resource.ts';
import { createConnectionScope } from './connection-scope.ts';
import type { ConnectionScope } from './connection-scope.ts';
import { backOff, HEARTBEAT_MS, HEDGE_MS, POLL_INTERVAL_MS, rejectedKeyDelay } from './timing.ts';
import { createPoll } from './poll.ts';
import type { Poll } from './poll.ts';
import { createFollowerState } from './follower-state.ts';
import type { FollowerCallbacks, FollowerState } from './follower-state.ts';
import type { Status } from './status.ts';
import { readStream } from './stream.ts';
import { toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { defaultRuntime } from './runtime.ts';
import type { Runtime } from './runtime.ts';

export type FollowOptions<Data, Changed = unknown> = Address &
  FollowerCallbacks<Data, Changed> & {
    /** False: no stream, only polls. */
    readonly stream?: boolean | undefined;
    /** Between polls while there is no stream; 30,000 by default. */
    readonly pollIntervalMs?: number | undefined;
  };

export type Follower<Data> = {
  /** The newest data; undefined until there are any. */
  data(): Data | undefined;
  status(): Status;
  /** At once and for good: no timer and no connection is left, and nothing is told any more. */
  stop(): void;
};

type Parts<Data, Changed> = Runtime & {
  readonly kind: SyncedResource<Data, Changed>;
  readonly life: ConnectionScope;
  readonly standing: FollowerState<Data, Changed>;
  readonly poll: Poll;
  readonly intervalMs: number;
};

/** Follows one kind of data. Stream and polls take turns, so that their answers never cross. */
export const follow = <Data extends { readonly revision: number }, Changed>(
  kind: SyncedResource<Data, Changed>,
  options: FollowOptions<Data, Changed>,
  world: Runtime = defaultRuntime,
): Follower<Data> => {
  const life = createConnectionScope(world);
  const standing = createFollowerState(options, world.now);
  const poll = createPoll(kind, life, standing);
  const { pollIntervalMs = 0 } = options;
  // What is no interval would have it poll without a pause.
  const intervalMs = pollIntervalMs > 0 ? pollIntervalMs : POLL_INTERVAL_MS;
  const run = options.stream === false ? followPolls : followStream;
  void run({ ...world, kind, life, standing, poll, intervalMs });
  return {
    data: standing.data,
    status: standing.status,
    stop() {
      standing.enter('stopped');
      life.end();
    },
  };
};

/** Poll and then reconnect, whenever the stream is lost: sooner at first, and then ever more rejectedKeyDelay. */
const followStream = async <Data, Changed>(parts: Parts<Data, Changed>): Promise<void> => {
  const { life, random } = parts;
  for (let failures = 0; !life.closed(); failures += 1) {
    const { error, uptimeMs } = await runStream(parts);
    if (uptimeMs >= HEARTBEAT_MS) failures = 0;
    // Data with a gap cannot wait; else not everyone asks in the moment in which a server goes down.
    await life.sleep(life.retryAfterMs() + (error.gap ? 0 : backOff(0, random)));
    await pollUntil(parts, Math.max(backOff(failures, random), rejectedKeyDelay(error, random)));
  }
};

/** Follows a stream for as long as it lives. Answers why it died, and how long it had told data. */
const runStream = async <Data, Changed>({
  kind,
  life,
  standing,
  poll,
  now,
  setTimer,
}: Parts<Data, Changed>) => {
  let begunAt = Number.POSITIVE_INFINITY;
  const cancel = setTimer(HEDGE_MS, () => {
    if (standing.mode() === 'connecting') void poll();
  });
  const onBegin = () => {
    begunAt = now();
    cancel();
  };
  const error = await readStream(kind, life, standing, onBegin).catch(toSyncError);
  cancel();
  if (!life.closed()) onStreamLost(standing, error);
  return { error, uptimeMs: now() - begunAt };
};

const onStreamLost = <Data, Changed>(
  standing: FollowerState<Data, Changed>,
  error: SyncError,
): void => {
  standing.fail(error);
  if (standing.mode() === 'streaming') standing.enter('connecting');
};

/** Polls now, and at intervals until `ms` have passed and the server may be asked again. */
const pollUntil = async <Data, Changed>(parts: Parts<Data, Changed>, ms: number): Promise<void> => {
  const { life, poll, intervalMs, now, random } = parts;
  let until = now() + ms;
  do {
    const hold = Math.max(rejectedKeyDelay(await poll(), random), life.retryAfterMs());
    until = Math.max(until, now() + hold);
    await life.sleep(Math.min(until - now(), Math.max(intervalMs, hold)));
  } while (now() < until && !life.closed());
};

const followPolls = async <Data, Changed>({
  life,
  poll,
  intervalMs,
  random,
}: Parts<Data, Changed>): Promise<void> => {
  for (let failures = 0; !life.closed();) {
    const error = await poll();
    failures = error === undefined ? 0 : failures + 1;
    const pause =
      error === undefined ? intervalMs : Math.min(intervalMs, backOff(failures, random));
    await life.sleep(Math.max(pause, life.retryAfterMs(), rejectedKeyDelay(error, random)));
  }
};
