import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, onTestFinished, test } from 'vitest';

import { revisionOf } from '../../src/store/change-id.ts';
import { startChild, type Child, type ChildOptions } from './child-process.ts';
import { databaseFile, listFiles, newDirectory } from './sqlite-directory.ts';

/** Starts a child process that ends with its test. */
const start = (options?: ChildOptions): Child => {
  const child = startChild(options);
  onTestFinished(child.kill);
  return child;
};

describe('a data directory', () => {
  test('is used by one process at a time; a second one is rejected, and accepted afterwards', async () => {
    const directory = newDirectory();
    const [owner, second] = [start(), start()];
    await owner.send(`open ${directory}`);
    await owner.send('commit mine');
    expect(await second.send(`open ${directory}`)).toEqual({
      code: 'locked',
      message: expect.stringContaining(`${databaseFile(directory)} is in use by another process`),
    });
    await owner.send('commit still-mine');
    await owner.send('close');
    expect(await second.send(`open ${directory}`)).toBe('done');
    expect(await second.send('read')).toMatchObject({ keys: ['mine', 'still-mine'] });
  });

  test('is released by a process that is killed', async () => {
    const directory = newDirectory();
    const [owner, second] = [start(), start()];
    await owner.send(`open ${directory}`);
    await owner.send('commit mine');
    await owner.kill();
    expect(await second.send(`open ${directory}`)).toBe('done');
    expect(await second.send('read')).toMatchObject({ keys: ['mine'] });
  });

  test('is opened by exactly one of several processes that start at once', async () => {
    const directory = join(newDirectory(), 'new');
    const all = [start(), start(), start()];
    const results = await Promise.all(all.map(each => each.send(`open ${directory}`)));
    const locked = expect.objectContaining({ code: 'locked' });
    expect(results.filter(each => each === 'done')).toHaveLength(1);
    expect(results.filter(each => each !== 'done')).toEqual([locked, locked]);
  });
});

describe('a process', () => {
  test('exits once it has closed its store', async () => {
    const child = start();
    await child.send(`open ${newDirectory()}`);
    await child.send('commit a');
    await child.send('close');
    expect(await child.finish()).toBe(0);
  });

  test('exits if its store could not be opened', async () => {
    const child = start();
    expect(await child.send('open /dev/null')).toMatchObject({ code: 'readonly' });
    expect(await child.finish()).toBe(0);
  });

  test('that is killed while it commits loses no acknowledged commit', async () => {
    const directory = newDirectory();
    let acknowledged = 0;
    for (let round = 1; round <= 8; round += 1) {
      const child = start();
      await child.send(`open ${directory}`);
      const { head, keys, versioned, audited } = await readStore(child);
      const revision = revisionOf(head ?? '');
      expect(revision).toBeGreaterThanOrEqual(acknowledged);
      expect(keys).toHaveLength(revision);
      expect(versioned).toEqual(keys);
      expect(audited).toEqual(Array.from({ length: revision }, (_, i) => `flag${revision - i}`));
      acknowledged = await floodAndKill(child, revision + 1, 40 * round + round);
    }
  });
});

/** Returns what the previous process has left. */
const readStore = async (child: Child) =>
  (await child.send('read')) as {
    head?: string;
    keys: string[];
    versioned: string[];
    audited: string[];
  };

/** Kills the child after `count` acknowledged commits. Returns the last acknowledged revision. */
const floodAndKill = async (child: Child, from: number, count: number): Promise<number> => {
  let last = await child.send(`flood ${from}`);
  for (let i = 1; i < count; i += 1) last = await child.next();
  await child.kill();
  return revisionOf(String(last));
};

const KIB = 1_024;

describe('a full disk', () => {
  const setLimit = (child: Child, limit: string) =>
    execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${limit}:`]);

  test('rejects a new store, leaves nothing behind, and accepts it later', async () => {
    const directory = newDirectory();
    for (const fileLimit of [0, KIB, 20 * KIB, 40 * KIB]) {
      const child = start({ fileLimit });
      expect(await child.send(`open ${directory}`)).toEqual({
        code: 'full',
        message: expect.stringContaining(directory),
      });
      expect(listFiles(directory)).toEqual([]);
      await child.kill();
    }
    expect(await start().send(`open ${directory}`)).toBe('done');
  });

  test('rejects an existing store and does not damage it', async () => {
    const directory = newDirectory();
    const first = start();
    await first.send(`open ${directory}`);
    await first.send('commit kept');
    await first.send('close');
    const child = start({ fileLimit: KIB });
    expect(await child.send(`open ${directory}`)).toMatchObject({ code: 'full' });
    const later = start();
    expect(await later.send(`open ${directory}`)).toBe('done');
    expect(await later.send('read')).toMatchObject({ keys: ['kept'] });
  });

  test('rejects a commit that does not fit as a whole; reads and smaller commits continue', async () => {
    const directory = newDirectory();
    const child = start({ fileLimit: 256 * KIB });
    await child.send(`open ${directory}`);
    await child.send(`commit small ${KIB}`);
    const before = await child.send('read');
    for (let i = 0; i < 3; i += 1) {
      expect(await child.send(`commit large ${512 * KIB}`)).toMatchObject({ code: 'full' });
      expect(await child.send('read')).toEqual(before);
    }
    expect(await child.send('ping')).toBe('done');
    expect(await child.send(`commit another ${KIB}`)).toEqual(expect.any(String));
    expect(await child.send('read')).toMatchObject({ audited: ['another', 'small'] });
  });

  test('accepts writes again as soon as there is space', async () => {
    const directory = newDirectory();
    const child = start();
    await child.send(`open ${directory}`);
    await child.send('commit before');
    setLimit(child, '0');
    expect(await child.send('commit during')).toMatchObject({ code: 'full' });
    expect(await child.send('ping')).toMatchObject({ code: 'full' });
    expect(await child.send('read')).toMatchObject({ keys: ['before'] });
    setLimit(child, 'unlimited');
    expect(await child.send('ping')).toBe('done');
    expect(await child.send(`commit after ${512 * KIB}`)).toEqual(expect.any(String));
    await child.kill();
    const next = start();
    await next.send(`open ${directory}`);
    expect(await next.send('read')).toMatchObject({ keys: ['after', 'before'] });
  });

  test('loses nothing if the store closes without space for its clean-up', async () => {
    const directory = newDirectory();
    const child = start();
    await child.send(`open ${directory}`);
    await child.send(`commit kept ${100 * KIB}`);
    setLimit(child, String(60 * KIB));
    await child.send('close');
    expect(await child.finish()).toBe(0);
    const next = start();
    await next.send(`open ${directory}`);
    expect(await next.send('read')).toMatchObject({ keys: ['kept'] });
  });
});

/**
 * Root may write anywhere, so these tests run as another user, from a copy of the sources that this user
 * can read. If the tests are not run as root, the current user will do.
 */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const unprivilegedUser = (): ChildOptions => {
  if (!isRoot) return {};
  const copy = newDirectory();
  const server = fileURLToPath(new URL('../..', import.meta.url));
  for (const path of ['package.json', 'src', 'test/store'])
    cpSync(join(server, path), join(copy, path), { recursive: true });
  // The only package that the store loads. Node.js strips no types in node_modules, so that has a link.
  const scope = join(copy, 'node_modules/@pennon');
  mkdirSync(scope, { recursive: true });
  cpSync(join(server, '../packages/engine'), join(copy, 'engine'), {
    recursive: true,
    filter: path => !path.includes('node_modules') && !path.includes('dist'),
  });
  symlinkSync('../../engine', join(scope, 'engine'));
  copyFileSync(process.execPath, join(copy, 'node'));
  chmodSync(copy, 0o755);
  return { uid: NOBODY, node: join(copy, 'node'), script: join(copy, 'test/store/child.ts') };
};

describe('a user without write access', () => {
  const user = unprivilegedUser();

  /** Sets the mode of a directory. */
  const withMode = (directory: string, mode: number) => {
    chmodSync(directory, mode);
    return directory;
  };

  const expectReadonly = async (directory: string, path = directory) => {
    const { code, message } = (await start(user).send(`open ${directory}`)) as Record<
      string,
      string
    >;
    expect(code).toBe('readonly');
    expect(message).toContain(`${path} cannot be written to`);
    expect(message).toContain('write access');
  };

  const withData = async () => {
    const directory = newDirectory();
    const child = start();
    await child.send(`open ${directory}`);
    await child.send('commit kept');
    await child.send('close');
    if (!isRoot) return directory;
    chownSync(directory, NOBODY, NOBODY);
    for (const name of ['pennon.db', 'pennon.lock'])
      chownSync(join(directory, name), NOBODY, NOBODY);
    return directory;
  };

  test('can use their own directory', async () => {
    const directory = await withData();
    const child = start(user);
    expect(await child.send(`open ${directory}`)).toBe('done');
    expect(await child.send('commit mine')).toEqual(expect.any(String));
  });

  test('gets an error for a directory that cannot be created', async () => {
    const parent = withMode(newDirectory(), 0o555);
    await expectReadonly(join(parent, 'data'));
  });

  test('gets an error for an empty directory without write access', async () => {
    const directory = withMode(newDirectory(), 0o555);
    await expectReadonly(directory);
    expect(listFiles(directory)).toEqual([]);
  });

  test('gets an error for a directory with data without write access', async () => {
    const directory = withMode(await withData(), 0o555);
    await expectReadonly(directory);
  });

  test('gets an error for a database without write access', async () => {
    const directory = await withData();
    chmodSync(databaseFile(directory), 0o444);
    await expectReadonly(directory, databaseFile(directory));
  });

  test('gets an error for a directory without read access', async () => {
    const directory = join(newDirectory(), 'data');
    mkdirSync(directory, { mode: 0o000 });
    withMode(join(directory, '..'), 0o755);
    await expectReadonly(directory);
  });
});
