import type { UsageReason } from '@pennon/schema';

import {
  KEEP_UNKNOWN_MS,
  MAX_UNKNOWN_A_DAY,
  REASON_LETTERS,
  REPEAT_MS,
  REPORT_WINDOW,
  unitStart,
  USAGE_RESOLUTION_NAMES,
  USAGE_RESOLUTIONS,
  usageReasonOf,
  type UsageCount,
  type UsageFlush,
  type UsageLedger,
  type UsageQuery,
  type UsageResolution,
  type UsageStore,
} from '../usage-store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { asFields, asList, asText } from './reply.ts';

/** How often flags were evaluated, in Redis. */
export const usageOn = (context: RedisContext): UsageStore => {
  const { connections, keys } = context;
  return {
    async add(flush) {
      for (const part of partsOf(flush)) await addPart(context, part);
    },
    async claim({ id, ledger, reports }) {
      const windows = reports.map(({ instance }) => keys.usage.window(ledger, instance));
      const args = [REPEAT_MS, REPORT_WINDOW, ...reports.map(({ sequence }) => sequence)];
      const all = [keys.usage.done(ledger, id), ...windows];
      const reply = await replyOf(runScript(connections.send, 'claimUsage', all, args));
      return Array.from(asText(reply), each => each === '1');
    },
    read: (ledger, query) => readCounts(context, ledger, query),
    async lastEvaluated(ledger) {
      const reply = await replyOf(connections.send('hgetall', [keys.usage.last(ledger)]));
      return new Map(asFields(reply).map(([flag, at]) => [flag, Number(at)]));
    },
    async unknownFlags(ledger, since) {
      const days = daysOf(since, context.clock.now()).map(day => keys.usage.unknown(ledger, day));
      const reply = await replyOf(connections.send('sunion', days));
      return asList(reply).map(asText);
    },
    clear: ledger => clear(context, ledger),
  };
};

/** Redis does nothing else during a script, so many counts are added in parts. */
const PART_COUNTS = 500;

/** Each part has an id of its own, so a flush that was interrupted continues if it is added again. */
const partsOf = (flush: UsageFlush): readonly UsageFlush[] => {
  const { id, counts, unknown } = flush;
  const number = Math.max(1, Math.ceil(counts.length / PART_COUNTS));
  return Array.from({ length: number }, (_, index) => ({
    ...flush,
    id: `${id}.${index}`,
    counts: counts.slice(index * PART_COUNTS, (index + 1) * PART_COUNTS),
    unknown: index === 0 ? unknown : [],
  }));
};

/** The counts of one hash, by field. */
type HashCounts = { readonly ttlMs: number; readonly fields: Map<string, number> };

const addPart = async (
  { connections, keys }: RedisContext,
  { id, ledger, counts, unknown, now }: UsageFlush,
): Promise<void> => {
  const hashes = hashesOf(counts, now, (resolution, block, flag) =>
    keys.usage.counts(ledger, `${resolution}:${block}`, flag),
  );
  const last = lastOf(counts);
  const all = [
    keys.usage.done(ledger, id),
    keys.usage.last(ledger),
    keys.usage.unknown(ledger, unitStart('day', now)),
    ...hashes.keys(),
  ];
  const args = [
    REPEAT_MS,
    USAGE_RESOLUTIONS.day.keepMs,
    KEEP_UNKNOWN_MS,
    MAX_UNKNOWN_A_DAY,
    unknown.length,
    ...unknown,
    last.size,
    ...[...last].flat(),
    ...[...hashes.values()].flatMap(({ ttlMs, fields }) => [
      ttlMs,
      fields.size,
      ...[...fields].flat(),
    ]),
  ];
  await replyOf(runScript(connections.send, 'addUsage', all, args));
};

/** Returns the counts by the key of their hash. What is too old to be kept is left out. */
const hashesOf = (
  counts: readonly UsageCount[],
  now: number,
  keyOf: (resolution: UsageResolution, block: number, flag: string) => string,
): Map<string, HashCounts> => {
  const hashes = new Map<string, HashCounts>();
  for (const resolution of USAGE_RESOLUTION_NAMES)
    for (const count of counts) {
      const { block, slot } = placeOf(resolution, count.at);
      const ttlMs = endOf(resolution, block) + USAGE_RESOLUTIONS[resolution].keepMs - now;
      if (ttlMs <= 0) continue;
      const key = keyOf(resolution, block, count.flag);
      const hash = hashes.get(key) ?? { ttlMs, fields: new Map<string, number>() };
      const field = fieldOf(slot, count);
      hash.fields.set(field, (hash.fields.get(field) ?? 0) + count.count);
      hashes.set(key, hash);
    }
  return hashes;
};

const lastOf = (counts: readonly UsageCount[]): Map<string, number> => {
  const last = new Map<string, number>();
  for (const { flag, at } of counts)
    last.set(flag, Math.max(last.get(flag) ?? 0, unitStart('minute', at)));
  return last;
};

const blockMs = (resolution: UsageResolution): number =>
  USAGE_RESOLUTIONS[resolution].unitMs * USAGE_RESOLUTIONS[resolution].slots;

/** The hash that has a unit, and the place of the unit in it. */
const placeOf = (resolution: UsageResolution, at: number) => {
  const block = Math.floor(at / blockMs(resolution));
  const start = block * blockMs(resolution);
  return { block, slot: Math.floor((at - start) / USAGE_RESOLUTIONS[resolution].unitMs) };
};

const endOf = (resolution: UsageResolution, block: number): number =>
  (block + 1) * blockMs(resolution);

/** Redis keeps short fields of small hashes in a tenth of the memory. */
const REASONS: ReadonlyMap<string, UsageReason> = new Map(
  Object.entries(REASON_LETTERS).map(([reason, letter]) => [letter, usageReasonOf(reason)]),
);

const RADIX = 36;

const fieldOf = (slot: number, { reason, variant }: UsageCount): string =>
  slot.toString(RADIX) + REASON_LETTERS[reason] + (variant ?? '');

const readCounts = async (
  { connections, keys }: RedisContext,
  ledger: UsageLedger,
  { flag, resolution, from, until }: UsageQuery,
): Promise<UsageCount[]> => {
  const [first, last] = [from, until - 1].map(at => placeOf(resolution, at).block);
  const blocks = range(first ?? 0, last ?? 0);
  const found = await Promise.all(
    blocks.map(async block => {
      const key = keys.usage.counts(ledger, `${resolution}:${block}`, flag);
      const reply = await replyOf(connections.send('hgetall', [key]));
      const start = block * blockMs(resolution);
      return asFields(reply).flatMap(([field, count]) =>
        countsIn({ flag, resolution, start }, field, Number(count)),
      );
    }),
  );
  return found
    .flat()
    .filter(({ at }) => at >= from && at < until)
    .toSorted((a, b) => a.at - b.at);
};

/** Returns nothing for a field that Pennon did not write. */
const countsIn = (
  { flag, resolution, start }: Pick<UsageQuery, 'flag' | 'resolution'> & { readonly start: number },
  field: string,
  count: number,
): UsageCount[] => {
  const reason = REASONS.get(field.charAt(1));
  const slot = Number.parseInt(field.charAt(0), RADIX);
  if (reason === undefined || Number.isNaN(slot) || !Number.isSafeInteger(count)) return [];
  const at = start + slot * USAGE_RESOLUTIONS[resolution].unitMs;
  return [{ flag, variant: field.slice(2) || null, reason, at, count }];
};

const range = (first: number, last: number): readonly number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);

const daysOf = (since: number, now: number): readonly number[] => {
  const { unitMs } = USAGE_RESOLUTIONS.day;
  return range(Math.floor(since / unitMs), Math.floor(now / unitMs)).map(day => day * unitMs);
};

const REMOVED_AT_ONCE = 1_000;

const clear = async (context: RedisContext, ledger: UsageLedger): Promise<void> => {
  const { connections, keys, clock } = context;
  const now = clock.now();
  const flags = asList(await replyOf(connections.send('hkeys', [keys.usage.last(ledger)])));
  const blocks = USAGE_RESOLUTION_NAMES.flatMap(resolution => {
    const first = placeOf(resolution, now - USAGE_RESOLUTIONS[resolution].keepMs).block;
    return range(first - 1, placeOf(resolution, now).block).map(block => `${resolution}:${block}`);
  });
  const days = daysOf(now - KEEP_UNKNOWN_MS, now).map(day => keys.usage.unknown(ledger, day));
  const all = [
    ...flags
      .map(asText)
      .flatMap(flag => blocks.map(block => keys.usage.counts(ledger, block, flag))),
    ...days,
    // Last, because it has the names of the others.
    keys.usage.last(ledger),
  ];
  for (let at = 0; at < all.length; at += REMOVED_AT_ONCE) {
    const some = all.slice(at, at + REMOVED_AT_ONCE);
    await replyOf(runScript(connections.send, 'remove', some, []));
  }
};
