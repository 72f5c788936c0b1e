import { describe, expect, it } from 'vitest';

import { changedFlags, createView } from '../src/view.ts';
import type { View } from '../src/view.ts';
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
  const open = (): View => createView(JSON.parse(text), undefined);

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
    const work = () => changedFlags(before, createView(changed, before));
    expect(work()).toEqual(['flag-7']);
    expect(bestMs(work)).toBeLessThan(5);
  });

  it('when they come whole once more, and one of them is another', () => {
    const before = open();
    const again = text.replace('"version":1', '"version":2');
    const work = () => changedFlags(before, createView(JSON.parse(again), before));
    expect(work()).toEqual(['flag-0']);
    expect(bestMs(work)).toBeLessThan(5);
  });
});
