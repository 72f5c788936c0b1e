import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PersistentMap } from '@pennon/engine/persistent-map';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { secureRandom } from '../src/random.ts';
import { openSnapshotFiles, type SnapshotFiles } from '../src/replication/snapshot-files.ts';
import type { Ledger, Snapshot } from '../src/store/store.ts';
import { flag, newLedger, segment } from './store/fixtures.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';

let directory: string;
let clock: FakeClock;
let snapshots: SnapshotFiles;
let warnings: string[];
let ledger: Ledger<'flagSet'>;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'pennon-snapshots-')), 'snapshots');
  clock = createFakeClock();
  warnings = [];
  snapshots = open();
  ledger = newLedger();
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

const open = () =>
  openSnapshotFiles({
    directory,
    clock,
    random: secureRandom,
    onWarning: message => warnings.push(message),
  });

const snapshotOf = (revision: number, key = 'a'): Snapshot<'flagSet'> => {
  const changeId = `epoch.${revision}.nonce`;
  return {
    id: changeId,
    records: {
      flags: PersistentMap.from([[key, { document: flag(key), changeId }]]),
      segments: PersistentMap.from([['s', { document: segment('s'), changeId: 'epoch.1.first' }]]),
      metrics: PersistentMap.from<never>([]),
      experiments: PersistentMap.from<never>([]),
      layers: PersistentMap.from<never>([]),
      ramps: PersistentMap.from<never>([]),
    },
  };
};

const pathOf = () => join(directory, `flagSet-${ledger.id}.json`);

it('a saved snapshot is read with the time of the save', async () => {
  snapshots.save(ledger, () => snapshotOf(7, '__proto__'));
  await snapshots.flush();
  expect(await open().read(ledger)).toEqual({
    snapshot: snapshotOf(7, '__proto__'),
    savedAt: clock.now(),
  });
});

it('a snapshot of more than a part of its text is read as it was saved', async () => {
  const changeId = 'epoch.7.nonce';
  const large = Array.from({ length: 40 }, (_, i) => {
    const document = flag(`flag-${i}`, { metadata: { text: `“},{"${'x'.repeat(20_000)}”` } });
    return [document.key, { document, changeId }] as const;
  });
  const snapshot = snapshotOf(7);
  const records = { ...snapshot.records, flags: PersistentMap.from(large) };
  snapshots.save(ledger, () => ({ ...snapshot, records }));
  await snapshots.flush();
  expect(warnings).toEqual([]);
  expect([...((await open().read(ledger))?.snapshot.records.flags ?? [])]).toEqual(
    large.toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
});

it('many changes cause one save, of the last change', async () => {
  let revision = 0;
  for (let i = 0; i < 100; i += 1) snapshots.save(ledger, () => snapshotOf(revision));
  revision = 100;
  expect(await snapshots.read(ledger)).toBeUndefined();
  clock.advance(1_000);
  await snapshots.flush();
  expect((await snapshots.read(ledger))?.snapshot.id).toBe('epoch.100.nonce');
});

it('there is no snapshot of a ledger that was never saved or was removed', async () => {
  expect(await snapshots.read(ledger)).toBeUndefined();
  snapshots.save(ledger, () => snapshotOf(1));
  await snapshots.flush();
  snapshots.save(ledger, () => snapshotOf(2));
  snapshots.remove(ledger);
  await snapshots.flush();
  expect(await snapshots.read(ledger)).toBeUndefined();
  expect(readdirSync(directory)).toEqual([]);
});

it('a snapshot is readable by its owner only', async () => {
  snapshots.save(ledger, () => snapshotOf(1));
  await snapshots.flush();
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
])('a file with %j is ignored', async text => {
  snapshots.save(ledger, () => snapshotOf(1));
  await snapshots.flush();
  writeFileSync(pathOf(), text);
  expect(await snapshots.read(ledger)).toBeUndefined();
});

it('a file with one changed letter is ignored', async () => {
  snapshots.save(ledger, () => snapshotOf(1));
  await snapshots.flush();
  writeFileSync(pathOf(), readFileSync(pathOf(), 'utf8').replace('pro', 'pri'));
  expect(await snapshots.read(ledger)).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('it is damaged')]);
});

it('a failed save is repeated without a change, and reported once', async () => {
  snapshots.save(ledger, () => snapshotOf(1));
  writeFileSync(directory, 'a file instead of the directory');
  for (let tries = 0; tries < 3; tries += 1) await snapshots.flush();
  expect(warnings).toEqual([expect.stringContaining('cannot be saved')]);
  rmSync(directory);
  clock.advance(10_000);
  await snapshots.flush();
  expect((await snapshots.read(ledger))?.snapshot.id).toBe('epoch.1.nonce');
});

it('a failed save is reported, and a later one succeeds', async () => {
  snapshots.save(ledger, () => snapshotOf(1));
  await snapshots.flush();
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'a file instead of the directory');
  snapshots.save(ledger, () => snapshotOf(2));
  await snapshots.flush();
  expect(warnings).toEqual([expect.stringContaining('cannot be saved')]);
  rmSync(directory);
  snapshots.save(ledger, () => snapshotOf(2));
  await snapshots.flush();
  expect((await snapshots.read(ledger))?.snapshot.id).toBe('epoch.2.nonce');
});
