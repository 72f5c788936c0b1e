import { mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { revisionOf } from '../../src/store/change-id.ts';
import { backUp, requireIntactData, restore } from '../../src/store/sqlite/index.ts';
import { startChild } from './child-process.ts';
import { contents } from './fixtures.ts';
import {
  createDirectoryWithData,
  execute,
  LEDGER,
  listFiles,
  newDirectory,
  openStore,
  zeroPage,
} from './sqlite-directory.ts';

describe('a backup', () => {
  test('has all data of a stopped server, and restores it', async () => {
    const { directory, expected } = await createDirectoryWithData();
    const file = join(newDirectory(), 'backup.db');
    backUp(directory, file);
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    const restored = join(newDirectory(), 'new');
    restore(restored, file);
    expect(listFiles(restored).map(([name]) => name)).toEqual(['pennon.db']);
    const store = await openStore(restored);
    expect(await contents(store, LEDGER)).toEqual(expected);
    await store.close();
  });

  test('of a server that writes is one whole state, and the server continues', async () => {
    const directory = newDirectory();
    const child = startChild();
    onTestFinished(child.kill);
    await child.send(`open ${directory}`);
    const files = newDirectory();
    let last = String(await child.send('flood 1'));
    for (let round = 1; round <= 5; round += 1) {
      for (let i = 0; i < 20; i += 1) last = String(await child.next());
      backUp(directory, join(files, String(round)));
      const restored = join(newDirectory(), 'data');
      restore(restored, join(files, String(round)));
      const reader = startChild();
      await reader.send(`open ${restored}`);
      const { head, keys, audited } = (await reader.send('read')) as {
        head: string;
        keys: string[];
        audited: string[];
      };
      await reader.kill();
      expect(revisionOf(head)).toBeGreaterThanOrEqual(revisionOf(last));
      expect(keys).toHaveLength(revisionOf(head));
      expect(audited).toHaveLength(revisionOf(head));
    }
    expect(await child.next()).toEqual(expect.any(String));
  });

  test('never replaces a file, and leaves nothing behind if it fails', async () => {
    const { directory } = await createDirectoryWithData();
    const files = newDirectory();
    writeFileSync(join(files, 'taken'), 'mine');
    expect(() => backUp(directory, join(files, 'taken'))).toThrow(/exists: choose a new name/);
    expect(() => backUp(newDirectory(), join(files, 'none'))).toThrow(/there is no database/);
    expect(readdirSync(files)).toEqual(['taken']);
  });
});

describe('restoring', () => {
  test.each<[string, RegExp, (file: string) => unknown]>([
    ['is empty', /the file is empty/, file => truncateSync(file, 0)],
    ['was cut short', /is not valid Pennon data/, file => truncateSync(file, 40_000)],
    ['is not a backup', /is not valid Pennon data/, file => writeFileSync(file, 'x'.repeat(9_000))],
    [
      'was written by a newer version',
      /newer Pennon/,
      file => execute(file, 'PRAGMA user_version = 99'),
    ],
  ])(
    'a file that %s is rejected with its path, and restores nothing',
    async (_, message, damage) => {
      const { directory } = await createDirectoryWithData();
      const file = join(newDirectory(), 'backup.db');
      backUp(directory, file);
      damage(file);
      const target = newDirectory();
      expect(() => restore(target, file)).toThrow(message);
      expect(() => restore(target, file)).toThrow(file);
      expect(readdirSync(target)).toEqual([]);
    },
  );

  test('into a directory that is not empty is rejected; lost+found of a volume does not count', async () => {
    const { directory } = await createDirectoryWithData();
    const file = join(newDirectory(), 'backup.db');
    backUp(directory, file);
    expect(() => restore(directory, file)).toThrow(/is not empty/);
    const volume = newDirectory();
    mkdirSync(join(volume, 'lost+found'));
    restore(volume, file);
    expect(readdirSync(volume)).toContain('pennon.db');
  });
});

test('damage of the audit log, which a start does not look for, is found by the complete check', async () => {
  const { directory } = await createDirectoryWithData();
  requireIntactData(directory);
  zeroPage(directory, 'audit');
  await (await openStore(directory)).close();
  expect(() => requireIntactData(directory)).toThrow(/is not valid Pennon data/);
});
