import { request } from '../servers.ts';
import { eventually, type RedisProcess, type Sentinels } from '../processes.ts';
import type { Dice } from './dice.ts';
import { pause, start, stop, type ServerSlot } from './servers.ts';

/** Something that fails; over when `happen` resolves. */
export type Fault = {
  readonly name: string;
  /** Whether Redis may lose acknowledged writes. */
  readonly losesWrites: boolean;
  readonly happen: () => Promise<void>;
};

type ChaosEnvironment = {
  readonly redis: Sentinels;
  readonly slots: readonly ServerSlot[];
  readonly dice: Dice;
  readonly environments: readonly string[];
  /** Called with the copies that were restored after Redis had lost all data. */
  readonly onRestored: (document: ExportDocument) => void;
};

// oxlint-disable-next-line typescript/no-explicit-any
export type ExportDocument = { environments: { key: string; flags: any[]; segments: any[] }[] };

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** The faults of a run, in no particular order. */
export const faultsOf = ({
  redis,
  slots,
  dice,
  environments,
  onRestored,
}: ChaosEnvironment): Fault[] => {
  const master = (): RedisProcess => {
    const port = redis.master();
    const found = redis.servers.find(server => server.port === port);
    if (found === undefined) throw new Error(`the sentinels name a master on port ${port}`);
    return found;
  };
  const running = () => slots.filter(slot => slot.running !== undefined);
  const survivor = async (): Promise<ServerSlot> => {
    await eventually(() => running().length > 0);
    return dice.pick(running());
  };

  const restart = async (slot: ServerSlot, signal: NodeJS.Signals) => {
    await stop(slot, signal);
    await wait(dice.roll(1_000));
    // Not awaited, because it may have to wait for Redis.
    void start(slot, redis.url);
  };

  const failover = async (fail: (old: RedisProcess) => Promise<void>) => {
    const old = master();
    await fail(old);
    await eventually(() => redis.master() !== old.port);
    old.resume();
    await old.start();
  };

  return [
    {
      name: 'a server is killed',
      losesWrites: false,
      happen: async () => restart(await survivor(), 'SIGKILL'),
    },
    {
      name: 'a server is stopped and started',
      losesWrites: false,
      happen: async () => restart(await survivor(), 'SIGTERM'),
    },
    {
      name: 'a server is paused',
      losesWrites: false,
      happen: async () => pause(await survivor(), 500 + dice.roll(1_500)),
    },
    {
      name: 'Redis is killed and restarts with its data',
      losesWrites: false,
      async happen() {
        const old = master();
        await old.kill();
        await old.start();
      },
    },
    {
      name: 'Redis is paused briefly',
      losesWrites: false,
      async happen() {
        const old = master();
        old.pause();
        await wait(300 + dice.roll(500));
        old.resume();
      },
    },
    {
      name: 'the streams are trimmed',
      losesWrites: false,
      async happen() {
        for (const key of master().cli('--scan', '--pattern', '*:changes').split('\n'))
          master().cli('xtrim', key, 'MAXLEN', String(dice.roll(3)));
      },
    },
    {
      name: 'the master is killed and a replica is promoted',
      losesWrites: true,
      happen: () => failover(old => old.kill()),
    },
    {
      name: 'the master is paused, a replica is promoted, and the old master resumes',
      losesWrites: true,
      happen: () => failover(async old => old.pause()),
    },
    {
      name: 'a failover is requested from the sentinels',
      losesWrites: true,
      happen: () => failover(old => requestFailover(redis, old)),
    },
    {
      name: 'Redis restarts without its data, and operators restore it',
      losesWrites: true,
      async happen() {
        await loseEverything(redis);
        onRestored(await restoreData(slots, environments));
      },
    },
  ];
};

const REPEAT_MS = 5_000;

/** Repeats the request, because a sentinel gives up if no replica is suitable at that time. */
const requestFailover = async (redis: Sentinels, { port }: RedisProcess): Promise<void> => {
  let requestedAt = 0;
  await eventually(() => {
    if (redis.master() !== port) return true;
    if (Date.now() - requestedAt < REPEAT_MS) return false;
    requestedAt = Date.now();
    try {
      redis.sentinels[0]?.cli('sentinel', 'failover', 'flags');
    } catch {
      // A failover is already in progress, or no replica is suitable.
    }
    return false;
  });
};

const loseEverything = async ({ servers }: Sentinels): Promise<void> => {
  await Promise.all(servers.map(server => server.kill()));
  for (const server of servers) server.wipe();
  await Promise.all(servers.map(server => server.start()));
};

/**
 * Restores data as the documentation describes: the servers serve from memory and reject writes, and one call
 * brings the newest copies back. Returns those copies.
 */
const restoreData = async (
  slots: readonly ServerSlot[],
  environments: readonly string[],
): Promise<ExportDocument> => {
  await Promise.all(slots.map(slot => slot.starting));
  const running = slots.filter(slot => slot.running !== undefined);
  await eventually(async () => {
    const all = await Promise.all(
      running.map(({ url }) => request(url, 'GET', '/readyz').catch(() => undefined)),
    );
    return all.every(readiness => readiness?.body.problem !== undefined);
  });
  const document = await newestCopies(running, environments);
  await eventually(async () => {
    const [slot] = running;
    const restored = await request(slot?.url ?? '', 'POST', '/api/v1/restore');
    return restored.status === 200;
  });
  return document;
};

/** Returns each environment from the server with the newest copy. */
const newestCopies = async (
  slots: readonly ServerSlot[],
  environments: readonly string[],
): Promise<ExportDocument> => {
  const newest = async (key: string) => {
    const path = `/api/v1/export?environment=${key}`;
    const copies = await Promise.all(
      slots.map(async ({ url }) => ({
        revision: Number((await flagSet(url, key)).revision),
        environment: (await request(url, 'GET', path)).body.environments[0],
      })),
    );
    return copies.toSorted((a, b) => b.revision - a.revision)[0]?.environment;
  };
  return { environments: await Promise.all(environments.map(newest)) };
};

const flagSet = async (url: string, environment: string) =>
  (await request(url, 'GET', `/api/v1/flag-set?environment=${environment}`)).body;
