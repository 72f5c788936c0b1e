import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { systemClock, type Clock } from '../../src/clock.ts';
import { StoreError, type Ledger, type Store } from '../../src/store/store.ts';
import {
  auditOf,
  entry,
  flag,
  flags,
  neverAborted,
  newLedger,
  take,
  write,
} from '../store/fixtures.ts';
import { eventually, startCluster, type RedisProcess } from './processes.ts';
import { startProxy, type Proxy } from './proxy.ts';
import { useProcesses, useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis({ appendonly: 'yes', appendfsync: 'always' });
let proxy: Proxy;
let store: Store;
beforeAll(async () => {
  proxy = await startProxy(redis().port);
  store = await openStore(`redis://127.0.0.1:${proxy.port}`);
});
afterAll(async () => {
  await store.close();
  await proxy.close();
});

/** The error of an operation that failed at once, because nothing was sent to Redis. */
const NOT_SENT = {
  name: 'StoreError',
  code: 'unavailable',
  message: expect.stringContaining('cannot be reached'),
};

/** Returns how an operation ends. Tests that await this while Redis does not reply show that it ends at all. */
const outcomeOf = <Value>(work: Promise<Value>) =>
  work.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  );

/** Resolves once the store is available again. */
const waitUntilAvailable = async (opened: Store = store): Promise<void> => {
  for (;;) {
    if (!('error' in (await outcomeOf(opened.ping())))) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
};

const allOperations = (ledger = newLedger()): [string, () => Promise<unknown>][] => [
  ['commit', () => store.commit(ledger, { expect: 'none', writes: flags(flag('a')), audit: [] })],
  ['read', () => store.read(ledger)],
  ['head', () => store.head(ledger)],
  ['get', () => store.get(ledger, 'flags', 'a')],
  ['findAudit', () => store.findAudit(ledger, { limit: 5 })],
  ['auditEntries', () => store.auditEntries(ledger, ['1-0'])],
  ['drop', () => store.drop(ledger)],
  ['ping', () => store.ping()],
  ['follow', () => take(store.follow(ledger, 'none', neverAborted()), 1)],
];

beforeEach(async () => {
  proxy.heal();
  redis().resume();
  await waitUntilAvailable();
});

describe('while Redis is unavailable', () => {
  it('every operation fails at once as unavailable, and works when Redis is available again', async () => {
    await redis().kill();
    const [, commit] = allOperations()[0] ?? [];
    await outcomeOf(commit?.() ?? Promise.resolve());
    for (const [name, run] of allOperations()) {
      expect(await outcomeOf(run()), name).toMatchObject({ error: NOT_SENT });
    }
    await redis().start();
    await waitUntilAvailable();
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a')));
    expect((await store.read(ledger))?.records.flags.size).toBe(1);
  });

  it('a failed commit is not written later', async () => {
    const ledger = newLedger();
    await redis().kill();
    const commit = { expect: 'none', writes: flags(flag('a')), audit: [] };
    await expect(store.commit(ledger, commit)).rejects.toThrow(StoreError);
    await redis().start();
    await waitUntilAvailable();
    expect(await store.head(ledger)).toBeUndefined();
  });

  it('with a paused Redis every operation fails while it is still paused', async () => {
    const { id } = await write(store, newLedger(), {});
    redis().pause();
    const all = await Promise.all(allOperations().map(([, run]) => outcomeOf(run())));
    for (const each of all) {
      expect(each).toMatchObject({ error: { name: 'StoreError', code: 'unavailable' } });
    }
    const again = await Promise.all(allOperations().map(([, run]) => outcomeOf(run())));
    for (const each of again) expect(each).toMatchObject({ error: NOT_SENT });
    redis().resume();
    await waitUntilAvailable();
    expect(id).toBeDefined();
  });

  it('a follower fails, and another one continues from its position', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const lost = outcomeOf(take(store.follow(ledger, id, neverAborted()), 1));
    await redis().kill();
    expect(await lost).toMatchObject({ error: { code: 'unavailable' } });
    await redis().start();
    await waitUntilAvailable();
    const changes = take(store.follow(ledger, id, neverAborted()), 1);
    const change = await write(store, ledger, flags(flag('b')));
    expect(await changes).toEqual([change]);
  });

  it('a follower of a paused Redis fails while it is still paused', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const changes = store.follow(ledger, id, neverAborted())[Symbol.asyncIterator]();
    const first = changes.next();
    await write(store, ledger, {});
    await first;
    redis().pause();
    const outcome = await outcomeOf(changes.next());
    expect(outcome).toMatchObject({ error: { code: 'unavailable' } });
  });
});

describe('a Cluster with one paused master', () => {
  const cluster = useProcesses(() => startCluster());
  let opened: Store;
  beforeAll(async () => {
    for (const node of cluster().nodes)
      node.cli('config', 'set', 'cluster-require-full-coverage', 'no');
    opened = await openStore(cluster().url);
  });
  afterAll(() => opened.close());
  const isOn = (node: RedisProcess, { kind, id }: Ledger) =>
    node.cli('keys', `pennon:{${kind}:${id}}:*`) !== '';
  const many = (ledger: Ledger<'flagSet'>) =>
    Promise.all(Array.from({ length: 20 }, () => outcomeOf(opened.read(ledger))));

  it('commands for it fail while it is paused, then without being sent; others are not affected', async () => {
    const ledgers = Array.from({ length: 20 }, newLedger);
    for (const ledger of ledgers) await write(opened, ledger, flags(flag('a')));
    const [master] = cluster().nodes;
    const available = ledgers.find(each => master && !isOn(master, each)) ?? newLedger();
    const unavailable = ledgers.find(each => master && isOn(master, each)) ?? newLedger();
    master?.pause();
    for (const each of await many(unavailable))
      expect(each).toMatchObject({ error: { name: 'StoreError', code: 'unavailable' } });
    const again = await many(unavailable);
    for (const each of again) expect(each).toMatchObject({ error: NOT_SENT });
    const others = await many(available);
    expect(others.every(each => 'value' in each)).toBe(true);
    master?.resume();
    await eventually(async () => 'value' in (await outcomeOf(opened.read(unavailable))));
  });
});

const SLOWER = 20;
/** A clock that is so slow that a store has enough time to confirm a commit, also on a busy machine. */
const slowClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() / SLOWER,
  after: (ms, callback) => systemClock.after(ms * SLOWER, callback),
  every: (ms, callback) => systemClock.every(ms * SLOWER, callback),
};

describe('a commit without a reply', () => {
  let patient: Store;
  beforeAll(async () => {
    patient = await openStore(`redis://127.0.0.1:${proxy.port}`, { clock: slowClock });
  });
  afterAll(() => patient.close());
  beforeEach(() => waitUntilAvailable(patient));

  const attempt = async (writer: Store, interrupt: () => void) => {
    const ledger = newLedger();
    const first = await write(writer, ledger, flags(flag('a')), { audit: [entry('a')] });
    proxy.loseReplies();
    const commit = { expect: first.id, writes: flags(flag('b')), audit: [entry('b')] };
    const outcome = outcomeOf(writer.commit(ledger, commit));
    await redisHas(ledger.id, 'b');
    interrupt();
    return { ledger, first, outcome: await outcome };
  };

  const redisHas = async (ledger: string, key: string) => {
    while (redis().cli('hexists', `pennon:{flagSet:${ledger}}:flags`, key) !== '1')
      await new Promise(resolve => setTimeout(resolve, 5));
  };

  it('is confirmed if Redis can be reached again: it was made exactly once', async () => {
    const { ledger, first, outcome } = await attempt(patient, () => {
      proxy.heal();
      proxy.cut();
    });
    expect(outcome).toMatchObject({ value: { committed: true, change: { previous: first.id } } });
    expect((await auditOf(patient, ledger, { limit: 9 })).map(({ key }) => key)).toEqual([
      'b',
      'a',
    ]);
  });

  it('fails as unknown if Redis cannot be reached; the change is there completely', async () => {
    const { ledger, outcome } = await attempt(store, () => undefined);
    expect(outcome).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('not known') },
    });
    proxy.heal();
    proxy.cut();
    await waitUntilAvailable();
    expect([...((await store.read(ledger))?.records.flags.keys() ?? [])]).toEqual(['a', 'b']);
    expect(await auditOf(store, ledger, { limit: 9 })).toHaveLength(2);
  });

  it('is confirmed even if others have committed since', async () => {
    const other = await openStore(`redis://127.0.0.1:${redis().port}`);
    const ledger = newLedger();
    const first = await write(patient, ledger, flags(flag('a')));
    proxy.loseReplies();
    const commit = { expect: first.id, writes: flags(flag('b')), audit: [entry('b')] };
    const outcome = patient.commit(ledger, commit);
    await redisHas(ledger.id, 'b');
    for (let i = 0; i < 10; i += 1) await write(other, ledger, flags(flag(`c${i}`)));
    proxy.heal();
    proxy.cut();
    expect(await outcome).toMatchObject({ committed: true, change: { previous: first.id } });
    expect(await auditOf(patient, ledger, { limit: 9 })).toHaveLength(1);
    await other.close();
  });

  it('is made once if it was lost on the way to Redis', async () => {
    const ledger = newLedger();
    const { id } = await write(patient, ledger, {});
    const outcome = patient.commit(ledger, {
      expect: id,
      writes: flags(flag('b')),
      audit: [entry('b')],
    });
    proxy.cut();
    expect(await outcome).toMatchObject({ committed: true, change: { previous: id } });
    expect(await auditOf(patient, ledger, { limit: 9 })).toHaveLength(1);
  });
});
