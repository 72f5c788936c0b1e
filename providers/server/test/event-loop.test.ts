import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import type { FlagSetChanges } from '@pennon/sync';
import { describe, expect, it } from 'vitest';

import { createCurrentFlags } from '../src/flag-manager.ts';
import type { RawFlagSet } from '../src/flag-file.ts';
import { booleanFlag, onIf } from './support/flags.ts';

const createFlag = (index: number) =>
  booleanFlag(`flag-${index}`, false, {
    name: `Flag ${index}`,
    description: 'What it is for, in a sentence as people write them.',
    metadata: { team: 'web' },
    updatedAt: '2026-01-31T12:00:00.000Z',
    rules: [
      onIf('country', 'DE'),
      { id: 'insiders', conditions: [{ segment: 'insiders' }], variant: 'on' },
      {
        id: 'split',
        conditions: [],
        split: [
          { variant: 'on', weight: 20 },
          { variant: 'off', weight: 80 },
        ],
      },
    ],
  });

const flagSetAt = (revision: number) => ({
  formatVersion: 1,
  environment: 'production',
  id: `epoch.${revision}.nonce`,
  revision,
  flags: Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`flag-${index}`, createFlag(index)]),
  ),
  segments: {
    insiders: { key: 'insiders', conditions: [{ attribute: 'plan', operator: 'exists' }] },
  },
});
const json = JSON.stringify(flagSetAt(1));
/** The same flags, except that flag-0 has another default variant and so another version. */
const jsonAfterEdit = json
  .replace('"defaultVariant":"off"', '"defaultVariant":"on"')
  .replace('"version":1', '"version":2');

const open = () => {
  const reported: string[][] = [];
  const current = createCurrentFlags(
    {
      onChange: flagsChanged => void reported.push(flagsChanged),
      onWarning: () => undefined,
    },
    () => 0,
  );
  const update = (flagSet: RawFlagSet, changed?: FlagSetChanges) =>
    current.update({ flagSet, changed });
  const flag = (key: string) => current.snapshot()?.flagSet.flags[key];
  const compiledKeys = () =>
    [...(current.snapshot()?.compiled.lazyFlags.values() ?? [])]
      .filter(({ compiled }) => compiled !== undefined)
      .map(({ key }) => key);
  return { snapshot: current.snapshot, update, flag, compiledKeys, reported };
};

/** Counts the turns of the event loop while `work` is done. */
const turnsOf = async (work: () => Promise<unknown>): Promise<number> => {
  let turns = 0;
  let done = false;
  const count = () => {
    turns += 1;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  await work();
  done = true;
  return turns;
};

describe('a thousand flags', () => {
  it('are set up without compiling any of them', async () => {
    const { update, compiledKeys, snapshot } = open();
    await update(JSON.parse(json));
    expect(snapshot()?.compiled.flagKeys).toHaveLength(1_000);
    expect(compiledKeys()).toEqual([]);
  });

  it('received again with one changed cost one new object and one compilation', async () => {
    const { update, snapshot, compiledKeys, reported } = open();
    await update(JSON.parse(json));
    snapshot()?.evaluateAll({});
    expect(compiledKeys()).toHaveLength(1_000);
    const before = snapshot()?.flagSet.flags ?? {};
    await update(JSON.parse(jsonAfterEdit));
    const after = snapshot()?.flagSet.flags ?? {};
    expect(Object.keys(after).filter(key => after[key] !== before[key])).toEqual(['flag-0']);
    expect(compiledKeys()).toHaveLength(999);
    expect(new Set(reported.slice(1).flat())).toEqual(new Set(['flag-0']));
  });

  it('of which one changed take few turns of the event loop if the source names it', async () => {
    const { update, flag } = open();
    await update(JSON.parse(json));
    const changes: FlagSetChanges = { flags: ['flag-0'], segments: [] };
    const next = JSON.parse(jsonAfterEdit);
    expect(await turnsOf(() => update(next, changes))).toBeLessThan(5);
    expect(flag('flag-0')).toMatchObject({ version: 2 });
  });
});

describe('received flags', () => {
  it('are not processed in the turn of the event loop that parsing has filled', async () => {
    const { update, snapshot } = open();
    const updated = update(flagSetAt(1));
    await Promise.resolve();
    expect(snapshot()).toBeUndefined();
    await updated;
    expect(snapshot()?.revision).toBe(1);
  });

  it('share the event loop with the application if they are many, the first time and later', async () => {
    const { update } = open();
    expect(await turnsOf(() => update(flagSetAt(1)))).toBeGreaterThanOrEqual(5);
    expect(await turnsOf(() => update(flagSetAt(2)))).toBeGreaterThanOrEqual(5);
  });

  it('replace the previous ones all at once', async () => {
    const { update, snapshot } = open();
    await update(flagSetAt(1));
    const seen = new Set<number | undefined>();
    const updated = update(flagSetAt(2));
    await turnsOf(async () => {
      seen.add(snapshot()?.revision);
      await updated;
      seen.add(snapshot()?.revision);
    });
    expect([...seen]).toEqual([1, 2]);
  });

  it('are compiled one by one, when they are first evaluated', async () => {
    const { update, snapshot, compiledKeys } = open();
    await update(flagSetAt(1));
    snapshot()?.evaluate('flag-7', {});
    expect(compiledKeys()).toEqual(['flag-7']);
  });

  it('keep their objects while they are unchanged', async () => {
    const { update, flag } = open();
    await update(flagSetAt(1));
    const before = flag('flag-7');
    await update(flagSetAt(2));
    expect(flag('flag-7')).toBe(before);
  });
});

const run = promisify(execFile);
const LOADED = new URL('support/loaded.ts', import.meta.url).pathname;

/** Returns the packages and Node.js modules that a process loads in addition to the SDK. */
const loadedBy = async (what: string): Promise<readonly string[]> => {
  const { stdout } = await run(process.execPath, [LOADED, what]);
  return JSON.parse(stdout);
};

describe('a process that has already loaded the SDK', () => {
  const LIGHT = ['murmurhash', 'node:path', 'node:util/types'];

  it('loads little with the provider: nothing for files, regular expressions, YAML or randomness', async () => {
    expect(await loadedBy('import')).toEqual(LIGHT);
  });

  it('loads no regular expressions for flags without any, and file access only to read a file', async () => {
    expect(await loadedBy('plain flags')).toEqual([...LIGHT, 'node:fs/promises'].toSorted());
  });

  it('loads regular expressions for a flag that needs them', async () => {
    expect(await loadedBy('flags with a pattern')).toContain('re2js');
  });
});
