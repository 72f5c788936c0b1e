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
  let closed = false;

  const closeGone = (wanted: ReadonlyMap<string, EnvironmentRecord>) => {
    for (const [key, live] of open) {
      if (wanted.get(key)?.ledger === live.replica.ledger.id) continue;
      open.delete(key);
      live.close();
      parts.copies?.remove(live.replica.ledger);
    }
  };

  const openOne = async (environment: EnvironmentRecord) => {
    const replica = await openReplica(parts, flagSetLedger(environment));
    open.set(environment.key, openLiveFlagSet(environment.key, replica));
  };

  const follow = async () => {
    const wanted = environmentsOf(control);
    closeGone(wanted);
    for (const environment of wanted.values()) {
      if (!open.has(environment.key) && !closed) await openOne(environment);
    }
  };

  const settle = () => {
    settling = settling.then(follow).catch(error => {
      parts.onTrouble(`an environment could not be opened: ${String(error)}`);
      parts.clock.after(RETRY_MS, settle);
    });
  };
  const stop = control.subscribe(settle);

  const close = () => {
    closed = true;
    stop();
    for (const live of open.values()) live.close();
  };
  try {
    await follow();
  } catch (error) {
    close();
    throw error;
  }

  return {
    find(environment) {
      const live = open.get(environment);
      if (live !== undefined) return live;
      throw new PennonError('NOT_FOUND', `environment "${environment}" does not exist`);
    },
    all: () => [...open.values()],
    settled: () => settling,
    close,
  };
};

const environmentsOf = (control: Replica<'control'>): ReadonlyMap<string, EnvironmentRecord> =>
  new Map(
    [...control.current().records.environments].map(([key, stored]) => [key, stored.document]),
  );
