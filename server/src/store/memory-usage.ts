import {
  EMPTY_WINDOW,
  KEEP_UNKNOWN_MS,
  retentionStart,
  MAX_UNKNOWN_A_DAY,
  REPEAT_MS,
  unitStart,
  USAGE_RESOLUTION_NAMES,
  withReport,
  type ReportWindow,
  type UsageCount,
  type UsageLedger,
  type UsageResolution,
  type UsageStore,
} from './usage-store.ts';

/** What a memory store has counted. */
export type MemoryUsage = {
  readonly byLedger: Map<string, LedgerUsage>;
  /** Results by the id of the flush or claim. */
  readonly done: Map<string, { readonly at: number; readonly isNew: readonly boolean[] }>;
  readonly windows: Map<string, ReportWindow & { readonly at: number }>;
};

type LedgerUsage = {
  /** By flag, then by unit and series. */
  readonly counts: Record<UsageResolution, Map<string, Map<string, UsageCount>>>;
  readonly last: Map<string, number>;
  /** By day. */
  readonly unknown: Map<number, Set<string>>;
};

export const emptyUsage = (): MemoryUsage => ({
  byLedger: new Map(),
  done: new Map(),
  windows: new Map(),
});

const emptyLedger = (): LedgerUsage => ({
  counts: { minute: new Map(), hour: new Map(), day: new Map() },
  last: new Map(),
  unknown: new Map(),
});

/** Counts in this process. `requireOpen` throws once the store is closed. */
export const memoryUsage = (
  { byLedger, done, windows }: MemoryUsage,
  requireOpen: () => void,
): UsageStore => {
  const find = ({ id }: UsageLedger): LedgerUsage => {
    requireOpen();
    return byLedger.get(id) ?? emptyLedger();
  };
  return {
    async add({ id, ledger, counts, unknown, now }) {
      const usage = find(ledger);
      if (done.has(id)) return;
      byLedger.set(ledger.id, usage);
      for (const count of counts) addCount(usage, count);
      addUnknown(usage, unknown, now);
      done.set(id, { at: now, isNew: [] });
      forgetOld(done, now - REPEAT_MS);
      trim(usage, now);
    },
    async claim({ id, reports, now }) {
      requireOpen();
      const isNew =
        done.get(id)?.isNew ??
        reports.map(({ instance, sequence }) => {
          const next = withReport(windows.get(instance) ?? EMPTY_WINDOW, sequence);
          if (next !== undefined) windows.set(instance, { ...next, at: now });
          return next !== undefined;
        });
      done.set(id, { at: now, isNew });
      forgetOld(windows, now - REPEAT_MS);
      return isNew;
    },
    read: async (ledger, { flag, resolution, from, until }) =>
      [...(find(ledger).counts[resolution].get(flag)?.values() ?? [])]
        .filter(({ at }) => at >= from && at < until)
        .toSorted((a, b) => a.at - b.at),
    lastEvaluated: async ledger => new Map(find(ledger).last),
    async unknownFlags(ledger, since) {
      const days = [...find(ledger).unknown].filter(([day]) => day >= unitStart('day', since));
      return [...new Set(days.flatMap(([, keys]) => [...keys]))];
    },
    async clear({ id }) {
      requireOpen();
      byLedger.delete(id);
    },
  };
};

const addCount = ({ counts, last }: LedgerUsage, added: UsageCount): void => {
  const { flag, variant, reason } = added;
  for (const resolution of USAGE_RESOLUTION_NAMES) {
    const at = unitStart(resolution, added.at);
    const ofFlag = counts[resolution].get(flag) ?? new Map<string, UsageCount>();
    const name = JSON.stringify([at, variant, reason]);
    const count = (ofFlag.get(name)?.count ?? 0) + added.count;
    counts[resolution].set(flag, ofFlag.set(name, { ...added, at, count }));
  }
  last.set(flag, Math.max(last.get(flag) ?? 0, unitStart('minute', added.at)));
};

const addUnknown = ({ unknown }: LedgerUsage, keys: readonly string[], now: number): void => {
  if (keys.length === 0) return;
  const day = unitStart('day', now);
  const known = unknown.get(day) ?? new Set<string>();
  for (const key of keys) if (known.size < MAX_UNKNOWN_A_DAY) known.add(key);
  unknown.set(day, known);
};

const trim = ({ counts, last, unknown }: LedgerUsage, now: number): void => {
  for (const resolution of USAGE_RESOLUTION_NAMES)
    for (const ofFlag of counts[resolution].values())
      for (const [name, { at }] of ofFlag)
        if (at < retentionStart(resolution, now)) ofFlag.delete(name);
  for (const [flag, at] of last) if (at < retentionStart('day', now)) last.delete(flag);
  for (const day of unknown.keys()) if (day < now - KEEP_UNKNOWN_MS) unknown.delete(day);
};

const forgetOld = (all: Map<string, { readonly at: number }>, before: number): void => {
  for (const [id, { at }] of all) if (at < before) all.delete(id);
};
