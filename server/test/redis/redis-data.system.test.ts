import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Ledger, Store } from '../../src/store/store.ts';
import {
  contents,
  entry,
  flag,
  flags,
  neverAborted,
  newLedger,
  take,
  write,
} from '../store/fixtures.ts';
import { startRedis } from './processes.ts';
import { openStore } from './store.ts';

const redis = await startRedis({ 'enable-debug-command': 'local' });
const url = `redis://127.0.0.1:${redis.port}`;
afterAll(() => redis.remove());

let store: Store;
beforeEach(async () => {
  redis.cli('flushall');
  store = await openStore(url);
});
afterEach(() => store.close());

const keyOf = ({ kind, id }: Ledger, name: string) => `pennon:{${kind}:${id}}:${name}`;
const nothing = { expect: 'none', writes: {}, audit: [] };

describe('what is in Redis', () => {
  it('is readable by people: a document is JSON in a hash, with the change that wrote it', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    expect(JSON.parse(redis.cli('hget', keyOf(ledger, 'flags'), 'a'))).toEqual({
      changeId: id,
      document: flag('a'),
    });
    expect(redis.cli('hget', keyOf(ledger, 'head'), 'id')).toBe(id);
    expect(redis.cli('hget', keyOf(ledger, 'head'), 'format')).toBe('1');
  });

  it('is all under the prefix, and the keys of a ledger share one hash tag', async () => {
    const other = await openStore(url, { prefix: 'acme:flags' });
    const ledger = newLedger();
    await write(other, ledger, flags(flag('a')), { audit: [entry('a')] });
    await other.ping();
    expect(await store.head(ledger)).toBeUndefined();
    const tag = `acme:flags:{flagSet:${ledger.id}}:`;
    expect(redis.cli('--scan').split('\n').toSorted()).toEqual(
      [
        ...['audit', 'changes', 'flags', 'flags:keys', 'head'].map(name => tag + name),
        'acme:flags:writable',
      ].toSorted(),
    );
    await other.close();
  });

  it('is gone without a trace when a ledger is dropped', async () => {
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    await store.drop(ledger);
    expect(redis.cli('dbsize')).toBe('0');
  });
});

describe('data of a newer format', () => {
  const ledger = newLedger();
  beforeEach(async () => {
    await write(store, ledger, flags(flag('a')));
    redis.cli('hset', keyOf(ledger, 'head'), 'format', '2');
  });

  it.each([
    ['head', () => store.head(ledger)],
    ['read', () => store.read(ledger)],
    ['page', () => store.page(ledger, 'flags', { limit: 5 })],
    ['commit', () => store.commit(ledger, nothing)],
  ])('is refused by %s, with what to do', async (_, ask) => {
    await expect(ask()).rejects.toMatchObject({
      code: 'newer',
      message: expect.stringMatching(
        /written by a newer Pennon.*reads format 1.*Start that version/,
      ),
    });
  });

  it('is left as it is', async () => {
    const before = redis.cli('debug', 'digest');
    await expect(store.commit(ledger, nothing)).rejects.toThrow('newer Pennon');
    expect(redis.cli('debug', 'digest')).toBe(before);
  });
});

describe('data that is not sound', () => {
  const refusedAsCorrupt = {
    code: 'corrupt',
    message: expect.stringMatching(/not sound|something else/),
  };
  const begun = async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    return { ledger, id };
  };

  it('is never taken for a first start: a ledger without its head is refused, and left as it is', async () => {
    const { ledger } = await begun();
    redis.cli('del', keyOf(ledger, 'head'));
    await expect(store.commit(ledger, nothing)).rejects.toMatchObject(refusedAsCorrupt);
    expect(redis.cli('exists', keyOf(ledger, 'flags'), keyOf(ledger, 'audit'))).toBe('2');
  });

  it.each(['changes', 'audit'])(
    'is found before anything is written: a foreign entry in %s',
    async stream => {
      const { ledger, id } = await begun();
      redis.cli('xadd', keyOf(ledger, stream), '*', 'who', 'knows');
      const before = redis.cli('debug', 'digest');
      const commit = { expect: id, writes: flags(flag('b')), audit: [entry('b')] };
      await expect(store.commit(ledger, commit)).rejects.toMatchObject(refusedAsCorrupt);
      expect(redis.cli('debug', 'digest')).toBe(before);
    },
  );

  it.each(['head', 'flags', 'flags:keys', 'changes', 'audit'])(
    'is found before anything is written: %s of another type',
    async name => {
      const { ledger, id } = await begun();
      redis.cli('del', keyOf(ledger, name));
      redis.cli('set', keyOf(ledger, name), 'x');
      const before = redis.cli('debug', 'digest');
      const commit = { expect: id, writes: flags(flag('b')), audit: [entry('b')] };
      await expect(store.commit(ledger, commit)).rejects.toMatchObject(refusedAsCorrupt);
      expect(redis.cli('debug', 'digest')).toBe(before);
    },
  );

  it('that is no id of a change is refused', async () => {
    const { ledger } = await begun();
    redis.cli('hset', keyOf(ledger, 'head'), 'id', 'nonsense');
    await expect(store.commit(ledger, nothing)).rejects.toMatchObject(refusedAsCorrupt);
  });

  it('shows when it is read', async () => {
    const { ledger } = await begun();
    redis.cli('hset', keyOf(ledger, 'flags'), 'a', '{"changeId":"x.1.y","document":{');
    await expect(store.get(ledger, 'flags', 'a')).rejects.toMatchObject({ code: 'corrupt' });
    redis.cli('hset', keyOf(ledger, 'flags'), 'a', 'hello');
    await expect(store.read(ledger)).rejects.toMatchObject({ code: 'corrupt' });
    redis.cli('hdel', keyOf(ledger, 'flags'), 'a');
    await expect(store.page(ledger, 'flags', { limit: 9 })).rejects.toMatchObject({
      code: 'corrupt',
    });
  });
});

describe('a Redis without memory left', () => {
  it('takes no write, not even half of one, and says what to do', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')));
    redis.cli('config', 'set', 'maxmemory', '1mb');
    const before = redis.cli('debug', 'digest');
    const commit = { expect: id, writes: flags(flag('b')), audit: [entry('b')] };
    await expect(store.commit(ledger, commit)).rejects.toMatchObject({
      code: 'full',
      message: expect.stringContaining('Nothing was written'),
    });
    await expect(store.ping()).rejects.toMatchObject({ code: 'full' });
    expect(redis.cli('debug', 'digest')).toBe(before);
    redis.cli('config', 'set', 'maxmemory', '0');
    await expect(store.commit(ledger, commit)).resolves.toMatchObject({ committed: true });
  });
});

describe('the streams', () => {
  const commitMany = async (opened: Store, ledger: Ledger<'flagSet'>, count: number) => {
    for (let i = 0; i < count; i += 1)
      await write(opened, ledger, flags(flag('a')), { audit: [entry(`a${i}`)] });
  };

  it('keep about as many changes as asked, and every audit entry', async () => {
    const other = await openStore(url, { changeFeedLength: 100 });
    const ledger = newLedger();
    await commitMany(other, ledger, 500);
    const kept = Number(redis.cli('xlen', keyOf(ledger, 'changes')));
    expect(kept).toBeGreaterThanOrEqual(100);
    expect(kept).toBeLessThan(300);
    expect(await other.audit(ledger, { limit: 1_000 })).toHaveLength(500);
    await other.close();
  });

  it('keep about as many audit entries as asked', async () => {
    const other = await openStore(url, { auditMaxEntries: 50 });
    const ledger = newLedger();
    await commitMany(other, ledger, 500);
    const kept = await other.audit(ledger, { limit: 1_000 });
    expect(kept.length).toBeGreaterThanOrEqual(50);
    expect(kept.length).toBeLessThan(250);
    expect(kept[0]?.key).toBe('a499');
    await other.close();
  });

  it('a change too large for the feed ends it: whoever follows reads anew', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, {});
    const changes = take(store.follow(ledger, id, neverAborted()), Infinity);
    const small = await write(store, ledger, flags(flag('a')));
    const large = Array.from({ length: 40 }, (_, i) =>
      flag(`f${i}`, { description: 'x'.repeat(32 * 1024) }),
    );
    await write(store, ledger, flags(...large));
    await write(store, ledger, flags(flag('b')));
    expect(await changes).toEqual([small]);
    expect((await store.read(ledger))?.records.flags.size).toBe(42);
  });
});

describe('a large ledger', () => {
  const many = (version: number) =>
    flags(
      ...Array.from({ length: 3_000 }, (_, i) =>
        flag(`f${i}`, { version, description: 'x'.repeat(3_000) }),
      ),
    );
  const versions = (read: Awaited<ReturnType<typeof store.read<'flagSet'>>>) =>
    new Set([...(read?.records.flags.values() ?? [])].map(({ document }) => document.version));

  it('is read in parts, and always of one revision, while it is written', async () => {
    const ledger = newLedger();
    await write(store, ledger, many(1));
    const written = new AbortController();
    const writer = (async () => {
      for (let version = 2; version < 12; version += 1) await write(store, ledger, many(version));
      written.abort();
    })();
    let reads = 0;
    while (!written.signal.aborted) {
      const read = await store.read(ledger);
      reads += 1;
      expect(read?.records.flags.size).toBe(3_000);
      expect(versions(read).size).toBe(1);
    }
    await writer;
    expect(reads).toBeGreaterThan(0);
    expect(versions(await store.read(ledger))).toEqual(new Set([11]));
  });

  it('of 64 MiB is committed and read', async () => {
    const ledger = newLedger();
    const large = Array.from({ length: 128 }, (_, i) =>
      flag(`f${i}`, { description: 'é'.repeat(256 * 1024) }),
    );
    await write(store, ledger, flags(...large), { replaceAll: true });
    const read = await contents(store, ledger);
    expect(read?.records).toHaveLength(128);
  });

  it('of more documents than a call takes arguments is committed and read', async () => {
    const ledger = newLedger();
    const small = Array.from({ length: 50_000 }, (_, i) => flag(`f${i}`));
    await write(store, ledger, flags(...small.slice(0, 1)));
    await write(store, ledger, { flags: new Map(small.map(each => [each.key, each])) });
    expect((await store.read(ledger))?.records.flags.size).toBe(50_000);
  });
});

describe('settings of Redis that lose data one day', () => {
  it.each([
    ['maxmemory-policy', 'allkeys-lru', 'noeviction', 'set maxmemory-policy to noeviction'],
    ['appendonly', 'no', 'yes', 'Set appendonly to yes'],
  ])('%s %s is warned of, and %s is not', async (name, dangerous, sound, remedy) => {
    const warnings = async () => {
      const said: string[] = [];
      const opened = await openStore(url, { onWarning: message => said.push(message) });
      await opened.close();
      return said.join();
    };
    redis.cli('config', 'set', name, dangerous);
    expect(await warnings()).toContain(remedy);
    redis.cli('config', 'set', name, sound);
    expect(await warnings()).not.toContain(remedy);
  });
});
