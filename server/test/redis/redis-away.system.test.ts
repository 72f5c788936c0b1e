import { afterAll, beforeEach, describe, expect, it } from 'vitest';

import { StoreError, type Ledger, type Store } from '../../src/store/store.ts';
import { entry, flag, flags, neverAborted, newLedger, take, write } from '../store/fixtures.ts';
import { eventually, startCluster, startRedis, type RedisProcess } from './processes.ts';
import { startProxy } from './proxy.ts';
import { openStore } from './store.ts';

const redis = await startRedis({ appendonly: 'yes', appendfsync: 'always' });
const proxy = await startProxy(redis.port);
const store = await openStore(`redis://127.0.0.1:${proxy.port}`);
afterAll(async () => {
  await store.close();
  await proxy.close();
  await redis.remove();
});

/** Nothing may take longer, whatever happens to Redis; a slow machine gets some more. */
const BOUND_MS = 6_000;
/** Without waiting for anybody who does not answer. */
const AT_ONCE_MS = 1_500;

const timed = async <Value>(work: Promise<Value>) => {
  const start = performance.now();
  const outcome = await work.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  );
  return { ms: performance.now() - start, ...outcome };
};

/** Resolves once the store answers again. */
const back = async (opened: Store = store): Promise<void> => {
  for (;;) {
    if (!('error' in (await timed(opened.ping())))) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
};

const everything = (ledger = newLedger()): [string, () => Promise<unknown>][] => [
  ['commit', () => store.commit(ledger, { expect: 'none', writes: flags(flag('a')), audit: [] })],
  ['read', () => store.read(ledger)],
  ['head', () => store.head(ledger)],
  ['get', () => store.get(ledger, 'flags', 'a')],
  ['page', () => store.page(ledger, 'flags', { limit: 5 })],
  ['audit', () => store.audit(ledger, { limit: 5 })],
  ['drop', () => store.drop(ledger)],
  ['ping', () => store.ping()],
  ['follow', () => take(store.follow(ledger, 'none', neverAborted()), 1)],
];

beforeEach(async () => {
  proxy.heal();
  redis.resume();
  await back();
});

describe('while Redis is away', () => {
  it('everything fails at once as unavailable, and works when Redis is back', async () => {
    await redis.kill();
    const [, commit] = everything()[0] ?? [];
    await timed(commit?.() ?? Promise.resolve());
    for (const [what, ask] of everything()) {
      const { ms, ...outcome } = await timed(ask());
      expect(outcome, what).toMatchObject({
        error: { name: 'StoreError', code: 'unavailable' },
      });
      expect(ms, what).toBeLessThan(200);
    }
    await redis.start();
    await back();
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a')));
    expect((await store.read(ledger))?.records.flags.size).toBe(1);
  });

  it('nothing is kept to be written later', async () => {
    const ledger = newLedger();
    await redis.kill();
    const commit = { expect: 'none', writes: flags(flag('a')), audit: [] };
    await expect(store.commit(ledger, commit)).rejects.toThrow(StoreError);
    await redis.start();
    await back();
    expect(await store.head(ledger)).toBeUndefined();
  });

  it('a Redis that hangs is as good as one that is gone: nothing waits longer than its bound', async () => {
    const { id } = await write(store, newLedger(), {});
    redis.pause();
    const all = await Promise.all(everything().map(([, ask]) => timed(ask())));
    for (const each of all) {
      expect(each).toMatchObject({ error: { name: 'StoreError', code: 'unavailable' } });
      expect(each.ms).toBeLessThan(BOUND_MS);
    }
    const [again] = await Promise.all(everything().map(([, ask]) => timed(ask())));
    expect(again?.ms, 'by now the store knows').toBeLessThan(200);
    redis.resume();
    await back();
    expect(id).toBeDefined();
  });

  it('a follower fails, and another one goes on where it was', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const lost = timed(take(store.follow(ledger, id, neverAborted()), 1));
    await redis.kill();
    expect(await lost).toMatchObject({ error: { code: 'unavailable' } });
    await redis.start();
    await back();
    const changes = take(store.follow(ledger, id, neverAborted()), 1);
    const change = await write(store, ledger, flags(flag('b')));
    expect(await changes).toEqual([change]);
  });

  it('a follower of a Redis that hangs fails within its bound', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const changes = store.follow(ledger, id, neverAborted())[Symbol.asyncIterator]();
    const first = changes.next();
    await write(store, ledger, {});
    await first;
    redis.pause();
    const { ms, ...outcome } = await timed(changes.next());
    expect(outcome).toMatchObject({ error: { code: 'unavailable' } });
    expect(ms).toBeLessThan(BOUND_MS);
  });
});

describe('a Cluster of which one master hangs', async () => {
  const cluster = await startCluster();
  for (const node of cluster.nodes)
    node.cli('config', 'set', 'cluster-require-full-coverage', 'no');
  const opened = await openStore(cluster.url);
  afterAll(async () => {
    await opened.close();
    await cluster.remove();
  });
  const isOn = (node: RedisProcess, { kind, id }: Ledger) =>
    node.cli('keys', `pennon:{${kind}:${id}}:*`) !== '';
  const many = (ledger: Ledger<'flagSet'>) =>
    Promise.all(Array.from({ length: 20 }, () => timed(opened.read(ledger))));
  const slowest = (all: readonly { readonly ms: number }[]) => Math.max(...all.map(({ ms }) => ms));

  it('whoever needs it hears so within its bound, then at once; nobody else notices', async () => {
    const ledgers = Array.from({ length: 20 }, newLedger);
    for (const ledger of ledgers) await write(opened, ledger, flags(flag('a')));
    const [master] = cluster.nodes;
    const there = ledgers.find(each => master && !isOn(master, each)) ?? newLedger();
    const away = ledgers.find(each => master && isOn(master, each)) ?? newLedger();
    master?.pause();
    expect(slowest(await many(away))).toBeLessThan(BOUND_MS);
    const again = await many(away);
    expect(again.every(each => 'error' in each && each.error instanceof StoreError)).toBe(true);
    expect(slowest(again)).toBeLessThan(AT_ONCE_MS);
    const others = await many(there);
    expect(others.every(each => 'value' in each)).toBe(true);
    expect(slowest(others)).toBeLessThan(AT_ONCE_MS);
    master?.resume();
    await eventually(async () => 'value' in (await timed(opened.read(away))));
  });
});

describe('a commit whose answer is lost', () => {
  const attempt = async (interrupt: () => void) => {
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    proxy.loseReplies();
    const commit = { expect: first.id, writes: flags(flag('b')), audit: [entry('b')] };
    const outcome = timed(store.commit(ledger, commit));
    await redisHas(ledger.id, 'b');
    interrupt();
    return { ledger, first, outcome: await outcome };
  };

  const redisHas = async (ledger: string, key: string) => {
    while (redis.cli('hexists', `pennon:{flagSet:${ledger}}:flags`, key) !== '1')
      await new Promise(resolve => setTimeout(resolve, 5));
  };

  it('is settled where Redis can be asked again: it was made, and made once', async () => {
    const { ledger, first, outcome } = await attempt(() => {
      proxy.heal();
      proxy.cut();
    });
    expect(outcome).toMatchObject({ value: { committed: true, change: { previous: first.id } } });
    expect((await store.audit(ledger, { limit: 9 })).map(({ key }) => key)).toEqual(['b', 'a']);
  });

  it('is told as not known where Redis cannot, and its maker finds it done, whole', async () => {
    const { ledger, outcome } = await attempt(() => undefined);
    expect(outcome).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('not known') },
    });
    expect(outcome.ms).toBeLessThan(BOUND_MS);
    proxy.heal();
    proxy.cut();
    await back();
    expect([...((await store.read(ledger))?.records.flags.keys() ?? [])]).toEqual(['a', 'b']);
    expect(await store.audit(ledger, { limit: 9 })).toHaveLength(2);
  });

  it('is settled even after others have committed since', async () => {
    const other = await openStore(`redis://127.0.0.1:${redis.port}`);
    const ledger = newLedger();
    const first = await write(store, ledger, flags(flag('a')));
    proxy.loseReplies();
    const commit = { expect: first.id, writes: flags(flag('b')), audit: [entry('b')] };
    const outcome = store.commit(ledger, commit);
    await redisHas(ledger.id, 'b');
    for (let i = 0; i < 10; i += 1) await write(other, ledger, flags(flag(`c${i}`)));
    proxy.heal();
    proxy.cut();
    expect(await outcome).toMatchObject({ committed: true, change: { previous: first.id } });
    expect(await store.audit(ledger, { limit: 9 })).toHaveLength(1);
    await other.close();
  });

  it('is made once when it had never arrived', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const outcome = store.commit(ledger, {
      expect: id,
      writes: flags(flag('b')),
      audit: [entry('b')],
    });
    proxy.cut();
    expect(await outcome).toMatchObject({ committed: true, change: { previous: id } });
    expect(await store.audit(ledger, { limit: 9 })).toHaveLength(1);
  });
});
