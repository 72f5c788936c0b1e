import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, onTestFinished, test } from 'vitest';

import { revisionOf } from '../../src/store/change-id.ts';
import { startChild, type Child, type ChildOptions } from './child-process.ts';
import { file, filesOf, newDirectory } from './directory.ts';

/** A child that does not outlive its test. */
const start = (options?: ChildOptions): Child => {
  const child = startChild(options);
  onTestFinished(child.kill);
  return child;
};

describe('a data directory', () => {
  test('belongs to one process: a second one is told so, and may have it afterwards', async () => {
    const directory = newDirectory();
    const [owner, second] = [start(), start()];
    await owner.ask(`open ${directory}`);
    await owner.ask('commit mine');
    expect(await second.ask(`open ${directory}`)).toEqual({
      code: 'locked',
      message: expect.stringContaining(`${file(directory)} is in use by another process`),
    });
    await owner.ask('commit still-mine');
    await owner.ask('close');
    expect(await second.ask(`open ${directory}`)).toBe('done');
    expect(await second.ask('read')).toMatchObject({ keys: ['mine', 'still-mine'] });
  });

  test('is not held by a process that was killed', async () => {
    const directory = newDirectory();
    const [owner, second] = [start(), start()];
    await owner.ask(`open ${directory}`);
    await owner.ask('commit mine');
    await owner.kill();
    expect(await second.ask(`open ${directory}`)).toBe('done');
    expect(await second.ask('read')).toMatchObject({ keys: ['mine'] });
  });

  test('goes to exactly one of several processes that start at once', async () => {
    const directory = join(newDirectory(), 'new');
    const all = [start(), start(), start()];
    const answers = await Promise.all(all.map(each => each.ask(`open ${directory}`)));
    const locked = expect.objectContaining({ code: 'locked' });
    expect(answers.filter(each => each === 'done')).toHaveLength(1);
    expect(answers.filter(each => each !== 'done')).toEqual([locked, locked]);
  });
});

describe('a process', () => {
  test('ends by itself once it has closed its store', async () => {
    const child = start();
    await child.ask(`open ${newDirectory()}`);
    await child.ask('commit a');
    await child.ask('close');
    expect(await child.finish()).toBe(0);
  });

  test('ends by itself where its store could not be opened', async () => {
    const child = start();
    expect(await child.ask('open /dev/null')).toMatchObject({ code: 'readonly' });
    expect(await child.finish()).toBe(0);
  });

  test('that is killed while it commits loses nothing that was acknowledged', async () => {
    const directory = newDirectory();
    let acknowledged = 0;
    for (let round = 1; round <= 8; round += 1) {
      const child = start();
      await child.ask(`open ${directory}`);
      const { head, keys, audited } = await whatIsKept(child);
      const kept = revisionOf(head ?? '');
      expect(kept).toBeGreaterThanOrEqual(acknowledged);
      expect(keys).toHaveLength(kept);
      expect(audited).toEqual(Array.from({ length: kept }, (_, i) => `flag${kept - i}`));
      acknowledged = await floodAndKill(child, kept + 1, 40 * round + round);
    }
  });
});

/** What the last process left behind, as a new one finds it. */
const whatIsKept = async (child: Child) =>
  (await child.ask('read')) as { head?: string; keys: string[]; audited: string[] };

/** Lets the child commit without pause, kills it after `count` acknowledgements; the last revision. */
const floodAndKill = async (child: Child, from: number, count: number): Promise<number> => {
  let last = await child.ask(`flood ${from}`);
  for (let i = 1; i < count; i += 1) last = await child.next();
  await child.kill();
  return revisionOf(String(last));
};

const KIB = 1_024;

describe('a disk without room', () => {
  const setLimit = (child: Child, limit: string) =>
    execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${limit}:`]);

  test('refuses a new store, leaves nothing half made, and takes it later', async () => {
    const directory = newDirectory();
    for (const fileLimit of [0, KIB, 20 * KIB, 40 * KIB]) {
      const child = start({ fileLimit });
      expect(await child.ask(`open ${directory}`)).toEqual({
        code: 'full',
        message: expect.stringContaining(directory),
      });
      expect(filesOf(directory)).toEqual([]);
      await child.kill();
    }
    expect(await start().ask(`open ${directory}`)).toBe('done');
  });

  test('refuses a store that it already holds, and keeps it', async () => {
    const directory = newDirectory();
    const first = start();
    await first.ask(`open ${directory}`);
    await first.ask('commit kept');
    await first.ask('close');
    const child = start({ fileLimit: KIB });
    expect(await child.ask(`open ${directory}`)).toMatchObject({ code: 'full' });
    const later = start();
    expect(await later.ask(`open ${directory}`)).toBe('done');
    expect(await later.ask('read')).toMatchObject({ keys: ['kept'] });
  });

  test('refuses what does not fit, all of it; reading goes on, and so do writes that fit', async () => {
    const directory = newDirectory();
    const child = start({ fileLimit: 256 * KIB });
    await child.ask(`open ${directory}`);
    await child.ask(`commit small ${KIB}`);
    const before = await child.ask('read');
    for (let i = 0; i < 3; i += 1) {
      expect(await child.ask(`commit large ${512 * KIB}`)).toMatchObject({ code: 'full' });
      expect(await child.ask('read')).toEqual(before);
    }
    expect(await child.ask('ping')).toBe('done');
    expect(await child.ask(`commit another ${KIB}`)).toEqual(expect.any(String));
    expect(await child.ask('read')).toMatchObject({ audited: ['another', 'small'] });
  });

  test('is written to again as soon as there is room', async () => {
    const directory = newDirectory();
    const child = start();
    await child.ask(`open ${directory}`);
    await child.ask('commit before');
    setLimit(child, '0');
    expect(await child.ask('commit during')).toMatchObject({ code: 'full' });
    expect(await child.ask('ping')).toMatchObject({ code: 'full' });
    expect(await child.ask('read')).toMatchObject({ keys: ['before'] });
    setLimit(child, 'unlimited');
    expect(await child.ask('ping')).toBe('done');
    expect(await child.ask(`commit after ${512 * KIB}`)).toEqual(expect.any(String));
    await child.kill();
    const next = start();
    await next.ask(`open ${directory}`);
    expect(await next.ask('read')).toMatchObject({ keys: ['after', 'before'] });
  });

  test('loses nothing when the store closes without room to tidy up', async () => {
    const directory = newDirectory();
    const child = start();
    await child.ask(`open ${directory}`);
    await child.ask(`commit kept ${100 * KIB}`);
    setLimit(child, String(60 * KIB));
    await child.ask('close');
    expect(await child.finish()).toBe(0);
    const next = start();
    await next.ask(`open ${directory}`);
    expect(await next.ask('read')).toMatchObject({ keys: ['kept'] });
  });
});

/**
 * Root may write anywhere, so these run as another user, from a copy that this user can read wherever
 * the checkout is. A person who is not root already is another user.
 */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const asNobody = (): ChildOptions => {
  if (!isRoot) return {};
  const copy = newDirectory();
  const server = fileURLToPath(new URL('../..', import.meta.url));
  for (const path of ['package.json', 'src/random.ts', 'src/store', 'test/store'])
    cpSync(join(server, path), join(copy, path), { recursive: true });
  copyFileSync(process.execPath, join(copy, 'node'));
  chmodSync(copy, 0o755);
  return { uid: NOBODY, node: join(copy, 'node'), script: join(copy, 'test/store/child.ts') };
};

describe('a user without write access', () => {
  const someone = asNobody();

  /** A directory that the user can enter and, as far as the mode goes, use. */
  const share = (directory: string, mode: number) => {
    chmodSync(directory, mode);
    return directory;
  };

  const expectReadonly = async (directory: string, path = directory) => {
    const { code, message } = (await start(someone).ask(`open ${directory}`)) as Record<
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
    await child.ask(`open ${directory}`);
    await child.ask('commit kept');
    await child.ask('close');
    if (!isRoot) return directory;
    chownSync(directory, NOBODY, NOBODY);
    chownSync(file(directory), NOBODY, NOBODY);
    return directory;
  };

  test('can use a directory of their own', async () => {
    const directory = await withData();
    const child = start(someone);
    expect(await child.ask(`open ${directory}`)).toBe('done');
    expect(await child.ask('commit mine')).toEqual(expect.any(String));
  });

  test('is told of a directory that cannot be made', async () => {
    const parent = share(newDirectory(), 0o555);
    await expectReadonly(join(parent, 'data'));
  });

  test('is told of an empty directory that they may not write to', async () => {
    const directory = share(newDirectory(), 0o555);
    await expectReadonly(directory);
    expect(filesOf(directory)).toEqual([]);
  });

  test('is told of a directory with data that they may not write to', async () => {
    const directory = share(await withData(), 0o555);
    await expectReadonly(directory);
  });

  test('is told of a database that they may not write to', async () => {
    const directory = await withData();
    chmodSync(file(directory), 0o444);
    await expectReadonly(directory, file(directory));
  });

  test('is told of a directory that they may not look into', async () => {
    const directory = join(newDirectory(), 'data');
    mkdirSync(directory, { mode: 0o000 });
    share(join(directory, '..'), 0o755);
    await expectReadonly(directory);
  });
});
