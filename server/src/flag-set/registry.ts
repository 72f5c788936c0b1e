import { errorMessage } from '../error-message.ts';
import { describeEnvironments, PennonError } from '../errors.ts';
import type { Turns } from '../turns.ts';
import { affectedPart, type Outage } from '../replication/outage.ts';
import type { Replica, ReplicaDeps } from '../replication/replica.ts';
import { openReplica } from '../replication/replica.ts';
import type { EnvironmentDocument, Ledger } from '../store/store.ts';
import { storeErrorCode } from '../store/store.ts';
import type { LiveFlagSet } from './live-flag-set.ts';
import { withinBounds } from './bounds.ts';
import { withFixedDesigns } from './fixed-designs.ts';
import { openLiveFlagSet, prepareView } from './live-flag-set.ts';
import type { FlagSetSize } from './size.ts';
import { keepWarm } from './warm-up.ts';

/** How long to wait before trying again to open environments that failed to open. */
const RETRY_MS = 1_000;

/** The live flag set of every environment, opened and closed as environments are created and removed. */
export type Registry = {
  /** Returns the live flag set. Throws NOT_FOUND if the environment does not exist. */
  find(environment: string): LiveFlagSet;
  all(): readonly LiveFlagSet[];
  /** Resolves once every environment of the control ledger is open or has failed to open. */
  whenReady(): Promise<void>;
  /** Set while an environment cannot be opened. */
  outage(): Outage | undefined;
  close(): void;
};

export const flagSetLedger = (environment: EnvironmentDocument): Ledger<'flagSet'> => ({
  kind: 'flagSet',
  id: environment.ledger,
});

/** What people keep beside the flag set of an environment. It is created with the first document in it. */
export const workflowLedger = ({
  ledger,
}: Pick<EnvironmentDocument, 'ledger'>): Ledger<'workflow'> => ({ kind: 'workflow', id: ledger });

/** `limits` are the bounds of each flag set. */
export type RegistryDeps = ReplicaDeps & {
  readonly limits: FlagSetSize;
  readonly turns: Turns;
};

export const openRegistry = async (
  deps: RegistryDeps,
  control: Replica<'control'>,
): Promise<Registry> => {
  const liveFlagSets = createLiveFlagSets(deps, control);
  const loop = createUpdateLoop(deps, () => liveFlagSets.update(environmentsOf(control)));
  const unsubscribe = control.subscribe(loop.run);
  const close = () => {
    unsubscribe();
    loop.close();
    liveFlagSets.close();
  };
  loop.run();
  try {
    await loop.whenIdle();
  } catch (error) {
    const reason = isNewerFormat(error) ? error : await errorOf(deps.store.head(control.ledger));
    // If the store is available, only this environment is broken, and the others are served.
    if (reason !== undefined) {
      close();
      throw reason;
    }
  }
  return {
    find(environment) {
      const found = liveFlagSets.get(environment);
      if (found !== undefined) return found;
      if (environmentsOf(control).has(environment)) throw notOpen(environment);
      throw new PennonError('NOT_FOUND', `environment "${environment}" does not exist`, {
        environments: describeEnvironments(environment, [...environmentsOf(control).keys()]),
      });
    },
    all: () => liveFlagSets.all().toSorted((a, b) => (a.environment < b.environment ? -1 : 1)),
    whenReady: () => loop.whenIdle().catch(() => undefined),
    outage: loop.outage,
    close,
  };
};

type Environments = ReadonlyMap<string, EnvironmentDocument>;

/** The open live flag sets, by environment key. */
const createLiveFlagSets = (deps: RegistryDeps, control: Replica<'control'>) => {
  const open = new Map<string, LiveFlagSet>();
  let isClosed = false;

  const closeRemoved = (environments: Environments) => {
    for (const [key, live] of open) {
      if (environments.has(key)) continue;
      open.delete(key);
      discard(deps, live);
    }
  };

  /** If the environment was created again, the old flag set is served until the new one is open. */
  const openOne = async (environment: EnvironmentDocument) => {
    const opened = await openReplica(deps, flagSetLedger(environment));
    const replica = withFixedDesigns(withinBounds(environment.key, opened, deps.limits));
    const view = await prepareView(environment.key, replica);
    if (isClosed) return replica.close();
    const previous = open.get(environment.key);
    const live = openLiveFlagSet(environment.key, replica, control, view);
    keepWarm(live, deps.turns);
    open.set(environment.key, live);
    if (previous !== undefined) discard(deps, previous);
  };

  const isOpen = ({ key, ledger }: EnvironmentDocument) =>
    open.get(key)?.replica.ledger.id === ledger;

  return {
    get: (environment: string) => open.get(environment),
    all: () => [...open.values()],
    /** Opens and closes flag sets to match `environments`. Throws if some could not be opened. */
    async update(environments: Environments): Promise<void> {
      closeRemoved(environments);
      const missing = [...environments.values()].filter(each => !isOpen(each) && !isClosed);
      await settleAll(missing.map(openOne));
    },
    close() {
      isClosed = true;
      for (const live of open.values()) live.close();
    },
  };
};

const discard = ({ snapshotFiles }: ReplicaDeps, live: LiveFlagSet): void => {
  live.close();
  snapshotFiles?.remove(live.replica.ledger);
};

/** Waits for all promises. Throws if one rejects; a newer format, which no retry can read, comes first. */
const settleAll = async (promises: readonly Promise<unknown>[]): Promise<void> => {
  const outcomes = await Promise.allSettled(promises);
  const errors = outcomes.flatMap((each): unknown[] =>
    each.status === 'rejected' ? [each.reason] : [],
  );
  if (errors.length > 0) throw errors.find(isNewerFormat) ?? errors[0];
};

/** Reports an outage while environments cannot be opened. */
const createOpenOutage = ({ clock, reportOutage }: ReplicaDeps) => {
  let outage: (Outage & { readonly reportEnd: () => void }) | undefined;
  return {
    current: () => outage,
    /** Starts the outage, or reports its new reason. */
    start(error: unknown) {
      const reason = `an environment could not be opened: ${errorMessage(error)}`;
      if (reason === outage?.reason) return;
      const since = outage?.since ?? clock.monotonic();
      outage?.reportEnd();
      const reportEnd = reportOutage({ reason, part: affectedPart(error) });
      outage = { since, reason, code: storeErrorCode(error), reportEnd };
    },
    end: () => {
      outage?.reportEnd();
      outage = undefined;
    },
  };
};

/** Runs `update` on request, one run at a time, and again after a delay if it failed. */
const createUpdateLoop = (deps: ReplicaDeps, update: () => Promise<void>) => {
  const outage = createOpenOutage(deps);
  let lastRun: Promise<void> = Promise.resolve();
  let cancelRetry: (() => void) | undefined;
  let isClosed = false;

  const fail = (error: unknown) => {
    if (isClosed) return;
    outage.start(error);
    cancelRetry ??= deps.clock.after(RETRY_MS, () => {
      cancelRetry = undefined;
      run();
    });
  };

  const run = () => {
    lastRun = lastRun.catch(() => undefined).then(update);
    lastRun.then(outage.end, fail);
  };

  return {
    run,
    whenIdle: () => lastRun,
    outage: outage.current,
    close() {
      isClosed = true;
      cancelRetry?.();
      outage.end();
    },
  };
};

/** Returns why a promise rejects, or undefined when it does not. */
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const isNewerFormat = (error: unknown): boolean => storeErrorCode(error) === 'newer';

const environmentsOf = (control: Replica<'control'>): Environments =>
  new Map(
    [...control.current().records.environments].map(([key, stored]) => [key, stored.document]),
  );

const notOpen = (environment: string): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    `environment "${environment}" exists, but its data could not be read yet; try again`,
    { retryAfterSeconds: 1 },
  );
