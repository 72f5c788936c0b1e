import { execFileSync } from 'node:child_process';
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

import { describe, expect, test } from 'vitest';

import { APPLICATION_ID, FORMAT, MIGRATIONS } from '../../src/store/sqlite/format.ts';
import { databaseExists, requireIntactData } from '../../src/store/sqlite/index.ts';
import { StoreError } from '../../src/store/store.ts';
import { eventually } from '../redis/processes.ts';
import { production, request } from '../redis/servers.ts';
import { startProcess, type ServerProcess } from '../support/process.ts';
import { auditOf, contents, entry, flag, flags, write } from './fixtures.ts';
import {
  createDirectoryWithData,
  databaseFile,
  execute,
  LEDGER,
  listFiles,
  newDirectory,
  openStore,
  PAGE_BYTES,
  rejectedOpen,
  zeroPage,
} from './sqlite-directory.ts';

describe('the data directory', () => {
  test('is created if missing, readable by its owner only', async () => {
    const directory = join(newDirectory(), 'not', 'yet');
    expect(databaseExists(directory)).toBe(false);
    const store = await openStore(directory);
    expect(databaseExists(directory)).toBe(true);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(mode(directory)).toBe('700');
    expect(mode(databaseFile(directory))).toBe('600');
    expect(mode(`${databaseFile(directory)}-wal`)).toBe('600');
    await store.close();
  });

  test('has only pennon.db and its lock after the store has closed', async () => {
    const { directory } = await createDirectoryWithData();
    expect(listFiles(directory).map(([name]) => name)).toEqual(['pennon.db', 'pennon.lock']);
  });

  test('is rejected while another store of this process uses it, and accepted after that', async () => {
    const { directory, expected } = await createDirectoryWithData();
    const owner = await openStore(directory);
    expect(await rejectedOpen(directory)).toMatchObject({ code: 'locked' });
    await write(owner, LEDGER, {});
    await owner.close();
    const next = await openStore(directory);
    expect((await contents(next, LEDGER))?.records).toEqual(expected?.records);
    await next.close();
  });

  test('that cannot be created is rejected, with its path', async () => {
    const blocked = join(newDirectory(), 'file');
    writeFileSync(blocked, 'not a directory');
    for (const directory of [blocked, join(blocked, 'below')]) {
      const { code, message } = await rejectedOpen(directory);
      expect(code).toBe('readonly');
      expect(message).toContain(directory);
    }
  });
});

/** Leaves the files that a SIGKILL would leave: as they are while a store has them open. */
const leaveAsKilled = async (directory: string) => {
  const copy = newDirectory();
  const store = await openStore(directory);
  await write(store, LEDGER, {});
  for (const end of ['', '-wal'])
    copyFileSync(`${databaseFile(directory)}${end}`, `${databaseFile(copy)}${end}`);
  await store.close();
  rmSync(directory, { recursive: true });
  mkdirSync(directory);
  for (const end of ['', '-wal'])
    copyFileSync(`${databaseFile(copy)}${end}`, `${databaseFile(directory)}${end}`);
};

describe('damaged data', () => {
  test.each<[string, (directory: string) => unknown]>([
    ['an empty database', directory => truncateSync(databaseFile(directory), 0)],
    ['half a database', directory => truncateSync(databaseFile(directory), 40_000)],
    ['a database of a few bytes', directory => truncateSync(databaseFile(directory), 50)],
    ['a text file', directory => writeFileSync(databaseFile(directory), 'hello '.repeat(2_000))],
    [
      'another program\u2019s database',
      directory => execute(databaseFile(directory), 'PRAGMA application_id = 7'),
    ],
    [
      'a database without a format',
      directory => execute(databaseFile(directory), 'PRAGMA user_version = 0'),
    ],
    [
      'a database without its tables',
      directory => execute(databaseFile(directory), 'DROP TABLE documents'),
    ],
    [
      'a database without its log',
      directory => execute(databaseFile(directory), 'DROP TABLE audit'),
    ],
    [
      'an empty database beside a write-ahead log',
      async directory => {
        await leaveAsKilled(directory);
        truncateSync(databaseFile(directory), 0);
      },
    ],
    [
      'a write-ahead log without its database',
      async directory => {
        await leaveAsKilled(directory);
        rmSync(databaseFile(directory));
      },
    ],
  ])('such as %s is rejected and not modified', async (_, damage) => {
    const { directory } = await createDirectoryWithData();
    await damage(directory);
    const before = listFiles(directory);
    const { code, message } = await rejectedOpen(directory);
    expect(code).toBe('corrupt');
    expect(message).toContain(databaseFile(directory));
    expect(message).toContain('restore a backup');
    expect(listFiles(directory)).toEqual(before);
    expect(databaseExists(directory)).toBe(true);
  });

  test('such as a document that is not JSON is reported with its key, and other documents can be read', async () => {
    const { directory } = await createDirectoryWithData();
    execute(databaseFile(directory), `UPDATE documents SET document = '{"key":' WHERE key = 'b'`);
    const store = await openStore(directory);
    await expect(store.read(LEDGER)).rejects.toThrow(/flags\/b .* damaged/);
    await expect(store.get(LEDGER, 'flags', 'b')).rejects.toBeInstanceOf(StoreError);
    expect((await store.get(LEDGER, 'flags', 'a'))?.document.key).toBe('a');
    await store.close();
  });

  test('such as a zeroed page of documents is found at start', async () => {
    const { directory } = await createDirectoryWithData();
    zeroPage(directory, 'documents');
    expect(await rejectedOpen(directory)).toMatchObject({ code: 'corrupt' });
  });

  test('of a newer format is rejected with both formats and not modified', async () => {
    const { directory } = await createDirectoryWithData();
    execute(databaseFile(directory), 'PRAGMA user_version = 99');
    const before = listFiles(directory);
    const { code, message } = await rejectedOpen(directory);
    expect(code).toBe('newer');
    expect(message).toMatch(new RegExp(`format 99.* up to ${FORMAT}`));
    expect(listFiles(directory)).toEqual(before);
  });

  test('of the first format is migrated with its audit log', async () => {
    const directory = newDirectory();
    execute(
      databaseFile(directory),
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1; ${MIGRATIONS[0]}
       INSERT INTO ledgers (kind, id, head) VALUES ('${LEDGER.kind}', '${LEDGER.id}', 'e.1.n');`,
    );
    const actor = { kind: 'key', id: 'k1', name: 'bot', onBehalfOf: 'Zoë' } as const;
    const [draft, other] = [entry('a', { actor }), entry('b')];
    for (const { at, key, actor: by, ...rest } of [draft, other])
      execute(
        databaseFile(directory),
        `INSERT INTO audit (ledger, revision, at, kind, key, actor_id, actor_name, action, entry)
         VALUES (1, 1, ${Date.parse(at)}, '${rest.kind}', '${key}', '${by.id}', '${by.name}',
           '${rest.action}', '${JSON.stringify({ at, key, actor: by, ...rest })}')`,
      );
    const store = await openStore(directory);
    expect(await auditOf(store, LEDGER, { limit: 5 })).toMatchObject([other, draft]);
    expect(await auditOf(store, LEDGER, { limit: 5, onBehalfOf: 'Zoë' })).toMatchObject([draft]);
    expect(await store.versions(LEDGER, 'flags', { key: 'a', limit: 1 })).toEqual([]);
    await write(store, LEDGER, flags(flag('a')), { expect: 'e.1.n' });
    await store.close();
  });

  test('is never read as less data, no matter which page is zeroed', async () => {
    const { directory, expected } = await createDirectoryWithData();
    const intact = readFileSync(databaseFile(directory));
    for (let page = 0; page < intact.length; page += PAGE_BYTES) {
      writeFileSync(databaseFile(directory), Buffer.from(intact).fill(0, page, page + PAGE_BYTES));
      expect([expected, 'corrupt']).toContainEqual(await contentsOrError(directory));
    }
  });
});

/** Returns what the store contains, or the code of the StoreError. */
const contentsOrError = async (directory: string) => {
  try {
    return await readContents(directory);
  } catch (error) {
    return error instanceof StoreError ? error.code : error;
  }
};

const readContents = async (directory: string) => {
  const store = await openStore(directory);
  try {
    return await contents(store, LEDGER);
  } finally {
    await store.close();
  }
};

test('damage that a start does not need is found in the background, and reported while the server serves', async () => {
  const directory = newDirectory();
  const env = { PENNON_DATA: directory };
  await (await startProcess({ env })).stop();
  const intact = await startProcess({ env });
  expect(await readiness(intact)).toEqual({ status: 'ready' });
  await intact.stop();
  zeroPage(directory, 'audit');
  const server = await startProcess({ env });
  await eventually(async () => (await readiness(server)).status === 'degraded');
  expect((await readiness(server)).problem).toContain('restore the last backup');
  expect(server.log()).toContain('is not valid Pennon data');
  const key = readFileSync(join(directory, 'admin-key'), 'utf8').trim();
  expect((await request(server.url, 'GET', production('/flag-set'), { key })).status).toBe(200);
  const { body } = await request(server.url, 'GET', '/api/v1/status', { key });
  expect(body.problem).toContain('damaged');
  expect(await server.stop()).toBe(0);
});

test('text that is not JSON is found by the check of the whole database', async () => {
  const { directory } = await createDirectoryWithData();
  execute(databaseFile(directory), `UPDATE audit SET entry = '{"key":'`);
  expect(() => requireIntactData(directory)).toThrow(/an entry of audit .* is not JSON/);
});

const readiness = async ({ url }: ServerProcess) => (await request(url, 'GET', '/readyz')).body;

test('on a full disk writes are refused with Retry-After, evaluations continue, and space ends it', async () => {
  const directory = newDirectory();
  const server = await startProcess({ env: { PENNON_DATA: directory } });
  const key = readFileSync(join(directory, 'admin-key'), 'utf8').trim();
  const limitFiles = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(server.child.pid), `--fsize=${bytes}:`]);
  const put = (flagKey: string) =>
    request(server.url, 'PUT', production(`/flags/${flagKey}`), { key, body: { enabled: true } });
  expect((await put('before')).status).toBe(201);
  limitFiles('1024');
  for (let tries = 0; tries < 3; tries += 1) {
    const refused = await put('during');
    expect([refused.status, refused.headers.get('retry-after'), refused.body.error]).toEqual([
      503,
      '1',
      {
        code: 'SERVICE_UNAVAILABLE',
        message: expect.stringMatching(/^the store is full(?!.*\/)/),
      },
    ]);
  }
  // To delete is to write as well: the audit log and the version history grow.
  const flagPath = production('/flags/before');
  const deleted = await request(server.url, 'DELETE', flagPath, { key });
  expect([deleted.status, deleted.body.error.message]).toEqual([
    503,
    expect.stringContaining('a deletion needs space as well'),
  ]);
  const body = { flagKey: 'before', context: { targetingKey: 'u' } };
  const evaluated = await request(server.url, 'POST', production('/evaluate'), { key, body });
  expect([evaluated.status, evaluated.body.value]).toEqual([200, true]);
  limitFiles('unlimited');
  expect((await put('after')).status).toBe(201);
  const { body: flagSet } = await request(server.url, 'GET', production('/flag-set'), { key });
  expect(Object.keys(flagSet.flags).toSorted()).toEqual(['after', 'before']);
  expect((await request(server.url, 'DELETE', flagPath, { key })).status).toBe(204);
  expect(await server.stop()).toBe(0);
});
