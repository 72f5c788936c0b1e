import type { Address, Kind } from './kind.ts';
import { createLife } from './life.ts';
import type { Life } from './life.ts';
import { backOff, HEARTBEAT_MS, HEDGE_MS, POLL_INTERVAL_MS, slowly } from './pace.ts';
import { createPoll } from './poll.ts';
import type { Poll } from './poll.ts';
import { createStanding } from './standing.ts';
import type { Listening, Standing } from './standing.ts';
import type { Status } from './status.ts';
import { readStream } from './stream.ts';
import { asTrouble } from './trouble.ts';
import type { Trouble } from './trouble.ts';
import { realWorld } from './world.ts';
import type { World } from './world.ts';

export type Following<Data> = Address &
  Listening<Data> & {
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

type Parts<Data> = World & {
  readonly kind: Kind<Data>;
  readonly life: Life;
  readonly standing: Standing<Data>;
  readonly poll: Poll;
  readonly intervalMs: number;
};

/** Follows one kind of data. Stream and polls take turns, so that their answers never cross. */
export const follow = <Data extends { readonly revision: number }>(
  kind: Kind<Data>,
  options: Following<Data>,
  world: World = realWorld,
): Follower<Data> => {
  const life = createLife(world);
  const standing = createStanding(options, world.now);
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

/** Poll and then reconnect, whenever the stream is lost: sooner at first, and then ever more slowly. */
const followStream = async <Data>(parts: Parts<Data>): Promise<void> => {
  const { life, random } = parts;
  for (let failures = 0; !life.ended(); failures += 1) {
    const { error, livedMs } = await untilLost(parts);
    if (livedMs >= HEARTBEAT_MS) failures = 0;
    // Data with a gap cannot wait; else not everyone asks in the moment in which a server goes down.
    await life.sleep(life.holdMs() + (error.gap ? 0 : backOff(0, random)));
    await pollFor(parts, Math.max(backOff(failures, random), slowly(error, random)));
  }
};

/** Follows a stream for as long as it lives. Answers why it died, and how long it had told data. */
const untilLost = async <Data>({ kind, life, standing, poll, now, after }: Parts<Data>) => {
  let begunAt = Number.POSITIVE_INFINITY;
  const cancel = after(HEDGE_MS, () => {
    if (standing.mode() === 'connecting') void poll();
  });
  const onBegin = () => {
    begunAt = now();
    cancel();
  };
  const error = await readStream(kind, life, standing, onBegin).catch(asTrouble);
  cancel();
  if (!life.ended()) lose(standing, error);
  return { error, livedMs: now() - begunAt };
};

const lose = <Data>(standing: Standing<Data>, error: Trouble): void => {
  standing.fail(error);
  if (standing.mode() === 'streaming') standing.enter('connecting');
};

/** Polls now, and at intervals until `ms` have passed and the server may be asked again. */
const pollFor = async <Data>(parts: Parts<Data>, ms: number): Promise<void> => {
  const { life, poll, intervalMs, now, random } = parts;
  let until = now() + ms;
  do {
    const hold = Math.max(slowly(await poll(), random), life.holdMs());
    until = Math.max(until, now() + hold);
    await life.sleep(Math.min(until - now(), Math.max(intervalMs, hold)));
  } while (now() < until && !life.ended());
};

const followPolls = async <Data>({
  life,
  poll,
  intervalMs,
  random,
}: Parts<Data>): Promise<void> => {
  for (let failures = 0; !life.ended();) {
    const error = await poll();
    failures = error === undefined ? 0 : failures + 1;
    const pause =
      error === undefined ? intervalMs : Math.min(intervalMs, backOff(failures, random));
    await life.sleep(Math.max(pause, life.holdMs(), slowly(error, random)));
  }
};
