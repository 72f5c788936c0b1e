import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import type { ReplicaEvent } from '../src/replication/replica-state.ts';
import { openReplica, type Replica } from '../src/replication/replica.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { CONTROL_LEDGER, StoreError, type Ledger, type Store } from '../src/store/store.ts';
import { apiKey, flag, flags, newLedger, removal, write } from './store/fixtures.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';

/** A memory store whose feed, reads and commits can fail as those of a network store do. */
type FaultyStore = Store & {
  /** Drops changes from the feed without an error. */
  muteFeed(): void;
  unmuteFeed(): void;
  /** Makes the feed slower than any read. */
  slowDownFeed(): void;
  /** Makes every feed fail when it starts. */
  breakFeed(): void;
  repairFeed(): void;
  /** Delays the next read; `reached` resolves once it has read its data. */
  delayRead(): { readonly reached: Promise<void>; readonly release: () => void };
  /** Delays the next commit until `pass` or `fail`; `reached` resolves once it is called. */
  delayCommit(): {
    readonly reached: Promise<void>;
    readonly pass: () => void;
    readonly fail: () => void;
  };
  /** Makes `head` and `read` fail. */
  unavailable: boolean;
  headCalls: number;
  readCalls: number;
};

const createFaultyStore = (store: Store): FaultyStore => {
  let muted = false;
  let broken = false;
  let slow = false;
  let delay: { reached(): void; released: Promise<void> } | undefined;
  const failIfUnavailable = () => {
    if (faulty.unavailable) throw new StoreError('unavailable', 'the store is away');
  };
  const faulty: FaultyStore = {
    ...store,
    unavailable: false,
    headCalls: 0,
    readCalls: 0,
    muteFeed: () => void (muted = true),
    unmuteFeed: () => void (muted = false),
    slowDownFeed: () => void (slow = true),
    breakFeed: () => void (broken = true),
    repairFeed: () => void (broken = false),
    delayRead() {
      const reached = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      delay = { reached: reached.resolve, released: released.promise };
      return { reached: reached.promise, release: released.resolve };
    },
    delayCommit() {
      const reached = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      faulty.commit = async (ledger, commit) => {
        faulty.commit = (...next) => store.commit(...next);
        reached.resolve();
        await released.promise;
        return store.commit(ledger, commit);
      };
      const fail = () => released.reject(new StoreError('unavailable', 'the store is away'));
      return { reached: reached.promise, pass: released.resolve, fail };
    },
    async head(ledger) {
      faulty.headCalls += 1;
      failIfUnavailable();
      return store.head(ledger);
    },
    async read(ledger) {
      faulty.readCalls += 1;
      failIfUnavailable();
      const snapshot = await store.read(ledger);
      const current = delay;
      delay = undefined;
      current?.reached();
      await current?.released;
      return snapshot;
    },
    async *follow(ledger, after, signal) {
      if (broken) throw new StoreError('unavailable', 'the feed broke');
      for await (const change of store.follow(ledger, after, signal)) {
        if (slow) await new Promise(resolve => setImmediate(resolve));
        if (!muted) yield change;
      }
    },
  };
  return faulty;
};

let store: FaultyStore;
let clock: FakeClock;
let ledger: Ledger<'flagSet'>;
let replica: Replica<'flagSet'>;

const CHECK_MS = 5_000;
const GRACE_MS = 1_000;

beforeEach(async () => {
  store = createFaultyStore(openMemoryStore({ random: secureRandom }));
  clock = createFakeClock();
  ledger = newLedger();
  await write(store, ledger, flags(flag('first')));
  replica = await open();
});

afterEach(async () => {
  replica.close();
  await store.close();
});

const open = async () => {
  const opened = await openReplica({ store, clock, reportOutage: () => () => {} }, ledger);
  await until(() => opened.outage() === undefined);
  return opened;
};

/** Returns the result of a write, or the message of its error. */
const resultOf = (written: Promise<string>): Promise<string> =>
  written.catch((error: Error) => error.message);

const keys = (): string[] => [...replica.current().records.flags.keys()].toSorted();

/** Waits for work that depends on the store only, not on time. */
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise(resolve => setImmediate(resolve));
};

/** Waits until everything that is ready has run. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

/** Advances the clock in small steps until the condition holds. */
const advanceUntil = async (
  ms: number,
  condition: () => boolean,
  stepMs = Math.min(100, ms / 100),
): Promise<void> => {
  for (let passed = 0; passed < ms && !condition(); passed += stepMs) {
    clock.advance(stepMs);
    await store.head(ledger).catch(() => undefined);
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(condition(), `it did not happen within ${ms} ms`).toBe(true);
};

const recordEvents = (): ReplicaEvent<'flagSet'>[] => {
  const events: ReplicaEvent<'flagSet'>[] = [];
  replica.subscribe(event => events.push(event));
  return events;
};

/** Writes a flag through the replica. Returns its key. */
const add = (to: typeof replica, key: string) =>
  to.write(() => ({ writes: flags(flag(key)), audit: [], result: () => key }));

describe('a replica', () => {
  it('applies each change as it arrives', async () => {
    const events = recordEvents();
    const change = await write(store, ledger, flags(flag('second')));
    await until(() => replica.current().id === change.id);
    expect(events).toMatchObject([{ type: 'change', change }]);
  });

  it('reloads if a change is missing, and emits that as one event', async () => {
    const events = recordEvents();
    store.muteFeed();
    const missed = await write(store, ledger, flags(flag('missed')));
    await settle();
    store.unmuteFeed();
    const next = await write(store, ledger, flags(flag('next')));
    await until(() => replica.current().id === next.id);
    expect(keys()).toEqual(['first', 'missed', 'next']);
    expect(events.map(({ type }) => type)).toContain('reload');
    expect(events.map(({ snapshot }) => snapshot.id)).not.toContain(missed.id);
  });

  it('detects a feed that has silently stopped', async () => {
    store.muteFeed();
    const { id } = await write(store, ledger, flags(flag('missed')));
    await advanceUntil(2 * CHECK_MS + GRACE_MS, () => replica.current().id === id);
    expect(keys()).toEqual(['first', 'missed']);
  });

  it('of API keys detects it within a second, so a revoked key is not accepted for longer', async () => {
    await write(store, CONTROL_LEDGER, { keys: new Map([['k', apiKey('k')]]) });
    const control = await openReplica(
      { store, clock, reportOutage: () => () => undefined },
      CONTROL_LEDGER,
    );
    store.muteFeed();
    await write(store, CONTROL_LEDGER, { keys: new Map([['k', null]]) });
    await advanceUntil(1_000, () => control.current().records.keys.size === 0);
    expect(control.current().records.keys.size).toBe(0);
    control.close();
  });

  it('detects that the store has lost changes, and follows it', async () => {
    await replica.write(() => ({
      writes: flags(flag('lost')),
      audit: [],
      result: () => undefined,
    }));
    store.muteFeed();
    await store.drop(ledger);
    const { id } = await write(store, ledger, flags(flag('first')));
    await advanceUntil(2 * CHECK_MS + GRACE_MS, () => replica.current().id === id);
    expect(keys()).toEqual(['first']);
  });

  it('does not reload for a change that is still arriving', async () => {
    const events = recordEvents();
    for (let i = 0; i < 30; i += 1) {
      await write(store, ledger, flags(flag(`f${i}`)));
      clock.advance(CHECK_MS / 3);
    }
    await until(() => keys().length === 31);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['change']));
  });

  it('leaves changes during a reload to the feed', async () => {
    store.muteFeed();
    await write(store, ledger, flags(flag('missed')));
    await settle();
    store.unmuteFeed();
    const before = store.readCalls;
    const { reached, release } = store.delayRead();
    await write(store, ledger, flags(flag('gap')));
    await reached;
    for (let i = 0; i < 30; i += 1) await write(store, ledger, flags(flag(`during${i}`)));
    const headCalls = store.headCalls;
    release();
    await until(() => keys().length === 33);
    expect([store.readCalls - before, store.headCalls - headCalls]).toEqual([1, 0]);
  });

  it('waits for the feed after losing to another server, and does not reload', async () => {
    store.slowDownFeed();
    const other = await open();
    const before = store.readCalls;
    for (let i = 0; i < 20; i += 1)
      await Promise.all([add(other, `there${i}`), add(replica, `here${i}`)]);
    await until(() => keys().length === 41);
    expect(store.readCalls).toBe(before);
    other.close();
  });

  it('never goes back to the result of a slow read after a faster write', async () => {
    store.muteFeed();
    await write(store, ledger, flags(flag('behind')));
    const { reached, release } = store.delayRead();
    const reading = advanceUntil(2 * CHECK_MS + GRACE_MS, () => keys().length === 3);
    await reached;
    await replica.write(() => ({
      writes: flags(flag('fast')),
      audit: [],
      result: () => undefined,
    }));
    release();
    await reading;
    expect(keys()).toEqual(['behind', 'fast', 'first']);
  });
});

describe('waiting for a revision', () => {
  it('reloads first if the replica is behind', async () => {
    store.muteFeed();
    const { id } = await write(store, ledger, flags(flag('seen-elsewhere')));
    await replica.waitForChange(id);
    expect(replica.current().id).toBe(id);
  });

  it('fails if the replica is behind and the store unavailable', async () => {
    store.muteFeed();
    const { id } = await write(store, ledger, flags(flag('seen-elsewhere')));
    store.unavailable = true;
    await expect(replica.waitForChange(id)).rejects.toThrow(StoreError);
    await expect(replica.waitForChange(replica.current().id)).resolves.toBeUndefined();
  });

  it('resolves if the store has lost the change', async () => {
    const { id } = replica.current();
    await replica.waitForChange(id.replace(/\.1\./, '.99.'));
    expect(replica.current().id).toBe(id);
  });

  it('shares requests to the store among concurrent calls', async () => {
    const before = store.headCalls;
    const lost = replica.current().id.replace(/\.1\./, '.99.');
    await Promise.all(Array.from({ length: 500 }, () => replica.waitForChange(lost)));
    expect(store.headCalls - before).toBeLessThanOrEqual(2);
    await Promise.all(['', 'nonsense', replica.current().id].map(id => replica.waitForChange(id)));
    expect(store.headCalls - before).toBeLessThanOrEqual(2);
  });
});

describe('a rejected write', () => {
  class NotFound extends Error {}
  const change = (key: string) =>
    replica.write(({ records }) => {
      if (!records.flags.has(key)) throw new NotFound(key);
      return { writes: flags(flag(key, { enabled: false })), audit: [], result: () => 'done' };
    });

  it('is planned again on current data, so a flag just created on another server can be changed', async () => {
    store.muteFeed();
    await write(store, ledger, flags(flag('new')));
    let result: string | undefined;
    void change('new').then(done => (result = done));
    await advanceUntil(1_000, () => result !== undefined);
    expect(result).toBe('done');
  });

  it('is rejected if the data is current', async () => {
    await expect(change('never')).rejects.toThrow(NotFound);
  });

  it('fails with the error of the store if the store is unavailable', async () => {
    store.unavailable = true;
    await expect(change('never')).rejects.toThrow(StoreError);
  });
});

describe('a write that changes nothing', () => {
  it('is planned again on current data, so it returns what the store has', async () => {
    store.muteFeed();
    const { id } = await write(store, ledger, flags(flag('b')));
    const plans: string[] = [];
    const result = await replica.write(snapshot => {
      plans.push(snapshot.id);
      return { writes: {}, audit: [], result: last => last };
    });
    expect(result).toBe(id);
    expect(plans).toHaveLength(2);
  });
});

describe('while the store is unavailable or has lost the ledger', () => {
  it('a replica serves its data and has an outage with its start', async () => {
    store.unavailable = true;
    await store.drop(ledger);
    await advanceUntil(60_000, () => replica.outage() !== undefined);
    const since = clock.monotonic();
    clock.advance(10_000);
    expect(replica.outage()).toEqual({ since, reason: 'the store is away', code: 'unavailable' });
    expect(keys()).toEqual(['first']);
  });

  it('a replica recovers when the ledger exists again', async () => {
    store.muteFeed();
    await store.drop(ledger);
    await advanceUntil(60_000, () => replica.outage() !== undefined);
    expect(replica.outage()?.reason).toContain('has no data for');
    expect(keys()).toEqual(['first']);
    store.unmuteFeed();
    await write(store, ledger, flags(flag('restored')));
    await advanceUntil(60_000, () => replica.outage() === undefined);
    expect(keys()).toEqual(['restored']);
  });

  it.each([30_000, 30_400, 30_800, 31_200, 31_600])(
    'a replica follows again within half a second after an outage of %i ms',
    async ms => {
      await store.drop(ledger);
      await advanceUntil(60_000, () => replica.outage() !== undefined);
      const since = clock.monotonic();
      await advanceUntil(60_000, () => clock.monotonic() - since >= ms);
      await write(store, ledger, flags(flag('restored')));
      await advanceUntil(500, () => replica.outage() === undefined);
      expect(keys()).toEqual(['restored']);
    },
  );

  const openWithReports = async () => {
    const reports: string[] = [];
    const reportOutage = ({ reason }: { reason: string }) => {
      reports.push(reason);
      return () => void reports.push('over');
    };
    replica = await openReplica({ store, clock, reportOutage }, ledger);
    await until(() => replica.outage() !== undefined);
    return reports;
  };

  it('an outage that returns at once is the same outage and is reported once', async () => {
    store.breakFeed();
    const reports = await openWithReports();
    const since = clock.monotonic();
    await advanceUntil(
      20_000,
      () => clock.monotonic() - since > 10_000 && replica.outage() !== undefined,
    );
    expect(replica.outage()).toEqual({ since, reason: 'the feed broke', code: 'unavailable' });
    expect(reports).toEqual(['the feed broke']);
  });

  it('the end of an outage is reported once it has not returned for five seconds', async () => {
    store.breakFeed();
    const reports = await openWithReports();
    store.repairFeed();
    await advanceUntil(1_000, () => replica.outage() === undefined);
    clock.advance(4_000);
    expect(reports).toEqual(['the feed broke']);
    clock.advance(1_000);
    expect(reports).toEqual(['the feed broke', 'over']);
  });

  it('queued writes fail as soon as an earlier one finds the store unavailable', async () => {
    const { reached, fail } = store.delayCommit();
    const first = resultOf(add(replica, 'first-in-queue'));
    await reached;
    const waiting = ['second', 'third'].map(key => resultOf(add(replica, key)));
    fail();
    expect(await first).toBe('the store is away');
    for (const each of waiting) expect(await each).toContain('nothing was written');
    expect(await add(replica, 'later')).toBe('later');
    expect(keys()).toEqual(['first', 'later']);
  });

  it('a write waits in the queue for at most eight seconds', async () => {
    const { reached, pass } = store.delayCommit();
    const slow = add(replica, 'slow');
    await reached;
    const waiting = resultOf(add(replica, 'waiting'));
    clock.advance(8_000);
    const late = resultOf(add(replica, 'late'));
    pass();
    expect([await slow, await late]).toEqual(['slow', 'late']);
    expect(await waiting).toContain('too many concurrent changes');
    expect(keys()).toEqual(['first', 'late', 'slow']);
  });

  it('a write fails as missing data, not as a missing document', async () => {
    await store.drop(ledger);
    const written = replica.write(() => ({ writes: removal('first'), audit: [], result: () => 1 }));
    await expect(written).rejects.toMatchObject({ name: 'StoreError', code: 'missing' });
  });
});
