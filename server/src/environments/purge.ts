import { auditDraft, SYSTEM } from '../audit/record.ts';
import { formatInstant, msUntil, type Clock } from '../clock.ts';
import { flagSetLedger, workflowLedger } from '../flag-set/registry.ts';
import type { Replica } from '../replication/replica.ts';
import type { DeletedEnvironment, Ledger, Store } from '../store/store.ts';
import { changeOf } from './deleted-environments.ts';

export type PurgeServices = {
  readonly store: Store;
  readonly events: { clear(ledger: Ledger<'flagSet'>): Promise<void> };
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  /** Called when an environment could not be purged. It is tried again. */
  readonly onError: (error: unknown) => void;
};

const DAY_MS = 86_400_000;
const RETRY_MS = 60_000;

/**
 * Purges deleted environments once their time is over. Every server does this: whichever is first makes the
 * commit, and any server completes what another one did not. Returns how to stop.
 */
export const startPurge = (services: PurgeServices): (() => void) => {
  const { control, clock, onError } = services;
  let cancel = () => {};
  let retryAt = -Infinity;
  let isRunning = false;
  let isClosed = false;

  const schedule = () => {
    cancel();
    const due = nextPurge(control);
    if (isClosed || isRunning || due === undefined) return;
    const delayMs = Math.max(msUntil(due, clock), retryAt - clock.monotonic());
    if (delayMs <= 0) return void run();
    // A timer cannot be much longer, and the clock may be set in the meantime.
    cancel = clock.after(Math.min(DAY_MS, delayMs), schedule);
  };

  const run = async () => {
    isRunning = true;
    try {
      await purgeDue(services);
    } catch (error) {
      retryAt = clock.monotonic() + RETRY_MS;
      if (!isClosed) onError(error);
    }
    isRunning = false;
    schedule();
  };

  const unsubscribe = control.subscribe(schedule);
  schedule();
  return () => {
    isClosed = true;
    cancel();
    unsubscribe();
  };
};

const uncleared = (control: Replica<'control'>): DeletedEnvironment[] =>
  [...control.current().records.deletedEnvironments.values()]
    .map(({ document }) => document)
    .filter(({ isCleared }) => isCleared !== true);

const nextPurge = (control: Replica<'control'>): number | undefined => {
  const all = uncleared(control).map(({ purgeAt }) => Date.parse(purgeAt));
  return all.length === 0 ? undefined : Math.min(...all);
};

const purgeDue = async (services: PurgeServices): Promise<void> => {
  const { control, clock } = services;
  for (const { environment, purgeAt } of uncleared(control))
    if (msUntil(Date.parse(purgeAt), clock) === 0) await purge(services, environment.ledger);
};

/**
 * Purges an environment in three steps, each of which can be repeated: a server may stop after any of them.
 * After the first one it cannot be restored. Its data is removed only then, so nothing is ever restored
 * without its data. The audit log of its ledger is kept.
 */
const purge = async (services: PurgeServices, ledger: string): Promise<void> => {
  const { store, events } = services;
  const environment = await markPurged(services, ledger);
  if (environment === undefined) return;
  await store.clear(flagSetLedger(environment));
  await store.drop(workflowLedger(environment));
  await store.usage.clear(flagSetLedger(environment));
  await events.clear(flagSetLedger(environment));
  await markCleared(services, ledger);
};

/** Sets `purgedAt` and audits it, unless that is done. Returns undefined when it has been restored. */
const markPurged = ({ control, clock }: PurgeServices, ledger: string) =>
  control.write(({ records }) => {
    const deleted = records.deletedEnvironments.get(ledger)?.document;
    if (deleted === undefined) return nothing(undefined);
    if (deleted.purgedAt !== undefined) return nothing(deleted.environment);
    const now = clock.now();
    const purged = { ...deleted, keys: [], purgedAt: formatInstant(now) };
    return {
      writes: { deletedEnvironments: new Map([[ledger, purged]]) },
      audit: [auditDraft(SYSTEM, now, changeOf(deleted, 'environment.purge'))],
      result: () => deleted.environment,
    };
  });

const markCleared = ({ control }: PurgeServices, ledger: string) =>
  control.write(({ records }) => {
    const deleted = records.deletedEnvironments.get(ledger)?.document;
    if (deleted === undefined || deleted.isCleared === true) return nothing(undefined);
    const cleared = { ...deleted, isCleared: true };
    return {
      writes: { deletedEnvironments: new Map([[ledger, cleared]]) },
      audit: [],
      result: () => undefined,
    };
  });

const nothing = <Result>(result: Result) => ({ writes: {}, audit: [], result: () => result });
