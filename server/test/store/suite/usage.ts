import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { UsageCount, UsageStore } from '../../../src/store/usage-store.ts';
import { newLedger } from '../fixtures.ts';
import type { OpenedStore } from '../suite.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Ten minutes before midnight. */
const NOW = Math.floor(Date.now() / DAY) * DAY + DAY - 10 * MINUTE;

let ids = 0;
const newId = () => `id${(ids += 1)}-${NOW}-${Math.random()}`;

const counted = (change: Partial<UsageCount> = {}): UsageCount => ({
  flag: 'a',
  variant: 'on',
  reason: 'SPLIT',
  at: NOW,
  count: 1,
  ...change,
});

const ALL = { from: NOW - 300 * DAY, until: NOW + 2 * DAY };

export const describeUsage = (opened: () => OpenedStore): void => {
  describe('usage', () => {
    const usage = (): UsageStore => opened().store.usage;
    const ledger = newLedger();
    const add = (counts: UsageCount[], unknown: string[] = [], now = NOW, id = newId()) =>
      usage().add({ id, ledger, counts, unknown, now });
    const read = async (resolution: 'minute' | 'hour' | 'day', flag = 'a') =>
      (await usage().read(ledger, { flag, resolution, ...ALL })).map(
        ({ at, variant, reason, count }) => [at - NOW, variant, reason, count],
      );

    it('is added up by minute, hour and day, for each variant and reason', async () => {
      await usage().clear(ledger);
      await add([counted(), counted({ at: NOW + 12 * MINUTE, count: 5 })]);
      await add([counted({ count: 2 }), counted({ variant: null, reason: 'ERROR' })]);
      await add([counted({ flag: 'b' })]);
      expect((await read('minute')).map(String).toSorted()).toEqual(
        [
          [0, 'on', 'SPLIT', 3],
          [0, null, 'ERROR', 1],
          [12 * MINUTE, 'on', 'SPLIT', 5],
        ]
          .map(String)
          .toSorted(),
      );
      expect((await read('hour')).filter(([, variant]) => variant === 'on')).toEqual([
        [-50 * MINUTE, 'on', 'SPLIT', 3],
        [10 * MINUTE, 'on', 'SPLIT', 5],
      ]);
      expect((await read('day')).filter(([, variant]) => variant === 'on')).toEqual([
        [10 * MINUTE - DAY, 'on', 'SPLIT', 3],
        [10 * MINUTE, 'on', 'SPLIT', 5],
      ]);
      expect(await read('minute', 'c')).toEqual([]);
    });

    it('is not added a second time with the same id', async () => {
      await usage().clear(ledger);
      const id = newId();
      const many = Array.from({ length: 1_200 }, (_, index) => counted({ flag: `f${index}` }));
      await add(many, [], NOW, id);
      await add(many, [], NOW, id);
      expect(await read('hour', 'f0')).toEqual([[-50 * MINUTE, 'on', 'SPLIT', 1]]);
      expect(await read('hour', 'f1199')).toEqual([[-50 * MINUTE, 'on', 'SPLIT', 1]]);
    });

    it('has every reason, and variants of any name', async () => {
      await usage().clear(ledger);
      const all = (
        [
          ['STATIC', 'é'],
          ['DEFAULT', ' '],
          ['TARGETING_MATCH', 's'],
          ['CACHED', 'on:off'],
          ['DISABLED', null],
          ['STALE', '0'],
          ['UNKNOWN', '{}'],
          ['ERROR', null],
        ] as const
      ).map(([reason, variant]) => counted({ reason, variant }));
      await add(all);
      expect((await read('minute')).map(String).toSorted()).toEqual(
        all.map(({ variant, reason }) => String([0, variant, reason, 1])).toSorted(),
      );
    });

    it('has the last minute in which a flag was evaluated', async () => {
      await usage().clear(ledger);
      await add([counted({ at: NOW + 5_000 })]);
      await add([counted({ at: NOW - HOUR }), counted({ flag: 'b', at: NOW - HOUR })]);
      expect(Object.fromEntries(await usage().lastEvaluated(ledger))).toEqual({
        a: NOW,
        b: NOW - HOUR,
      });
    });

    it('has the unknown keys of days, at most 1,000 a day', async () => {
      await usage().clear(ledger);
      const many = Array.from({ length: 1_500 }, (_, index) => `u${index}`);
      await add([], ['old'], NOW - 3 * DAY);
      await add([], many);
      await add([], many);
      const recent = await usage().unknownFlags(ledger, NOW - DAY);
      expect([recent.length, recent.includes('old')]).toEqual([1_000, false]);
      expect(await usage().unknownFlags(ledger, NOW - 4 * DAY)).toContain('old');
    });

    it('of one environment is cleared without that of others', async () => {
      const other = newLedger();
      await add([counted()], ['x']);
      await usage().add({ id: newId(), ledger: other, counts: [counted()], unknown: [], now: NOW });
      await usage().clear(ledger);
      expect(await read('day')).toEqual([]);
      expect((await usage().lastEvaluated(ledger)).size).toBe(0);
      expect(await usage().unknownFlags(ledger, NOW)).toEqual([]);
      expect((await usage().lastEvaluated(other)).size).toBe(1);
      await usage().clear(other);
    });

    it('counts each report once, in any order of arrival and repetition', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 8 }), { maxLength: 20 }),
          async claims => {
            const instance = newId();
            const model = new Set<number>();
            for (const sequences of claims) {
              const reports = sequences.map(sequence => ({ instance, sequence }));
              const id = newId();
              const isNew = await usage().claim({ id, ledger, reports, now: NOW });
              const expected = sequences.map(sequence => {
                const isOld = sequence <= Math.max(0, ...model) - 64 || model.has(sequence);
                if (!isOld) model.add(sequence);
                return !isOld;
              });
              expect(isNew).toEqual(expected);
              expect(await usage().claim({ id, ledger, reports, now: NOW })).toEqual(isNew);
            }
          },
        ),
        { numRuns: 30 },
      );
    });

    it('survives opening the store again', async () => {
      await usage().clear(ledger);
      const [id, claim, instance] = [newId(), newId(), newId()];
      const reports = [{ instance, sequence: 1 }];
      await add([counted()], [], NOW, id);
      await usage().claim({ id: claim, ledger, reports, now: NOW });
      const again = (await opened().reopen()).usage;
      await again.add({ id, ledger, counts: [counted()], unknown: [], now: NOW });
      const query = { flag: 'a', resolution: 'day', ...ALL } as const;
      expect((await again.read(ledger, query)).map(({ count }) => count)).toEqual([1]);
      expect(await again.claim({ id: newId(), ledger, reports, now: NOW })).toEqual([false]);
    });
  });
};
