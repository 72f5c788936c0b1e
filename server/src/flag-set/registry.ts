import { PennonError } from '../errors.ts';
import type { Replica, ReplicaParts } from '../replication/replica.ts';
import type { Trouble } from '../replication/follower.ts';
import { openReplica } from '../replication/replica.ts';
import type { EnvironmentRecord, Ledger } from '../store/store.ts';
import { StoreError } from '../store/store.ts';
import type { LiveFlagSet } from './live-flag-set.ts';
import { openLiveFlagSet } from './live-flag-set.ts';

/** How soon an environment that could not be opened is tried again. */
const RETRY_MS = 1_000;

/** Every environment's live flag set, opened and closed as environments come and go. */
export type Registry = {
  /** The live flag set; NOT_FOUND where there is no such environment. */
  find(environment: string): LiveFlagSet;
  all(): readonly LiveFlagSet[];
  /** Resolves once every environment of the control ledger is open, or could not be opened. */
  settled(): Promise<void>;
  /** Why an environment could not be opened, and since when; undefined while all are open. */
  trouble(): Trouble | undefined;
  close(): void;
};

export const flagSetLedger = (environment: EnvironmentRecord): Ledger<'flagSet'> => ({
  kind: 'flagSet',
  id: environment.ledger,
});

export const openRegistry = async (
  parts: ReplicaParts,
  control: Replica<'control'>,
): Promise<Registry> => {
  const live = openCollection(parts);
  const settling = openSettling(parts, () => live.become(environmentsOf(control)));
  const stop = control.subscribe(settling.begin);
  const close = () => {
    stop();
    settling.close();
    live.close();
  };
  settling.begin();
  await settling.last().catch(async (error: unknown) => {
    // Where the store answers, it is this environment that is broken, and the others are served.
    const refusal = isNewer(error) ? Promise.reject(error) : parts.store.head(control.ledger);
    await refusal.catch((reason: unknown) => {
      close();
      throw reason;
    });
  });
  return {
    find(environment) {
      const found = live.get(environment);
      if (found !== undefined) return found;
      if (environmentsOf(control).has(environment)) throw notOpen(environment);
      throw new PennonError('NOT_FOUND', `environment "${environment}" does not exist`);
    },
    all: () => live.all().toSorted((a, b) => (a.environment < b.environment ? -1 : 1)),
    settled: () => settling.last().catch(() => undefined),
    trouble: settling.trouble,
    close,
  };
};

type Environments = ReadonlyMap<string, EnvironmentRecord>;

/** The live flag sets that are open, by the key of their environment. */
const openCollection = (parts: ReplicaParts) => {
  const open = new Map<string, LiveFlagSet>();
  let closed = false;

  const discard = (live: LiveFlagSet) => {
    live.close();
    parts.copies?.remove(live.replica.ledger);
  };

  const closeGone = (wanted: Environments) => {
    for (const [key, live] of open) {
      if (wanted.has(key)) continue;
      open.delete(key);
      discard(live);
    }
  };

  /** An environment whose data was begun anew is served as it was until the new data are there. */
  const openOne = async (environment: EnvironmentRecord) => {
    const replica = await openReplica(parts, flagSetLedger(environment));
    if (closed) return replica.close();
    const before = open.get(environment.key);
    open.set(environment.key, openLiveFlagSet(environment.key, replica));
    if (before !== undefined) discard(before);
  };

  const isOpen = ({ key, ledger }: EnvironmentRecord) =>
    open.get(key)?.replica.ledger.id === ledger;

  return {
    get: (environment: string) => open.get(environment),
    all: () => [...open.values()],
    /** Opens what can be opened: no environment waits for another. Throws where one could not be. */
    async become(wanted: Environments): Promise<void> {
      closeGone(wanted);
      const missing = [...wanted.values()].filter(each => !isOpen(each) && !closed);
      const outcomes = await Promise.allSettled(missing.map(openOne));
      const reasons = outcomes.flatMap((each): unknown[] =>
        each.status === 'rejected' ? [each.reason] : [],
      );
      if (reasons.length > 0) throw reasons.find(isNewer) ?? reasons[0];
    },
    close() {
      closed = true;
      for (const live of open.values()) live.close();
    },
  };
};

/** Makes one attempt after the other, and another by itself a moment after one that failed. */
const openSettling = ({ clock, onTrouble }: ReplicaParts, attempt: () => Promise<void>) => {
  let last: Promise<void> = Promise.resolve();
  let cancelRetry: (() => void) | undefined;
  let trouble: Trouble | undefined;
  let closed = false;

  const begin = () => {
    last = last.catch(() => undefined).then(attempt);
    last.then(() => (trouble = undefined), retry);
  };
  const retry = (error: unknown) => {
    if (closed) return;
    const message = `an environment could not be opened: ${String(error)}`;
    if (message !== trouble?.message) onTrouble(message);
    trouble = { since: trouble?.since ?? clock.now(), message };
    cancelRetry ??= clock.after(RETRY_MS, () => {
      cancelRetry = undefined;
      begin();
    });
  };

  return {
    begin,
    last: () => last,
    trouble: () => trouble,
    close() {
      closed = true;
      cancelRetry?.();
    },
  };
};

const isNewer = (error: unknown): boolean =>
  error instanceof StoreError && error.trouble === 'newer';

const environmentsOf = (control: Replica<'control'>): Environments =>
  new Map(
    [...control.current().records.environments].map(([key, stored]) => [key, stored.document]),
  );

const notOpen = (environment: string): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    `environment "${environment}" is there, but its data could not be read yet`,
    { retryAfterSeconds: 1 },
  );
