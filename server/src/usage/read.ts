import type { UsageReason } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { canAccess, environmentOf } from '../auth/caller.ts';
import { formatInstant, timeBefore, type Clock } from '../clock.ts';
import { invalid } from '../errors.ts';
import type { Registry } from '../flag-set/registry.ts';
import {
  KEEP_UNKNOWN_MS,
  retentionStart,
  USAGE_RESOLUTIONS,
  type UsageCount,
  type UsageResolution,
  type UsageStore,
} from '../store/usage-store.ts';

export type ReadUsageServices = {
  readonly registry: Registry;
  readonly store: { readonly usage: UsageStore };
  readonly clock: Clock;
};

export type ReadUsageInput = {
  readonly environment?: string | undefined;
  readonly flag: string;
  readonly resolution: UsageResolution;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
  readonly variant?: string | undefined;
  readonly reason?: UsageReason | undefined;
};

export type FlagUsage = {
  environment: string;
  flag: string;
  resolution: UsageResolution;
  from: string;
  until: string;
  total: number;
  lastEvaluated: string | null;
  counts: { at: string; variant: string | null; reason: UsageReason; count: number }[];
};

/** Returns how often a flag was evaluated, also of a flag that was deleted. */
export const readUsage = async (
  { registry, store, clock }: ReadUsageServices,
  caller: Caller,
  input: ReadUsageInput,
): Promise<FlagUsage> => {
  const { environment, replica } = registry.find(environmentOf(caller, input.environment));
  const { flag, resolution } = input;
  const range = rangeOf(input, clock.now());
  const counts = await store.usage.read(replica.ledger, { flag, resolution, ...range });
  const wanted = counts.filter(each => isWanted(input, each));
  const last = (await store.usage.lastEvaluated(replica.ledger)).get(flag);
  return {
    environment,
    flag,
    resolution,
    from: formatInstant(range.from),
    until: formatInstant(range.until),
    total: wanted.reduce((sum, { count }) => sum + count, 0),
    lastEvaluated: last === undefined ? null : formatInstant(last),
    counts: wanted.map(({ at, variant, reason, count }) => ({
      at: formatInstant(at),
      variant,
      reason,
      count,
    })),
  };
};

const isWanted = ({ variant, reason }: ReadUsageInput, count: UsageCount): boolean =>
  (variant === undefined || count.variant === variant) &&
  (reason === undefined || count.reason === reason);

/** Whole minutes, hours or days. By default all that are kept. */
const rangeOf = ({ resolution, from, until }: ReadUsageInput, now: number) => {
  const { unitMs } = USAGE_RESOLUTIONS[resolution];
  const start = Math.floor(
    Math.max(from === undefined ? 0 : Date.parse(from), retentionStart(resolution, now)) / unitMs,
  );
  const latest = Math.ceil((now + 1) / unitMs);
  const end =
    until === undefined ? latest : Math.min(latest, Math.ceil(Date.parse(until) / unitMs));
  if (from !== undefined && until !== undefined && Date.parse(from) >= Date.parse(until))
    throw invalid([{ path: 'until', message: 'must be after "from"' }]);
  return { from: start * unitMs, until: Math.max(start, end) * unitMs };
};

/** How often a flag was evaluated in each of the last 24 hours, the oldest first. */
export type RecentUsage = { total: number; hours: number[] };

const HOUR_MS = USAGE_RESOLUTIONS.hour.unitMs;
const HOURS = 24;

/** Returns how often some flags were evaluated of late, in all environments that the caller may read together. */
export const readRecentUsage = async (
  { registry, store, clock }: ReadUsageServices,
  caller: Caller,
  { flags }: { readonly flags: readonly string[] },
): Promise<{ from: string; flags: Record<string, RecentUsage> }> => {
  const until = (Math.floor(clock.now() / HOUR_MS) + 1) * HOUR_MS;
  const from = until - HOURS * HOUR_MS;
  const lives = registry.all().filter(({ environment }) => canAccess(caller, environment));
  const read = async (flag: string): Promise<[string, RecentUsage]> => {
    const query = { flag, resolution: 'hour', from, until } as const;
    const counts = await Promise.all(
      lives.map(({ replica }) => store.usage.read(replica.ledger, query)),
    );
    return [flag, byHour(counts.flat(), from)];
  };
  const usages = await Promise.all([...new Set(flags)].map(read));
  return { from: formatInstant(from), flags: Object.fromEntries(usages) };
};

const byHour = (counts: readonly UsageCount[], from: number): RecentUsage => {
  const hours = Array.from({ length: HOURS }, () => 0);
  for (const { at, count } of counts) {
    const hour = (at - from) / HOUR_MS;
    hours[hour] = (hours[hour] ?? 0) + count;
  }
  return { total: hours.reduce((sum, count) => sum + count), hours };
};

/** Returns the keys that code has requested in the last two weeks, but that are not those of flags. */
export const readUnknownFlags = async (
  { registry, store, clock }: ReadUsageServices,
  caller: Caller,
  input: { readonly environment?: string | undefined },
): Promise<{ environment: string; keys: string[] }> => {
  const live = registry.find(environmentOf(caller, input.environment));
  const earliest = timeBefore(clock, KEEP_UNKNOWN_MS);
  const keys = await store.usage.unknownFlags(live.replica.ledger, earliest);
  const { flags } = live.view().flagSet;
  const unknown = keys.filter(key => !flags.has(key)).toSorted();
  return { environment: live.environment, keys: unknown };
};
