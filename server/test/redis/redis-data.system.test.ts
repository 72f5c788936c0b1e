import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Ledger, Store } from '../../src/store/store.ts';
import {
  auditOf,
  contents,
  entry,
  flag,
  flags,
  neverAborted,
  newLedger,
  take,
  write,
} from '../store/fixtures.ts';
import { useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis({ 'enable-debug-command': 'local' });

let store: Store;
beforeEach(async () => {
  redis().cli('flushall');
  store = await openStore(redis().url);
});
afterEach(() => store.close());

const keyOf = ({ kind, id }: Ledger, name: string) => `pennon:{${kind}:${id}}:${name}`;
const nothing = { expect: 'none', writes: {}, audit: [] };

describe('the data in Redis', () => {
  it('has each document as JSON in a hash, with the change that wrote it', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    expect(JSON.parse(redis().cli('hget', keyOf(ledger, 'flags'), 'a'))).toEqual({
      changeId: id,
      document: flag('a'),
    });
    expect(redis().cli('hget', keyOf(ledger, 'head'), 'id')).toBe(id);
    expect(redis().cli('hget', keyOf(ledger, 'head'), 'format')).toBe('1');
  });

  it('is under the prefix, and the keys of a ledger share one hash tag', async () => {
    const other = await openStore(redis().url, { prefix: 'acme:flags' });
    const ledger = newLedger();
    await write(other, ledger, flags(flag('a')), { audit: [entry('a')] });
    await other.ping();
    expect(await store.head(ledger)).toBeUndefined();
    const tag = `acme:flags:{flagSet:${ledger.id}}:`;
    expect(redis().cli('--scan').split('\n').toSorted()).toEqual(
      [
        ...['audit', 'changes', 'flags', 'flags:keys', 'head'].map(name => tag + name),
        'acme:flags:writable',
      ].toSorted(),
    );
    await other.close();
  });

  it('is removed completely when a ledger is dropped', async () => {
    const ledger = newLedger();
    await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    await store.drop(ledger);
    expect(redis().cli('dbsize')).toBe('0');
  });
});

describe('data of a newer format', () => {
  const ledger = newLedger();
  beforeEach(async () => {
    await write(store, ledger, flags(flag('a')));
    redis().cli('hset', keyOf(ledger, 'head'), 'format', '2');
  });

  it.each([
    ['head', () => store.head(ledger)],
    ['read', () => store.read(ledger)],
    ['commit', () => store.commit(ledger, nothing)],
  ])('is rejected by %s, with a remedy', async (_, operation) => {
    await expect(operation()).rejects.toMatchObject({
      code: 'newer',
      message: expect.stringMatching(
        /written by a newer Pennon.*reads format 1.*Start that version/,
      ),
    });
  });

  it('is not modified', async () => {
    const before = redis().cli('debug', 'digest');
    await expect(store.commit(ledger, nothing)).rejects.toThrow('newer Pennon');
    expect(redis().cli('debug', 'digest')).toBe(before);
  });
});

it('data of a version that had fewer collections is read and changed', async () => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, flags(flag('a')));
  redis().cli('hset', keyOf(ledger, 'head'), 'documents', `${id} 1`);
  expect((await store.read(ledger))?.records.flags.size).toBe(1);
  await write(store, ledger, flags(flag('b')));
  expect((await store.read(ledger))?.records.flags.size).toBe(2);
  redis().cli('hdel', keyOf(ledger, 'flags'), 'a');
  await expect(store.read(ledger)).rejects.toMatchObject({ code: 'missing' });
});

describe('damaged data', () => {
  const corrupt = {
    code: 'corrupt',
    message: expect.stringMatching(/not valid|something else/),
  };
  const lost = { code: 'missing', message: expect.stringContaining('has lost the data') };
  const createLedger = async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')), { audit: [entry('a')] });
    return { ledger, id };
  };

  it('is never treated as a first start: a ledger without its head is rejected and not modified', async () => {
    const { ledger } = await createLedger();
    redis().cli('del', keyOf(ledger, 'head'));
    await expect(store.commit(ledger, nothing)).rejects.toMatchObject(corrupt);
    expect(redis().cli('exists', keyOf(ledger, 'flags'), keyOf(ledger, 'audit'))).toBe('2');
  });

  const createWithVersion = async () => {
    const ledger = newLedger();
    const { at, actor, action } = entry('a');
    const versions = { flags: [{ at, actor, action, document: flag('a') }] };
    const { id } = await write(store, ledger, flags(flag('a')), { audit: [entry('a')], versions });
    return { ledger, id };
  };

  const addForeign: Readonly<Record<string, (ledger: Ledger) => void>> = {
    'an entry of the change feed': ledger =>
      redis().cli('xadd', keyOf(ledger, 'changes'), '*', 'who', 'knows'),
    'an entry of the audit log': ledger =>
      redis().cli('xadd', keyOf(ledger, 'audit'), '*', 'who', 'knows'),
    'an entry of the change feed that was deleted': ledger => {
      const id = redis().cli('xadd', keyOf(ledger, 'changes'), '*', 'who', 'knows');
      redis().cli('xdel', keyOf(ledger, 'changes'), id);
    },
    'an old entry of the audit log': ledger =>
      redis().cli('xadd', keyOf(ledger, 'audit'), '1-9', 'who', 'knows'),
    'a field of the flags': ledger => redis().cli('hset', keyOf(ledger, 'flags'), 'who', 'knows'),
    'a field of the versions': ledger =>
      redis().cli('hset', keyOf(ledger, 'flags:versions'), 'who', 'knows'),
    'a member of the keys of the flags': ledger =>
      redis().cli('zadd', keyOf(ledger, 'flags:keys'), '0', 'who'),
    'as many fields as members': ledger => {
      redis().cli('hset', keyOf(ledger, 'flags'), 'who', 'knows');
      redis().cli('zadd', keyOf(ledger, 'flags:keys'), '0', 'why');
    },
    'a value that is not a document': ledger =>
      redis().cli('hset', keyOf(ledger, 'flags'), 'a', 'hello'),
    'a document that is not JSON': ledger =>
      redis().cli('hset', keyOf(ledger, 'flags'), 'a', '{"changeId":"x.1.y","document":{'),
    'a document that is a number': ledger =>
      redis().cli('hset', keyOf(ledger, 'flags'), 'a', '{"changeId":"x.1.y","document":5}'),
    'the loss of the keys of all flags': ledger => redis().cli('del', keyOf(ledger, 'flags:keys')),
  };

  it.each(Object.entries(addForeign))(
    'that does not hide data is passed over, with a warning: %s',
    async (name, add) => {
      const warnings: string[] = [];
      const opened = await openStore(redis().url, { onWarning: text => warnings.push(text) });
      const { ledger, id } = await createWithVersion();
      const changes = take(opened.follow(ledger, id, neverAborted()), 1);
      add(ledger);
      const read = await opened.read(ledger);
      expect([...(read?.records.flags.keys() ?? [])]).toEqual(['a']);
      expect(read?.records.flags.get('a')?.document).toEqual(flag('a'));
      const change = await write(opened, ledger, flags(flag('b')), { audit: [entry('b')] });
      expect(await changes).toEqual([change]);
      expect((await auditOf(opened, ledger, { limit: 9 })).map(({ key }) => key)).toEqual([
        'b',
        'a',
      ]);
      expect([...((await opened.read(ledger))?.records.flags.keys() ?? [])]).toEqual(['a', 'b']);
      const named = warnings.filter(text => text.includes(`${ledger.id}}`)).length;
      expect(named > 0).toBe(!/deleted|old|loss/.test(name));
      expect(opened.foreignEntries?.()).toBe(named);
      await opened.close();
    },
  );

  it.each([
    ['get', ledger => store.get(ledger, 'flags', 'a')],
    ['read', async ledger => (await store.read(ledger))?.records.flags.get('a')],
  ] satisfies [string, (ledger: Ledger<'flagSet'>) => Promise<unknown>][])(
    'that is not a document is replaced by the last version: %s',
    async (_, read) => {
      const { ledger, id } = await createWithVersion();
      redis().cli('hset', keyOf(ledger, 'flags'), 'a', 'hello');
      expect(await read(ledger)).toEqual({ document: flag('a'), changeId: id });
    },
  );

  it('that was lost is not taken for a foreign key', async () => {
    const { ledger } = await createWithVersion();
    redis().cli('hdel', keyOf(ledger, 'flags'), 'a');
    await expect(store.read(ledger)).rejects.toMatchObject(lost);
    expect(redis().cli('zrange', keyOf(ledger, 'flags:keys'), '0', '-1')).toBe('a');
  });

  it.each([
    ['head', corrupt],
    ['flags', lost],
    ['flags:keys', lost],
  ])('is found before anything is written: %s of another type', async (name, problem) => {
    const { ledger, id } = await createLedger();
    redis().cli('del', keyOf(ledger, name));
    redis().cli('set', keyOf(ledger, name), 'x');
    const before = redis().cli('debug', 'digest');
    const commit = { expect: id, writes: flags(flag('b')), audit: [entry('b')] };
    await expect(store.commit(ledger, commit)).rejects.toMatchObject(problem);
    expect(redis().cli('debug', 'digest')).toBe(before);
  });

  it.each(['changes', 'audit', 'flags:versions', 'flags:versions:keys'])(
    'is removed if something else has replaced %s',
    async name => {
      const { ledger, id } = await createWithVersion();
      redis().cli('del', keyOf(ledger, name));
      redis().cli('set', keyOf(ledger, name), 'x');
      const following = store.follow(ledger, id, neverAborted());
      const commit = { expect: id, writes: flags(flag('b')), audit: [entry('b')] };
      expect(await store.commit(ledger, commit)).toMatchObject({ committed: true });
      expect((await take(following, 1)).length).toBe(1);
      expect((await store.read(ledger))?.records.flags.size).toBe(2);
    },
  );

  it('that is not a change id is rejected', async () => {
    const { ledger } = await createLedger();
    redis().cli('hset', keyOf(ledger, 'head'), 'id', 'nonsense');
    await expect(store.commit(ledger, nothing)).rejects.toMatchObject(corrupt);
  });

  it('is found when it is read', async () => {
    const { ledger } = await createLedger();
    redis().cli('hset', keyOf(ledger, 'flags'), 'a', '{"changeId":"x.1.y","document":{');
    await expect(store.get(ledger, 'flags', 'a')).rejects.toMatchObject({ code: 'corrupt' });
    redis().cli('hset', keyOf(ledger, 'flags'), 'a', 'hello');
    await expect(store.read(ledger)).rejects.toMatchObject({ code: 'corrupt' });
    redis().cli('hdel', keyOf(ledger, 'flags'), 'a');
    await expect(store.read(ledger)).rejects.toMatchObject(lost);
  });
});

describe('a Redis without free memory', () => {
  it('rejects a write as a whole, with a remedy', async () => {
    const ledger = newLedger();
    const { id } = await write(store, ledger, flags(flag('a')));
    redis().cli('config', 'set', 'maxmemory', '1mb');
    const before = redis().cli('debug', 'digest');
    const commit = { expect: id, writes: flags(flag('b')), audit: [entry('b')] };
    await expect(store.commit(ledger, commit)).rejects.toMatchObject({
      code: 'full',
      message: expect.stringContaining('Nothing was written'),
    });
    await expect(store.ping()).rejects.toMatchObject({ code: 'full' });
    expect(redis().cli('debug', 'digest')).toBe(before);
    redis().cli('config', 'set', 'maxmemory', '0');
    await expect(store.commit(ledger, commit)).resolves.toMatchObject({ committed: true });
  });
});

describe('the streams', () => {
  const commitMany = async (opened: Store, ledger: Ledger<'flagSet'>, count: number) => {
    for (let i = 0; i < count; i += 1)
      await write(opened, ledger, flags(flag('a')), { audit: [entry(`a${i}`)] });
  };

  it('keep about the configured number of changes, and every audit entry', async () => {
    const other = await openStore(redis().url, { changeFeedLength: 100 });
    const ledger = newLedger();
    await commitMany(other, ledger, 500);
    const length = Number(redis().cli('xlen', keyOf(ledger, 'changes')));
    expect(length).toBeGreaterThanOrEqual(100);
    expect(length).toBeLessThan(300);
    expect(await auditOf(other, ledger, { limit: 1_000 })).toHaveLength(500);
    await other.close();
  });

  it('keep about the configured number of audit entries', async () => {
    const other = await openStore(redis().url, { auditMaxEntries: 50 });
    const ledger = newLedger();
    await commitMany(other, ledger, 500);
    const entries = await auditOf(other, ledger, { limit: 1_000 });
    expect(entries.length).toBeGreaterThanOrEqual(50);
    expect(entries.length).toBeLessThan(250);
    expect(entries[0]?.key).toBe('a499');
    await other.close();
  });

  it('a change too large for the feed ends it, so followers read the ledger again', async () => {
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

  it('is read in parts, and always as of one revision, during writes', async () => {
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

  it('of 64 MiB is restored with its versions, and no command is larger than a few megabytes', async () => {
    const ledger = newLedger();
    const documents = Array.from({ length: 128 }, (_, i) =>
      flag(`f${i}`, { description: 'é'.repeat(256 * 1024) }),
    );
    await write(store, ledger, flags(...documents), { replaceAll: true });
    const before = await contents(store, ledger);
    const copy = await store.read(ledger);
    await store.drop(ledger);
    const { at, actor, action } = entry('f');
    const history = {
      versions: { flags: documents.slice(0, 8).map(document => ({ at, actor, action, document })) },
      audit: [],
    };
    redis().cli('config', 'set', 'client-query-buffer-limit', '4mb');
    if (copy !== undefined) await store.recovery?.restore(ledger, copy, history);
    redis().cli('config', 'set', 'client-query-buffer-limit', '1gb');
    expect(await contents(store, ledger)).toEqual(before);
    expect(await store.versions(ledger, 'flags', { key: 'f7', limit: 5 })).toHaveLength(1);
    expect(redis().cli('--scan', '--pattern', '*staged*')).toBe('');
  });

  it('with more documents than a function call has arguments is committed and read', async () => {
    const ledger = newLedger();
    const small = Array.from({ length: 50_000 }, (_, i) => flag(`f${i}`));
    await write(store, ledger, flags(...small.slice(0, 1)));
    await write(store, ledger, { flags: new Map(small.map(each => [each.key, each])) });
    expect((await store.read(ledger))?.records.flags.size).toBe(50_000);
  });
});

describe('settings of Redis that can lose data', () => {
  it.each([
    ['maxmemory-policy', 'allkeys-lru', 'noeviction', 'set maxmemory-policy to noeviction'],
    ['appendonly', 'no', 'yes', 'Set appendonly to yes'],
  ])('%s %s causes a warning, and %s does not', async (name, dangerous, safe, remedy) => {
    const warnings = async () => {
      const messages: string[] = [];
      const opened = await openStore(redis().url, { onWarning: message => messages.push(message) });
      await opened.close();
      return messages.join();
    };
    redis().cli('config', 'set', name, dangerous);
    expect(await warnings()).toContain(remedy);
    redis().cli('config', 'set', name, safe);
    expect(await warnings()).not.toContain(remedy);
  });
});
