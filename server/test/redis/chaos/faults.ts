import { ask, production, startServerOn } from '../servers.ts';
import { eventually, type RedisProcess, type Sentinels } from '../processes.ts';
import type { Dice } from './dice.ts';
import { pause, start, stop, type Place } from './servers.ts';

/** Something that goes wrong, and is over when it resolves. */
export type Fault = {
  readonly name: string;
  /** Redis may lose what it has acknowledged. */
  readonly loses: boolean;
  readonly happen: () => Promise<void>;
};

type World = {
  readonly redis: Sentinels;
  readonly places: readonly Place[];
  readonly dice: Dice;
  readonly environments: readonly string[];
  /** Called with the document that was put back after Redis had lost all data. */
  readonly onRestored: (document: ExportDocument) => void;
};

// oxlint-disable-next-line typescript/no-explicit-any
export type ExportDocument = { environments: { key: string; flags: any[]; segments: any[] }[] };

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** Everything that is to go wrong in a run, in no order. */
export const faultsOf = ({ redis, places, dice, environments, onRestored }: World): Fault[] => {
  const master = (): RedisProcess => {
    const port = redis.master();
    const found = redis.servers.find(server => server.port === port);
    if (found === undefined) throw new Error(`the sentinels name a master on port ${port}`);
    return found;
  };
  const running = () => places.filter(place => place.running !== undefined);
  const survivor = async (): Promise<Place> => {
    await eventually(() => running().length > 0);
    return dice.pick(running());
  };

  const comeBack = async (place: Place, signal: NodeJS.Signals) => {
    await stop(place, signal);
    await wait(dice.roll(1_000));
    // It may have to wait for Redis; nothing else waits for it.
    void start(place, redis.url);
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
      loses: false,
      happen: async () => comeBack(await survivor(), 'SIGKILL'),
    },
    {
      name: 'a server is stopped and started',
      loses: false,
      happen: async () => comeBack(await survivor(), 'SIGTERM'),
    },
    {
      name: 'a server hangs for a while',
      loses: false,
      happen: async () => pause(await survivor(), 500 + dice.roll(1_500)),
    },
    {
      name: 'Redis is killed and comes back with its data',
      loses: false,
      async happen() {
        const old = master();
        await old.kill();
        await old.start();
      },
    },
    {
      name: 'Redis hangs for a moment',
      loses: false,
      async happen() {
        const old = master();
        old.pause();
        await wait(300 + dice.roll(500));
        old.resume();
      },
    },
    {
      name: 'the streams are trimmed',
      loses: false,
      async happen() {
        for (const key of master().cli('--scan', '--pattern', '*:changes').split('\n'))
          master().cli('xtrim', key, 'MAXLEN', String(dice.roll(3)));
      },
    },
    {
      name: 'the master dies and a replica takes over',
      loses: true,
      happen: () => failover(old => old.kill()),
    },
    {
      name: 'the master hangs, a replica takes over, and the old one comes back to itself',
      loses: true,
      happen: () => failover(async old => old.pause()),
    },
    {
      name: 'the sentinels are told to change the master',
      loses: true,
      happen: () => failover(old => tellToChange(redis, old)),
    },
    {
      name: 'Redis comes back without its data, and people put it right',
      loses: true,
      async happen() {
        await loseEverything(redis);
        onRestored(await putRight(redis, places, environments));
      },
    },
  ];
};

const TOLD_AGAIN_MS = 5_000;

/** A sentinel gives up where no replica seems good to it, such as right after their master was away. */
const tellToChange = async (redis: Sentinels, { port }: RedisProcess): Promise<void> => {
  let toldAt = 0;
  await eventually(() => {
    if (redis.master() !== port) return true;
    if (Date.now() - toldAt < TOLD_AGAIN_MS) return false;
    toldAt = Date.now();
    try {
      redis.sentinels[0]?.cli('sentinel', 'failover', 'flags');
    } catch {
      // It is at it already, or has nobody to choose.
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
 * What the README tells people to do: the servers go on with what they know, and refuse writes; the data
 * is exported from one of them, a server without a copy begins anew, and the data is imported there.
 */
const putRight = async (
  redis: Sentinels,
  places: readonly Place[],
  environments: readonly string[],
): Promise<ExportDocument> => {
  await Promise.all(places.map(place => place.starting));
  const knowing = () => places.find(place => place.running !== undefined && !place.paused);
  let document: ExportDocument | undefined;
  await eventually(async () => {
    const place = knowing();
    if (place === undefined) return false;
    const readiness = await ask(place.url, 'GET', '/readyz').catch(() => undefined);
    if (readiness?.body.status !== 'degraded') return false;
    document = (await ask(place.url, 'GET', '/api/v1/export')).body;
    return true;
  });
  const fresh = await startServerOn(redis.url, { PENNON_RATE_LIMIT: '0' });
  await eventually(async () => {
    const imported = await ask(fresh.url, 'POST', '/api/v1/import?overwrite=true', {
      body: document,
    });
    return imported.status === 200;
  });
  await eventually(async () => {
    const seen = await Promise.all(
      environments.map(name =>
        ask(fresh.url, 'GET', production('/flags').replace('production', name)),
      ),
    );
    return seen.every(({ status }) => status === 200);
  });
  await fresh.stop();
  if (document === undefined) throw new Error('there was nothing to put back');
  return document;
};
