import { PennonError } from '../errors.ts';
import type { Replica, ReplicaParts } from '../replica/replica.ts';
import { openReplica } from '../replica/replica.ts';
import type { EnvironmentRecord, Ledger } from '../store/store.ts';
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
  const open = new Map<string, LiveFlagSet>();
  let settling: Promise<void> = Promise.resolve();
  let retrying: (() => void) | undefined;
  let said: string | undefined;
  let closed = false;

  const closeLive = (live: LiveFlagSet) => {
    live.close();
    parts.copies?.remove(live.replica.ledger);
  };

  const closeGone = (wanted: ReadonlyMap<string, EnvironmentRecord>) => {
    for (const [key, live] of open) {
      if (wanted.has(key)) continue;
      open.delete(key);
      closeLive(live);
    }
  };

  /** An environment whose data was begun anew is served as it was until the new data are there. */
  const openOne = async (environment: EnvironmentRecord) => {
    const replica = await openReplica(parts, flagSetLedger(environment));
    if (closed) return replica.close();
    const before = open.get(environment.key);
    open.set(environment.key, openLiveFlagSet(environment.key, replica));
    if (before !== undefined) closeLive(before);
  };

  const isOpen = ({ key, ledger }: EnvironmentRecord) =>
    open.get(key)?.replica.ledger.id === ledger;

  /** Opens what can be opened: no environment waits for another. Throws where one could not be. */
  const follow = async () => {
    const wanted = environmentsOf(control);
    closeGone(wanted);
    const missing = [...wanted.values()].filter(each => !isOpen(each) && !closed);
    for (const outcome of await Promise.allSettled(missing.map(openOne)))
      if (outcome.status === 'rejected') throw outcome.reason;
  };

  const settle = () => {
    settling = settling.catch(() => undefined).then(follow);
    settling.then(() => (said = undefined), retry);
  };
  const retry = (error: unknown) => {
    if (closed) return;
    const message = `an environment could not be opened: ${String(error)}`;
    if (message !== said) parts.onTrouble(message);
    said = message;
    retrying ??= parts.clock.after(RETRY_MS, () => {
      retrying = undefined;
      settle();
    });
  };
  const stop = control.subscribe(settle);

  const close = () => {
    closed = true;
    retrying?.();
    stop();
    for (const live of open.values()) live.close();
  };
  settle();
  await settling.catch(async () => {
    // Where the store answers, it is this environment that is broken, and the others are served.
    await parts.store.head(control.ledger).catch((away: unknown) => {
      close();
      throw away;
    });
  });

  return {
    find(environment) {
      const live = open.get(environment);
      if (live !== undefined) return live;
      if (environmentsOf(control).has(environment)) throw notOpen(environment);
      throw new PennonError('NOT_FOUND', `environment "${environment}" does not exist`);
    },
    all: () => [...open.values()].toSorted((a, b) => (a.environment < b.environment ? -1 : 1)),
    settled: () => settling.catch(() => undefined),
    close,
  };
};

const environmentsOf = (control: Replica<'control'>): ReadonlyMap<string, EnvironmentRecord> =>
  new Map(
    [...control.current().records.environments].map(([key, stored]) => [key, stored.document]),
  );

const notOpen = (environment: string): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    `environment "${environment}" is there, but its data could not be read yet`,
    { retryAfterSeconds: 1 },
  );
