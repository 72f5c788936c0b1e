import type { FastifyBaseLogger } from 'fastify';

import type { Clock } from '../clock.ts';
import { errorMessage } from '../error-message.ts';
import type { UsageCounters } from '../evaluation/counter.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Random } from '../random.ts';
import type { UsageLedger, UsageStore } from '../store/usage-store.ts';
import { createAccount, type Account, type Report } from './account.ts';
import { createUsageCounters } from './counters.ts';

/** How often flags are evaluated, added up in memory and stored at intervals. */
export type Usage = UsageCounters & {
  /** Adds a report of a provider. Returns whether there is room for it. */
  addReport(live: LiveFlagSet, report: Report): boolean;
  /** Stores what was counted until now. */
  flush(): Promise<void>;
  /** Stores the rest, if the store is available. */
  close(): Promise<void>;
};

export type UsageOptions = {
  readonly store: UsageStore;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Pick<FastifyBaseLogger, 'warn' | 'info'>;
};

const FLUSH_MS = 10_000;
/** In all environments, about 20 MiB. While the store is away, counts of the same minute are added up. */
const MAX_WAITING = 100_000;

export const createUsage = (options: UsageOptions): Usage => {
  const { store, registry, clock, random } = options;
  const counters = createUsageCounters();
  const problems = createProblems(options.logger);
  const accounts = new Map<string, Account>();
  let countedFrom = clock.now();

  const size = () => [...accounts.values()].reduce((sum, account) => sum + account.size(), 0);
  const accountOf = (ledger: UsageLedger): Account => {
    const existing = accounts.get(ledger.id);
    if (existing !== undefined) return existing;
    const hasRoom = () => size() < MAX_WAITING;
    const onDropped = problems.dropped;
    const created = createAccount({ store, ledger, random, hasRoom, onDropped });
    accounts.set(ledger.id, created);
    return created;
  };

  /** Moves what the counters have to the accounts, as of the time of the previous call. */
  const collect = () => {
    const lives = new Map(registry.all().map(live => [live.environment, live] as const));
    const hasFlag = (environment: string, flag: string) =>
      lives.get(environment)?.view().flagSet.flags.has(flag) === true;
    for (const { environment, counts, unknown } of counters.take(hasFlag)) {
      const live = lives.get(environment);
      if (live === undefined || counts.length + unknown.length === 0) continue;
      const account = accountOf(live.replica.ledger);
      for (const { count, ...series } of counts) account.add(series, countedFrom, count);
      account.addUnknown(unknown);
    }
    countedFrom = clock.now();
  };

  const flushAll = async () => {
    const now = clock.now();
    const flushed = [...accounts].map(async ([id, account]) => {
      await account.flush(now);
      if (account.size() === 0) accounts.delete(id);
    });
    const outcomes = await Promise.allSettled(flushed);
    const failed = outcomes.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  };
  let last = Promise.resolve();
  const flush = () => {
    collect();
    last = last.then(flushAll).then(() => problems.end(), problems.start);
    return last;
  };
  const stop = clock.every(FLUSH_MS, () => void flush());

  return {
    counterOf: counters.counterOf,
    noteUnknown: counters.noteUnknown,
    addReport(live, report) {
      if (size() + report.counts.length > MAX_WAITING) return false;
      accountOf(live.replica.ledger).addReport(report);
      return true;
    },
    flush,
    close() {
      stop();
      return flush();
    },
  };
};

/** Logs once when counts cannot be stored, once when some are lost, and once when they are stored again. */
const createProblems = (logger: UsageOptions['logger']) => {
  let reason: string | undefined;
  let dropped = 0;
  return {
    start: (error: unknown) => {
      if (reason === undefined)
        logger.warn(
          { reason: errorMessage(error) },
          'usage counts are not stored; they are kept in memory',
        );
      reason = errorMessage(error);
    },
    dropped: (count: number) => {
      if (dropped === 0)
        logger.warn({ reason }, 'usage counts are lost, because too many wait for the store');
      dropped += count;
    },
    end() {
      if (reason === undefined && dropped === 0) return;
      logger.info({ lostEvaluations: dropped }, 'usage counts are stored again');
      reason = undefined;
      dropped = 0;
    },
  };
};
