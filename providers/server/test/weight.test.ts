import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { createLive } from '../src/live.ts';
import { changedFlags, createView, keepSameContent, needsPatternsNow } from '../src/view.ts';
import type { View } from '../src/view.ts';
import type { Content } from '../src/flag-file.ts';
import { booleanFlag, onWhere } from './support/flags.ts';

const flagAt = (at: number, version = 1) =>
  booleanFlag(`flag-${at}`, false, {
    version,
    name: `Flag ${at}`,
    description: 'What it is for, in a sentence as people write them.',
    metadata: { team: 'web' },
    updatedAt: '2026-01-31T12:00:00.000Z',
    rules: [
      onWhere('country', 'DE'),
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

const contentOf = (revision: number) => ({
  formatVersion: 1,
  environment: 'production',
  id: `epoch.${revision}.nonce`,
  revision,
  flags: Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`flag-${at}`, flagAt(at)])),
  segments: {
    insiders: { key: 'insiders', conditions: [{ attribute: 'plan', operator: 'exists' }] },
  },
});
const text = JSON.stringify(contentOf(1));

/** The best of many: what the work costs, and not what else the machine did meanwhile. */
const bestMs = (work: () => void): number => {
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 40; turn += 1) {
    const begin = performance.now();
    work();
    best = Math.min(best, performance.now() - begin);
  }
  return best;
};

describe('a thousand flags take less than 5 ms of the application', () => {
  /** All that is done to content in the turn after the one in which it was parsed. */
  const take = (given: Content, before: View | undefined): View => {
    const content = keepSameContent(before, given);
    needsPatternsNow(before, content);
    return createView(content, before, undefined);
  };
  const open = (): View => take(JSON.parse(text), undefined);

  it('to be set up, from the text that came', () => {
    expect(bestMs(() => changedFlags(undefined, open()))).toBeLessThan(5);
  });

  it('when one of them changes', () => {
    const before = open();
    const { content } = before;
    const changed = {
      ...content,
      revision: 2,
      flags: { ...content.flags, 'flag-7': flagAt(7, 2) },
    };
    const work = () => changedFlags(before, take(changed, before));
    expect(work()).toEqual(['flag-7']);
    expect(bestMs(work)).toBeLessThan(5);
  });

  it('when they come whole once more, and one of them is another', () => {
    const before = open();
    const again = text.replace('"version":1', '"version":2');
    const work = () => changedFlags(before, take(JSON.parse(again), before));
    expect(work()).toEqual(['flag-0']);
    expect(bestMs(work)).toBeLessThan(5);
  });
});

describe('flags that have come', () => {
  it('are taken in in another turn of the event loop than the one that parsing has filled', async () => {
    const live = createLive(() => undefined);
    const taken = live.take(contentOf(1));
    await Promise.resolve();
    expect(live.view()).toBeUndefined();
    await taken;
    expect(live.view()?.revision).toBe(1);
  });
});

const run = promisify(execFile);
const LOADED = new URL('support/loaded.ts', import.meta.url).pathname;

/** What a process has loaded since it had the SDK: packages by name, and modules of Node. */
const loadedBy = async (what: string): Promise<readonly string[]> => {
  const { stdout } = await run(process.execPath, [LOADED, what]);
  return JSON.parse(stdout);
};

describe('a process that has the SDK already', () => {
  const LIGHT = ['eventsource-parser', 'murmurhash', 'node:path', 'node:util/types'];

  it('loads little with the provider: nothing for files, patterns, YAML or chance', async () => {
    expect(await loadedBy('import')).toEqual(LIGHT);
  });

  it('loads no regular expressions for flags without any, and what reads files only where there are some', async () => {
    expect(await loadedBy('plain flags')).toEqual([...LIGHT, 'node:fs/promises'].toSorted());
  });

  it('loads regular expressions for a flag that needs them', async () => {
    expect(await loadedBy('flags with a pattern')).toContain('re2js');
  });
});
