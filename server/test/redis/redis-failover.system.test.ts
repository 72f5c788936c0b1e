import { afterAll, describe, expect, it } from 'vitest';

import type { Ledger, Store } from '../../src/store/store.ts';
import { entry, flag, flags, newLedger, write } from '../store/fixtures.ts';
import { eventually, startCluster, startSentinels, type RedisProcess } from './processes.ts';
import { openStore } from './store.ts';

/** Commits one change after the other until told to stop; remembers those that were acknowledged. */
const startWriter = (store: Store, ledger: Ledger<'flagSet'>) => {
  const acknowledged: string[] = [];
  let longestMs = 0;
  const stop = new AbortController();
  const run = async () => {
    for (let i = 0; !stop.signal.aborted; i += 1) {
      const start = performance.now();
      await write(store, ledger, flags(flag(`f${i}`)), { audit: [entry(`f${i}`)] }).then(
        ({ id }) => acknowledged.push(id),
        () => new Promise(resolve => setTimeout(resolve, 50)),
      );
      longestMs = Math.max(longestMs, performance.now() - start);
    }
  };
  const running = run();
  return {
    acknowledged,
    async stop() {
      stop.abort();
      await running;
      return { longestMs };
    },
  };
};

/** Follows as a replica does: reads anew whenever the feed breaks. Answers where it stands. */
const startFollower = (store: Store, ledger: Ledger<'flagSet'>) => {
  const stop = new AbortController();
  let known = '';
  const once = async () => {
    known = (await store.head(ledger)) ?? known;
    for await (const change of store.follow(ledger, known, stop.signal)) {
      if (change.previous !== known) return;
      known = change.id;
    }
  };
  const run = async () => {
    while (!stop.signal.aborted)
      await once().catch(() => new Promise(resolve => setTimeout(resolve, 50)));
  };
  const running = run();
  return {
    known: () => known,
    async stop() {
      stop.abort();
      await running;
    },
  };
};

const BOUND_MS = 8_000;

const expectSurvival = async (
  store: Store,
  failover: (ledger: Ledger) => Promise<void>,
): Promise<void> => {
  const ledger = newLedger();
  await write(store, ledger, {});
  const follower = startFollower(store, ledger);
  const writer = startWriter(store, ledger);
  await eventually(() => writer.acknowledged.length > 50);
  await failover(ledger);
  const before = writer.acknowledged.length;
  await eventually(() => writer.acknowledged.length > before + 50);
  const { longestMs } = await writer.stop();
  const head = await store.head(ledger);
  await eventually(() => follower.known() === head);
  await follower.stop();
  expect(longestMs).toBeLessThan(BOUND_MS);
  await expectOneEntryForEachFlag(store, ledger);
};

/** Every flag that is there was created by one change with one audit entry. */
const expectOneEntryForEachFlag = async (
  store: Store,
  ledger: Ledger<'flagSet'>,
): Promise<void> => {
  const read = await store.read(ledger);
  const logged = (await store.audit(ledger, { limit: 1_000_000 })).map(({ key }) => key);
  expect(logged.toSorted()).toEqual([...(read?.records.flags.keys() ?? [])].toSorted());
};

describe('behind Sentinels', async () => {
  const redis = await startSentinels({ replicas: 2 });
  const store = await openStore(redis.url);
  afterAll(async () => {
    await store.close();
    await redis.remove();
  });
  const master = (): RedisProcess => {
    const port = redis.master();
    const found = redis.servers.find(each => each.port === port);
    if (found === undefined) throw new Error(`no server on port ${port}`);
    return found;
  };

  it('writer and follower go on with the new master when the old one is killed', async () => {
    await expectSurvival(store, async () => {
      const old = master();
      await old.kill();
      await eventually(() => redis.master() !== old.port);
      await old.start();
    });
  });

  it('and when the old one hangs, and comes back believing that it is the master', async () => {
    await expectSurvival(store, async () => {
      const old = master();
      old.pause();
      await eventually(() => redis.master() !== old.port);
      old.resume();
    });
  });
});

const STORES = 20;

describe('many servers behind Sentinels', async () => {
  const redis = await startSentinels({ replicas: 2, downAfterMs: 3_000 });
  const stores = await Promise.all(Array.from({ length: STORES }, () => openStore(redis.url)));
  afterAll(async () => {
    await Promise.all(stores.map(store => store.close()));
    await redis.remove();
  });

  // Each loses its connection at a time of its own, so that some ask for the master just when it changes.
  it('all go on with the new master, whatever they are at when it is told', async () => {
    const old = redis.servers.find(({ port }) => port === redis.master());
    old?.pause();
    const asked = stores.map(async (store, i) => {
      await new Promise(resolve => setTimeout(resolve, i * 25));
      return canWrite(store);
    });
    expect(new Set(await Promise.all(asked))).toEqual(new Set([false]));
    await old?.kill();
    await eventually(() => redis.master() !== old?.port);
    for (const store of stores) await eventually(() => canWrite(store));
  });
});

const canWrite = (store: Store): Promise<boolean> =>
  store.ping().then(
    () => true,
    () => false,
  );

describe('in a Cluster', async () => {
  const redis = await startCluster({ replicas: 1 });
  const store = await openStore(redis.url);
  afterAll(async () => {
    await store.close();
    await redis.remove();
  });

  /** The node that serves a ledger; the others answer MOVED. */
  const ownerOf = ({ kind, id }: Ledger): RedisProcess | undefined =>
    redis.nodes.find(node => serves(node, `pennon:{${kind}:${id}}:head`));

  it('writer and follower go on with a replica when the master of their ledger is killed', async () => {
    await expectSurvival(store, async ledger => {
      const old = ownerOf(ledger);
      await old?.kill();
      await eventually(() => ownerOf(ledger) !== undefined);
      await old?.start();
    });
  });

  it('and when it hangs, and comes back believing that it is the master', async () => {
    await expectSurvival(store, async ledger => {
      const old = ownerOf(ledger);
      old?.pause();
      await eventually(() =>
        redis.nodes.some(
          node => node !== old && serves(node, `pennon:{flagSet:${ledger.id}}:head`),
        ),
      );
      old?.resume();
    });
  });
});

const serves = (node: RedisProcess, key: string): boolean => {
  try {
    return node.cli('exists', key) === '1';
  } catch {
    return false;
  }
};
