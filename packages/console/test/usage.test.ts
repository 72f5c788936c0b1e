import { describe, expect, it } from 'vitest';

import { seriesOf, startOf, type FlagUsage, type UsageCount } from '../src/flag/usage.ts';

const HOUR_MS = 3_600_000;
const START = Date.parse('2026-01-31T10:00:00.000Z');

const count = (hour: number, variant: string | null, number: number): UsageCount => ({
  at: new Date(START + hour * HOUR_MS).toISOString(),
  variant,
  reason: variant === null ? 'ERROR' : 'SPLIT',
  count: number,
});

const usage = (counts: UsageCount[]): FlagUsage => ({
  environment: 'production',
  flag: 'checkout',
  resolution: 'hour',
  from: '2026-01-31T10:00:00.000Z',
  until: '2026-01-31T13:00:00.000Z',
  total: 0,
  lastEvaluated: null,
  counts,
});

describe('the usage of a flag', () => {
  it('has a count for each step and variant, the largest first', () => {
    const counts = [count(0, 'off', 1), count(0, null, 2), count(2, 'off', 4), count(2, null, 0)];
    expect(seriesOf(usage(counts), 'variant')).toEqual({
      times: [START, START + HOUR_MS, START + 2 * HOUR_MS],
      series: [
        { name: 'off', total: 5, counts: [1, 0, 4] },
        { name: null, total: 2, counts: [2, 0, 0] },
      ],
    });
  });

  it('by reason adds up its variants', () => {
    const counts = [count(1, 'on', 1), count(1, 'off', 2), count(1, null, 8)];
    expect(seriesOf(usage(counts), 'reason').series).toEqual([
      { name: 'ERROR', total: 8, counts: [0, 8, 0] },
      { name: 'SPLIT', total: 3, counts: [0, 3, 0] },
    ]);
  });

  it('of many variants has the largest ones, and the others together', () => {
    const counts = Array.from({ length: 9 }, (_, at) => count(at % 3, `v${at}`, 10 - at));
    const { series } = seriesOf(usage(counts), 'variant');
    expect(series.map(({ name }) => name)).toEqual(['v0', 'v1', 'v2', 'v3', 'v4', undefined]);
    expect(series.at(-1)).toMatchObject({ total: 14, counts: [4, 3, 7] });
  });

  it.each([
    ['3h', '2026-01-31T09:01:30.000Z'],
    ['24h', '2026-01-30T13:00:30.000Z'],
    ['90d', '2025-11-03T12:00:30.000Z'],
  ] as const)('of %s starts so that the last step is the current one', (period, start) => {
    expect(startOf(period, Date.parse('2026-01-31T12:00:30.000Z'))).toBe(start);
  });
});
