import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { openSnapshotFiles, type SnapshotFiles } from '../src/replication/snapshot-files.ts';
import type { Ledger, Snapshot } from '../src/store/store.ts';
import { flag, newLedger, segment } from './store/fixtures.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';

let directory: string;
let clock: FakeClock;
let copies: SnapshotFiles;
let troubles: string[];
let ledger: Ledger<'flagSet'>;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'pennon-copies-')), 'copies');
  clock = createFakeClock();
  troubles = [];
  copies = open();
  ledger = newLedger();
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

const open = () =>
  openSnapshotFiles({
    directory,
    clock,
    random: secureRandom,
    onWarning: said => troubles.push(said),
  });

const snapshotOf = (revision: number, key = 'a'): Snapshot<'flagSet'> => {
  const changeId = `epoch.${revision}.nonce`;
  return {
    id: changeId,
    records: {
      flags: new Map([[key, { document: flag(key), changeId }]]),
      segments: new Map([['s', { document: segment('s'), changeId: 'epoch.1.first' }]]),
    },
  };
};

const pathOf = () => join(directory, `flagSet-${ledger.id}.json`);

it('a copy is what was kept, with the time at which it was', async () => {
  copies.save(ledger, () => snapshotOf(7, '__proto__'));
  await copies.flush();
  expect(open().read(ledger)).toEqual({
    snapshot: snapshotOf(7, '__proto__'),
    savedAt: clock.now(),
  });
});

it('many changes make one copy, of the last of them', async () => {
  let revision = 0;
  for (let i = 0; i < 100; i += 1) copies.save(ledger, () => snapshotOf(revision));
  revision = 100;
  expect(copies.read(ledger)).toBeUndefined();
  clock.advance(1_000);
  await copies.flush();
  expect(copies.read(ledger)?.snapshot.id).toBe('epoch.100.nonce');
});

it('there is none of what was never kept, or is no more', async () => {
  expect(copies.read(ledger)).toBeUndefined();
  copies.save(ledger, () => snapshotOf(1));
  await copies.flush();
  copies.save(ledger, () => snapshotOf(2));
  copies.remove(ledger);
  await copies.flush();
  expect(copies.read(ledger)).toBeUndefined();
  expect(readdirSync(directory)).toEqual([]);
});

it('is for its owner alone', async () => {
  copies.save(ledger, () => snapshotOf(1));
  await copies.flush();
  expect([statSync(directory).mode & 0o777, statSync(pathOf()).mode & 0o777]).toEqual([
    0o700, 0o600,
  ]);
});

it.each([
  '',
  '{"format":1,',
  '[]',
  'null',
  '{"format":1,"documents":[{"text":"{"}]}',
  '{"format":2}',
])('a file that holds %j is no copy, and stops nothing', async text => {
  copies.save(ledger, () => snapshotOf(1));
  await copies.flush();
  writeFileSync(pathOf(), text);
  expect(copies.read(ledger)).toBeUndefined();
});

it('a file of which one letter was changed is no copy', async () => {
  copies.save(ledger, () => snapshotOf(1));
  await copies.flush();
  writeFileSync(pathOf(), readFileSync(pathOf(), 'utf8').replace('pro', 'pri'));
  expect(copies.read(ledger)).toBeUndefined();
  expect(troubles).toEqual([expect.stringContaining('it is damaged')]);
});

it('a disk that takes no copy is said, and stops nothing', async () => {
  copies.save(ledger, () => snapshotOf(1));
  await copies.flush();
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'a file stands where the directory was');
  copies.save(ledger, () => snapshotOf(2));
  await copies.flush();
  expect(troubles).toEqual([expect.stringContaining('cannot be saved')]);
  rmSync(directory);
  copies.save(ledger, () => snapshotOf(2));
  await copies.flush();
  expect(copies.read(ledger)?.snapshot.id).toBe('epoch.2.nonce');
});
