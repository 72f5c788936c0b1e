import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Ledger, Store } from '../../src/store/store.ts';
import { auditOf, entry, flag, flags, newLedger, write } from '../store/fixtures.ts';
import {
  eventually,
  FAILOVER_AFTER_MS,
  startCluster,
  startSentinels,
  type RedisProcess,
} from './processes.ts';
import { useProcesses } from './setup.ts';
import { openStore } from './store.ts';

/** Commits one change after another until stopped. Records the acknowledged ids. */
const startWriter = (store: Store, ledger: Ledger<'flagSet'>) => {
  const acknowledged: string[] = [];
  const stop = new AbortController();
  const run = async () => {
    for (let i = 0; !stop.signal.aborted; i += 1) {
      await write(store, ledger, flags(flag(`f${i}`)), { audit: [entry(`f${i}`)] }).then(
        ({ id }) => acknowledged.push(id),
        () => new Promise(resolve => setTimeout(resolve, 50)),
      );
    }
  };
  const running = run();
  return {
    acknowledged,
    async stop() {
      stop.abort();
      await running;
    },
  };
};

/** Follows as a replica does: reads again whenever the feed is lost. */
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
  await writer.stop();
  const head = await store.head(ledger);
  await eventually(() => follower.known() === head);
  await follower.stop();
  await expectOneEntryForEachFlag(store, ledger);
};

/** Until a former master has noticed, it accepts writes, which are lost, and closes no connection. */
const isReplica = (server: RedisProcess): boolean => server.cli('role').startsWith('slave');

/** Every flag was created by one change with one audit entry. */
const expectOneEntryForEachFlag = async (
  store: Store,
  ledger: Ledger<'flagSet'>,
): Promise<void> => {
  const read = await store.read(ledger);
  const logged = (await auditOf(store, ledger, { limit: 1_000_000 })).map(({ key }) => key);
  expect(logged.toSorted()).toEqual([...(read?.records.flags.keys() ?? [])].toSorted());
};

/** Opens a store before the tests of a `describe` and closes it after them. */
const useStore = (url: () => string): (() => Store) => {
  let store: Store | undefined;
  beforeAll(async () => {
    store = await openStore(url());
  });
  afterAll(() => store?.close());
  return () => {
    if (store === undefined) throw new Error('the store opens before the first test');
    return store;
  };
};

describe('behind Sentinels', () => {
  const redis = useProcesses(() => startSentinels({ replicas: 2, downAfterMs: FAILOVER_AFTER_MS }));
  const store = useStore(() => redis().url);
  const master = (): RedisProcess => {
    const port = redis().master();
    const found = redis().servers.find(each => each.port === port);
    if (found === undefined) throw new Error(`no server on port ${port}`);
    return found;
  };

  it('writer and follower continue with the new master when the old one is killed', async () => {
    await expectSurvival(store(), async () => {
      const old = master();
      await old.kill();
      await eventually(() => redis().master() !== old.port);
      await old.start();
      await eventually(() => isReplica(old));
    });
  });

  it('and when the old one is paused and resumes as a former master', async () => {
    await expectSurvival(store(), async () => {
      const old = master();
      old.pause();
      await eventually(() => redis().master() !== old.port);
      old.resume();
      await eventually(() => isReplica(old));
    });
  });
});

const STORES = 20;
/** Longer than all stores take to notice that the master is silent, also on a busy machine. */
const DOWN_AFTER_MS = 12_000;

describe('many servers behind Sentinels', () => {
  const redis = useProcesses(() => startSentinels({ replicas: 2, downAfterMs: DOWN_AFTER_MS }));
  let stores: readonly Store[];
  beforeAll(async () => {
    stores = await Promise.all(Array.from({ length: STORES }, () => openStore(redis().url)));
  });
  afterAll(() => Promise.all(stores.map(store => store.close())));

  // Each loses its connection at a different time, so some request the master just when it changes.
  it('all continue with the new master, regardless of when they lose the old one', async () => {
    const old = redis().servers.find(({ port }) => port === redis().master());
    old?.pause();
    const attempts = stores.map(async (store, i) => {
      await new Promise(resolve => setTimeout(resolve, i * 25));
      return canWrite(store);
    });
    expect(new Set(await Promise.all(attempts))).toEqual(new Set([false]));
    await old?.kill();
    await eventually(() => redis().master() !== old?.port);
    for (const store of stores) await eventually(() => canWrite(store));
  });
});

const canWrite = (store: Store): Promise<boolean> =>
  store.ping().then(
    () => true,
    () => false,
  );

describe('in a Cluster', () => {
  const redis = useProcesses(() => startCluster({ replicas: 1, nodeTimeoutMs: FAILOVER_AFTER_MS }));
  const store = useStore(() => redis().url);

  /** Returns the node that serves a ledger. The other nodes redirect with MOVED. */
  const ownerOf = ({ kind, id }: Ledger): RedisProcess | undefined =>
    redis().nodes.find(node => serves(node, `pennon:{${kind}:${id}}:head`));

  it('writer and follower continue with a replica when the master of their ledger is killed', async () => {
    await expectSurvival(store(), async ledger => {
      const old = ownerOf(ledger);
      await old?.kill();
      await eventually(() => ownerOf(ledger) !== undefined);
      await old?.start();
      await eventually(() => old !== undefined && isReplica(old));
    });
  });

  it('and when it is paused and resumes as a former master', async () => {
    await expectSurvival(store(), async ledger => {
      const old = ownerOf(ledger);
      old?.pause();
      await eventually(() =>
        redis().nodes.some(
          node => node !== old && serves(node, `pennon:{flagSet:${ledger.id}}:head`),
        ),
      );
      old?.resume();
      await eventually(() => old !== undefined && isReplica(old));
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
