import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import type { ReplicaEvent } from '../src/replication/replica-state.ts';
import { openReplica, type Replica } from '../src/replication/replica.ts';
import { openSqliteStore } from '../src/store/sqlite/index.ts';
import { CONTROL_LEDGER, StoreError, type Ledger, type Store } from '../src/store/store.ts';
import { apiKey, flag, flags, newLedger, removal, write } from './store/fixtures.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';

/** The embedded store, behind a feed and a read that can fail as those of a network do. */
type BentStore = Store & {
  /** From now on the feed says nothing, and does not say that. */
  deafen(): void;
  hear(): void;
  /** From now on whoever reads is faster than the feed. */
  slowFeeds(): void;
  /** From now on every feed fails as soon as it begins. */
  breakFeeds(): void;
  /** Holds back what reads answer until `letGo`; resolves once a read has its answer. */
  holdReads(): { readonly held: Promise<void>; readonly letGo: () => void };
  /** The next commit waits for `pass` or `fail`; `reached` once it is under way. */
  hangCommit(): {
    readonly reached: Promise<void>;
    readonly pass: () => void;
    readonly fail: () => void;
  };
  /** Every call fails as if the store were away. */
  away: boolean;
  /** How often it was asked for its last change. */
  questions: number;
  /** How often everything was read. */
  reads: number;
};

const bend = (store: Store): BentStore => {
  let deaf = false;
  let broken = false;
  let slow = false;
  let hold: { reached(): void; released: Promise<void> } | undefined;
  const bent: BentStore = {
    ...store,
    away: false,
    questions: 0,
    reads: 0,
    deafen: () => void (deaf = true),
    hear: () => void (deaf = false),
    slowFeeds: () => void (slow = true),
    breakFeeds: () => void (broken = true),
    holdReads() {
      const held = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      hold = { reached: held.resolve, released: released.promise };
      return { held: held.promise, letGo: released.resolve };
    },
    hangCommit() {
      const reached = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<void>();
      bent.commit = async (ledger, commit) => {
        bent.commit = (...next) => store.commit(...next);
        reached.resolve();
        await answer.promise;
        return store.commit(ledger, commit);
      };
      const fail = () => answer.reject(new StoreError('unavailable', 'the store is away'));
      return { reached: reached.promise, pass: answer.resolve, fail };
    },
    async head(ledger) {
      bent.questions += 1;
      refuseAway();
      return store.head(ledger);
    },
    async read(ledger) {
      bent.reads += 1;
      refuseAway();
      const answer = await store.read(ledger);
      const holding = hold;
      hold = undefined;
      holding?.reached();
      await holding?.released;
      return answer;
    },
    async *follow(ledger, after, signal) {
      if (broken) throw new StoreError('unavailable', 'the feed broke');
      for await (const change of store.follow(ledger, after, signal)) {
        if (slow) await store.read(ledger);
        if (!deaf) yield change;
      }
    },
  };
  const refuseAway = () => {
    if (bent.away) throw new StoreError('unavailable', 'the store is away');
  };
  return bent;
};

let directory: string;
let store: BentStore;
let clock: FakeClock;
let ledger: Ledger<'flagSet'>;
let replica: Replica<'flagSet'>;

const CHECK_MS = 5_000;
const GRACE_MS = 1_000;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pennon-replica-'));
  store = bend(await openSqliteStore({ directory, random: secureRandom }));
  clock = createFakeClock();
  ledger = newLedger();
  await write(store, ledger, flags(flag('first')));
  replica = await open();
});

afterEach(async () => {
  replica.close();
  await store.close();
  rmSync(directory, { recursive: true });
});

const open = async () => {
  const opened = await openReplica({ store, clock, reportOutage: () => () => undefined }, ledger);
  await until(() => opened.outage() === undefined);
  return opened;
};

/** What a write answered, or why it was refused. */
const settled = (written: Promise<string>): Promise<string> =>
  written.catch((error: Error) => error.message);

const keys = (): string[] => [...replica.current().records.flags.keys()].toSorted();

/** Lets everything that waits for the store, and for nothing else, come to its end. */
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise(resolve => setImmediate(resolve));
};

/** Lets time pass in steps, as it does, until the condition holds. */
const passUntil = async (
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

const steps = (): ReplicaEvent<'flagSet'>[] => {
  const seen: ReplicaEvent<'flagSet'>[] = [];
  replica.subscribe(step => seen.push(step));
  return seen;
};

describe('a replica', () => {
  it('takes each change as it comes', async () => {
    const seen = steps();
    const change = await write(store, ledger, flags(flag('second')));
    await until(() => replica.current().id === change.id);
    expect(seen).toMatchObject([{ type: 'change', change }]);
  });

  it('reads anew where a change is missing, and tells that as one step', async () => {
    const seen = steps();
    store.deafen();
    const missed = await write(store, ledger, flags(flag('missed')));
    await until(() => true);
    store.hear();
    const next = await write(store, ledger, flags(flag('next')));
    await until(() => replica.current().id === next.id);
    expect(keys()).toEqual(['first', 'missed', 'next']);
    expect(seen.map(({ type }) => type)).toContain('reload');
    expect(seen.map(({ snapshot }) => snapshot.id)).not.toContain(missed.id);
  });

  it('finds out by itself that its feed is silently wrong', async () => {
    store.deafen();
    const { id } = await write(store, ledger, flags(flag('missed')));
    await passUntil(2 * CHECK_MS + GRACE_MS, () => replica.current().id === id);
    expect(keys()).toEqual(['first', 'missed']);
  });

  it('of keys does so within a second: nobody uses a revoked key for longer', async () => {
    await write(store, CONTROL_LEDGER, { keys: new Map([['k', apiKey('k')]]) });
    const control = await openReplica(
      { store, clock, reportOutage: () => () => undefined },
      CONTROL_LEDGER,
    );
    store.deafen();
    await write(store, CONTROL_LEDGER, { keys: new Map([['k', null]]) });
    await passUntil(1_000, () => control.current().records.keys.size === 0);
    expect(control.current().records.keys).toEqual(new Map());
    control.close();
  });

  it('finds out by itself that the store has gone back, and goes with it', async () => {
    await replica.write(() => ({
      writes: flags(flag('lost')),
      audit: [],
      result: () => undefined,
    }));
    store.deafen();
    await store.drop(ledger);
    const { id } = await write(store, ledger, flags(flag('first')));
    await passUntil(2 * CHECK_MS + GRACE_MS, () => replica.current().id === id);
    expect(keys()).toEqual(['first']);
  });

  it('does not read anew for a change that is merely on its way', async () => {
    const seen = steps();
    for (let i = 0; i < 30; i += 1) {
      await write(store, ledger, flags(flag(`f${i}`)));
      clock.advance(CHECK_MS / 3);
    }
    await until(() => keys().length === 31);
    expect(new Set(seen.map(({ type }) => type))).toEqual(new Set(['change']));
  });

  it('leaves to the feed what is written while everything is read', async () => {
    store.deafen();
    await write(store, ledger, flags(flag('missed')));
    await until(() => true);
    store.hear();
    const before = store.reads;
    const { held, letGo } = store.holdReads();
    await write(store, ledger, flags(flag('gap')));
    await held;
    for (let i = 0; i < 30; i += 1) await write(store, ledger, flags(flag(`meanwhile${i}`)));
    const asked = store.questions;
    letGo();
    await until(() => keys().length === 33);
    expect([store.reads - before, store.questions - asked]).toEqual([1, 0]);
  });

  it('waits for the feed where another server wrote first, and does not read everything', async () => {
    store.slowFeeds();
    const other = await open();
    const before = store.reads;
    const add = (to: typeof replica, key: string) =>
      to.write(() => ({ writes: flags(flag(key)), audit: [], result: () => key }));
    for (let i = 0; i < 20; i += 1)
      await Promise.all([add(other, `there${i}`), add(replica, `here${i}`)]);
    await until(() => keys().length === 41);
    expect(store.reads).toBe(before);
    other.close();
  });

  it('never goes back to what a slow read brings, where a write was faster', async () => {
    store.deafen();
    await write(store, ledger, flags(flag('behind')));
    const { held, letGo } = store.holdReads();
    const reading = passUntil(2 * CHECK_MS + GRACE_MS, () => keys().length === 3);
    await held;
    await replica.write(() => ({
      writes: flags(flag('fast')),
      audit: [],
      result: () => undefined,
    }));
    letGo();
    await reading;
    expect(keys()).toEqual(['behind', 'fast', 'first']);
  });
});

describe('a reader that has seen a change already', () => {
  it('is never given older data: what was missed is read first', async () => {
    store.deafen();
    const { id } = await write(store, ledger, flags(flag('seen-elsewhere')));
    await replica.waitForRevision(id);
    expect(replica.current().id).toBe(id);
  });

  it('is told that nobody knows while the store is away', async () => {
    store.deafen();
    const { id } = await write(store, ledger, flags(flag('seen-elsewhere')));
    store.away = true;
    await expect(replica.waitForRevision(id)).rejects.toThrow(StoreError);
    await expect(replica.waitForRevision(replica.current().id)).resolves.toBeUndefined();
  });

  it('is given what there is where the store has lost that change', async () => {
    const { id } = replica.current();
    await replica.waitForRevision(id.replace(/\.1\./, '.99.'));
    expect(replica.current().id).toBe(id);
  });

  it('costs one question to the store, however many come at once', async () => {
    const before = store.questions;
    const lost = replica.current().id.replace(/\.1\./, '.99.');
    await Promise.all(Array.from({ length: 500 }, () => replica.waitForRevision(lost)));
    expect(store.questions - before).toBeLessThanOrEqual(2);
    await Promise.all(
      ['', 'nonsense', replica.current().id].map(id => replica.waitForRevision(id)),
    );
    expect(store.questions - before).toBeLessThanOrEqual(2);
  });
});

describe('a refusal', () => {
  class Missing extends Error {}
  const change = (key: string) =>
    replica.write(({ records }) => {
      if (!records.flags.has(key)) throw new Missing(key);
      return { writes: flags(flag(key, { enabled: false })), audit: [], result: () => 'done' };
    });

  it('is not made on old data: what another server has just created can be changed here', async () => {
    store.deafen();
    await write(store, ledger, flags(flag('new')));
    let answer: string | undefined;
    void change('new').then(done => (answer = done));
    await passUntil(1_000, () => answer !== undefined);
    expect(answer).toBe('done');
  });

  it('stands where the data is current', async () => {
    await expect(change('never')).rejects.toThrow(Missing);
  });

  it('is the store\u2019s where nobody knows what the store has', async () => {
    store.away = true;
    await expect(change('never')).rejects.toThrow(StoreError);
  });
});

describe('while the store is away, or has lost the ledger', () => {
  it('a replica serves what it has, and says since when', async () => {
    store.away = true;
    await store.drop(ledger);
    await passUntil(60_000, () => replica.outage() !== undefined);
    const since = clock.now();
    clock.advance(10_000);
    expect(replica.outage()).toEqual({ since, reason: 'the store is away' });
    expect(keys()).toEqual(['first']);
  });

  it('a replica goes on by itself when the ledger is there again', async () => {
    store.deafen();
    await store.drop(ledger);
    await passUntil(60_000, () => replica.outage() !== undefined);
    expect(replica.outage()?.reason).toContain('has no data for');
    expect(keys()).toEqual(['first']);
    store.hear();
    await write(store, ledger, flags(flag('restored')));
    await passUntil(60_000, () => replica.outage() === undefined);
    expect(keys()).toEqual(['restored']);
  });

  it.each([30_000, 30_400, 30_800, 31_200, 31_600])(
    'a replica follows again within half a second after %i ms without data',
    async ms => {
      await store.drop(ledger);
      await passUntil(60_000, () => replica.outage() !== undefined);
      const since = clock.now();
      await passUntil(60_000, () => clock.now() - since >= ms);
      await write(store, ledger, flags(flag('restored')));
      await passUntil(500, () => replica.outage() === undefined);
      expect(keys()).toEqual(['restored']);
    },
  );

  it('trouble that comes back at once was never over, and is told once', async () => {
    const told: string[] = [];
    store.breakFeeds();
    replica = await openReplica(
      {
        store,
        clock,
        reportOutage: reason => {
          told.push(reason);
          return () => undefined;
        },
      },
      ledger,
    );
    await until(() => replica.outage() !== undefined);
    const since = clock.now();
    await passUntil(20_000, () => clock.now() - since > 10_000 && replica.outage() !== undefined);
    expect(replica.outage()).toEqual({ since, reason: 'the feed broke' });
    expect(told).toEqual(['the feed broke']);
  });

  it('whoever waits for a turn while the store is found away hears of it at once', async () => {
    const add = (key: string) =>
      replica.write(() => ({ writes: flags(flag(key)), audit: [], result: () => key }));
    const { reached, fail } = store.hangCommit();
    const first = settled(add('first-in-line'));
    await reached;
    const waiting = ['second', 'third'].map(key => settled(add(key)));
    fail();
    expect(await first).toBe('the store is away');
    for (const each of waiting) expect(await each).toContain('nothing was written');
    expect(await add('later')).toBe('later');
    expect(keys()).toEqual(['first', 'later']);
  });

  it('nobody waits longer for a turn than eight seconds', async () => {
    const add = (key: string) =>
      replica.write(() => ({ writes: flags(flag(key)), audit: [], result: () => key }));
    const { reached, pass } = store.hangCommit();
    const slow = add('slow');
    await reached;
    const waiting = settled(add('waiting'));
    clock.advance(8_000);
    const late = settled(add('late'));
    pass();
    expect([await slow, await late]).toEqual(['slow', 'late']);
    expect(await waiting).toContain('too many concurrent changes');
    expect(keys()).toEqual(['first', 'late', 'slow']);
  });

  it('a write is refused as unavailable, not as a thing that is not there', async () => {
    await store.drop(ledger);
    const written = replica.write(() => ({ writes: removal('first'), audit: [], result: () => 1 }));
    await expect(written).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' });
  });
});
