import type { Random } from '../random.ts';
import type {
  ReportId,
  UsageClaim,
  UsageCount,
  UsageFlush,
  UsageLedger,
  UsageSeries,
  UsageStore,
} from '../store/usage-store.ts';
import { MAX_UNKNOWN_A_DAY, unitStart } from '../store/usage-store.ts';
import { nameOf } from './counters.ts';

/** What a report adds, if it is new. */
export type Report = ReportId & {
  readonly counts: readonly UsageCount[];
  readonly unknown: readonly string[];
};

/** What waits in memory until the store has it, of one environment. */
export type Account = {
  readonly add: (series: UsageSeries, at: number, count: number) => void;
  readonly addUnknown: (keys: readonly string[]) => void;
  addReport(report: Report): void;
  /** How many counts wait. */
  readonly size: () => number;
  /** Stores what waits. If that fails, it is tried again with the same id, so that nothing counts twice. */
  flush(now: number): Promise<void>;
};

export type AccountOptions = {
  readonly store: UsageStore;
  readonly ledger: UsageLedger;
  readonly random: Random;
  /** Whether one more count may wait. */
  readonly hasRoom: () => boolean;
  /** Called with the number of evaluations that are not counted, because there is no room. */
  readonly onDropped: (count: number) => void;
};

/** Reports for which the store decides whether they are new. */
type Claim = Pick<UsageClaim, 'id' | 'now'> & { readonly reports: readonly Report[] };

const ID_LENGTH = 20;

export const createAccount = (options: AccountOptions): Account => {
  const { store, ledger, random } = options;
  const waiting = createWaiting(options);
  let reports: Report[] = [];
  let reported = 0;
  let claim: Claim | undefined;
  let flush: UsageFlush | undefined;

  const claimReports = async (now: number) => {
    if (claim === undefined && reports.length > 0) {
      claim = { id: random(ID_LENGTH), reports, now };
      reports = [];
    }
    if (claim === undefined) return;
    const idsOnly = claim.reports.map(({ instance, sequence }) => ({ instance, sequence }));
    const isNew = await store.claim({ ...claim, ledger, reports: idsOnly });
    for (const [index, report] of claim.reports.entries()) {
      reported -= report.counts.length;
      if (isNew[index] === true) waiting.addReport(report);
    }
    claim = undefined;
  };

  const addCounts = async (now: number) => {
    flush ??= waiting.take({ id: random(ID_LENGTH), ledger, now });
    if (flush === undefined) return;
    await store.add(flush);
    flush = undefined;
  };

  return {
    add: waiting.add,
    addUnknown: waiting.addUnknown,
    addReport(report) {
      reports.push(report);
      reported += report.counts.length;
    },
    size: () => waiting.size() + reported + (flush?.counts.length ?? 0),
    async flush(now) {
      await claimReports(now);
      await addCounts(now);
    },
  };
};

/** Adds up counts by minute, until they are taken. */
const createWaiting = ({ hasRoom, onDropped }: AccountOptions) => {
  let counts = new Map<string, UsageCount>();
  let unknown = new Set<string>();

  const add = (series: UsageSeries, at: number, count: number) => {
    const minute = unitStart('minute', at);
    const name = `${minute} ${nameOf(series)}`;
    const known = counts.get(name);
    if (known === undefined && !hasRoom()) return onDropped(count);
    const { flag, variant, reason } = series;
    counts.set(name, { flag, variant, reason, at: minute, count: (known?.count ?? 0) + count });
  };
  const addUnknown = (keys: readonly string[]) => {
    for (const key of keys) if (unknown.size < MAX_UNKNOWN_A_DAY) unknown.add(key);
  };
  return {
    add,
    addUnknown,
    addReport(report: Report) {
      for (const each of report.counts) add(each, each.at, each.count);
      addUnknown(report.unknown);
    },
    size: () => counts.size + unknown.size,
    take(flush: Pick<UsageFlush, 'id' | 'ledger' | 'now'>): UsageFlush | undefined {
      if (counts.size === 0 && unknown.size === 0) return undefined;
      const taken = { ...flush, counts: [...counts.values()], unknown: [...unknown] };
      counts = new Map();
      unknown = new Set();
      return taken;
    },
  };
};
