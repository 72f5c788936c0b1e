import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { describe, expect, test } from 'vitest';

import { auditStatement } from '../../src/store/sqlite/audit-query.ts';
import { createChangeFeed } from '../../src/store/change-feed.ts';
import { MIGRATIONS } from '../../src/store/sqlite/format.ts';
import { databaseExists } from '../../src/store/sqlite/index.ts';
import { StoreError, type AuditQuery } from '../../src/store/store.ts';
import {
  directoryWithData,
  file,
  filesOf,
  LEDGER,
  newDirectory,
  open,
  refusal,
} from './directory.ts';
import { contents, entry, flag, flags, neverAborted, take, write } from './fixtures.ts';
import { describeStore } from './suite.ts';

describeStore('the SQLite store', async () => {
  const directory = newDirectory();
  let store = await open(directory);
  return {
    store,
    async reopen() {
      await store.close();
      store = await open(directory);
      return store;
    },
    cleanup: () => store.close(),
  };
});

describe('the data directory', { timeout: 60_000 }, () => {
  test('is made where there is none, for its owner alone', async () => {
    const directory = join(newDirectory(), 'not', 'yet');
    expect(databaseExists(directory)).toBe(false);
    const store = await open(directory);
    expect(databaseExists(directory)).toBe(true);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(mode(directory)).toBe('700');
    expect(mode(file(directory))).toBe('600');
    expect(mode(`${file(directory)}-wal`)).toBe('600');
    await store.close();
  });

  test('holds the one file pennon.db after the store has closed', async () => {
    const { directory } = await directoryWithData();
    expect(filesOf(directory).map(([name]) => name)).toEqual(['pennon.db']);
  });

  test('is refused while another store of this process has it, and free again after that', async () => {
    const { directory, kept } = await directoryWithData();
    const owner = await open(directory);
    expect(await refusal(directory)).toMatchObject({ code: 'locked' });
    await write(owner, LEDGER, {});
    await owner.close();
    const next = await open(directory);
    expect((await contents(next, LEDGER))?.records).toEqual(kept?.records);
    await next.close();
  });

  test('that cannot be made is refused, with its path', async () => {
    const blocked = join(newDirectory(), 'file');
    writeFileSync(blocked, 'no directory');
    for (const directory of [blocked, join(blocked, 'below')]) {
      const { code, message } = await refusal(directory);
      expect(code).toBe('readonly');
      expect(message).toContain(directory);
    }
  });
});

const change = (directory: string, sql: string) => {
  const database = new DatabaseSync(file(directory));
  database.exec(sql);
  database.close();
};

/** The files as they are while a store has them open: what a SIGKILL would leave. */
const leaveAsKilled = async (directory: string) => {
  const copy = newDirectory();
  const store = await open(directory);
  await write(store, LEDGER, {});
  for (const end of ['', '-wal']) copyFileSync(`${file(directory)}${end}`, `${file(copy)}${end}`);
  await store.close();
  rmSync(directory, { recursive: true });
  mkdirSync(directory);
  for (const end of ['', '-wal']) copyFileSync(`${file(copy)}${end}`, `${file(directory)}${end}`);
};

describe('data that is not sound', { timeout: 60_000 }, () => {
  test.each<[string, (directory: string) => unknown]>([
    ['an empty database', directory => truncateSync(file(directory), 0)],
    ['half a database', directory => truncateSync(file(directory), 40_000)],
    ['a database of a few bytes', directory => truncateSync(file(directory), 50)],
    ['a text file', directory => writeFileSync(file(directory), 'hello '.repeat(2_000))],
    [
      'another program\u2019s database',
      directory => change(directory, 'PRAGMA application_id = 7'),
    ],
    ['a database without a format', directory => change(directory, 'PRAGMA user_version = 0')],
    ['a database without its tables', directory => change(directory, 'DROP TABLE documents')],
    ['a database without its log', directory => change(directory, 'DROP TABLE audit')],
    [
      'an empty database beside a write-ahead log',
      async directory => {
        await leaveAsKilled(directory);
        truncateSync(file(directory), 0);
      },
    ],
    [
      'a write-ahead log without its database',
      async directory => {
        await leaveAsKilled(directory);
        rmSync(file(directory));
      },
    ],
  ])('such as %s is refused, and stays as it is', async (_, damage) => {
    const { directory } = await directoryWithData();
    await damage(directory);
    const before = filesOf(directory);
    const { code, message } = await refusal(directory);
    expect(code).toBe('corrupt');
    expect(message).toContain(file(directory));
    expect(message).toContain('restore a backup');
    expect(filesOf(directory)).toEqual(before);
    expect(databaseExists(directory)).toBe(true);
  });

  test('such as a document that is no JSON is told by its key, and the others can be read', async () => {
    const { directory } = await directoryWithData();
    change(directory, `UPDATE documents SET document = '{"key":' WHERE key = 'b'`);
    const store = await open(directory);
    await expect(store.read(LEDGER)).rejects.toThrow(/flags\/b .* damaged/);
    await expect(store.get(LEDGER, 'flags', 'b')).rejects.toBeInstanceOf(StoreError);
    expect((await store.get(LEDGER, 'flags', 'a'))?.document.key).toBe('a');
    await store.close();
  });

  test('such as a wiped page of documents is found at start', async () => {
    const { directory } = await directoryWithData();
    const bytes = readFileSync(file(directory));
    const first = (rootPage(directory, 'documents') - 1) * PAGE_BYTES;
    writeFileSync(file(directory), bytes.fill(0, first, first + PAGE_BYTES));
    expect(await refusal(directory)).toMatchObject({ code: 'corrupt' });
  });

  test('of a newer format is refused with both versions, and stays as it is', async () => {
    const { directory } = await directoryWithData();
    change(directory, 'PRAGMA user_version = 99');
    const before = filesOf(directory);
    const { code, message } = await refusal(directory);
    expect(code).toBe('newer');
    expect(message).toMatch(/format 99.* up to 1/);
    expect(filesOf(directory)).toEqual(before);
  });

  test('is never taken for less data than there was, whichever page is wiped out', async () => {
    const { directory, kept } = await directoryWithData();
    const sound = readFileSync(file(directory));
    for (let page = 0; page < sound.length; page += PAGE_BYTES) {
      writeFileSync(file(directory), Buffer.from(sound).fill(0, page, page + PAGE_BYTES));
      const seen = await whatIsThere(directory);
      expect([kept, 'corrupt']).toContainEqual(seen);
    }
  });
});

const PAGE_BYTES = 4_096;

const rootPage = (directory: string, table: string): number => {
  const database = new DatabaseSync(file(directory));
  const row = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table);
  database.close();
  return Number(row?.rootpage);
};

/** What a store answers to all that it can be asked about the ledger, or the trouble that it tells. */
const whatIsThere = async (directory: string) => {
  try {
    return await everything(directory);
  } catch (error) {
    return error instanceof StoreError ? error.code : error;
  }
};

const everything = async (directory: string) => {
  const store = await open(directory);
  try {
    return await contents(store, LEDGER);
  } finally {
    await store.close();
  }
};

describe('a follower that does not read', () => {
  const fill = (count: number) => {
    const feed = createChangeFeed<number>();
    const changes = feed.follow('a', neverAborted());
    for (let i = 0; i < count; i += 1) feed.publish('a', i);
    return { feed, changes };
  };

  test('is kept 1,000 changes', async () => {
    const { changes } = fill(1_000);
    expect(await take(changes, 1_000)).toHaveLength(1_000);
  });

  test('is told that it lost the feed when there are more, and nothing else', async () => {
    const { changes } = fill(1_001);
    await expect(take(changes, 1)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('holds up no other, and may follow anew', async () => {
    const { feed } = fill(2_000);
    const others = take(feed.follow('a', neverAborted()), 1);
    feed.publish('a', 7);
    expect(await others).toEqual([7]);
  });
});

test('a commit that fails at its last step leaves nothing of its first ones', async () => {
  const store = await open(newDirectory());
  await write(store, LEDGER, flags(flag('a')), { audit: [entry('a')] });
  const before = await contents(store, LEDGER);
  const audit = [entry('b'), entry('b', { at: 'no date' })];
  await expect(write(store, LEDGER, flags(flag('b')), { audit, replaceAll: true })).rejects.toThrow(
    'constraint failed',
  );
  expect(await contents(store, LEDGER)).toEqual(before);
  await write(store, LEDGER, flags(flag('b')), { expect: before?.id ?? 'none' });
  await store.close();
});

test('a follower of a ledger that is dropped ends', async () => {
  const store = await open(newDirectory());
  const { id } = await write(store, LEDGER, {});
  const changes = take(store.follow(LEDGER, id, neverAborted()), Infinity);
  await store.drop(LEDGER);
  expect(await changes).toEqual([]);
  await store.close();
});

describe('the search of the audit log', () => {
  test.each<[string, Partial<AuditQuery>, string[]]>([
    ['nothing', {}, ['audit_all']],
    ['time', { from: 1, until: 2 }, ['audit_all']],
    ['kind and key', { kind: 'flag', key: 'a', from: 1 }, ['audit_by_subject']],
    ['action', { action: 'flag.create', before: '7' }, ['audit_by_action']],
    ['actor', { actor: 'a' }, ['audit_by_actor_id', 'audit_by_actor_name']],
  ])('by %s walks an index in order and stops at its limit', (_, query, indexes) => {
    const database = new DatabaseSync(':memory:');
    for (const script of MIGRATIONS) database.exec(script);
    const { sql, values } = auditStatement(1, { limit: 50, ...query });
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
    const steps = plan.map(({ detail }) => String(detail));
    expect(steps.flatMap(step => /COVERING INDEX (\w+)/.exec(step)?.[1] ?? [])).toEqual(indexes);
    expect(steps.filter(step => /SCAN audit/.test(step))).toEqual([]);
    database.close();
  });
});
