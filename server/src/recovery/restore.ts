import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { requireAllEnvironments, type Caller } from '../auth/caller.ts';
import { pause, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { flagSetLedger, workflowLedger } from '../flag-set/registry.ts';
import type { Services } from '../services.ts';
import type { Random } from '../random.ts';
import { versionOf } from '../resources/plan.ts';
import { epochOf } from '../store/change-id.ts';
import type {
  AuditDraft,
  Copies,
  EnvironmentDocument,
  Ledger,
  LedgerKind,
  Recovery,
  Snapshot,
  Store,
} from '../store/store.ts';
import { CONTROL_LEDGER, storeErrorCode } from '../store/store.ts';
import { copiesOf, headsOf, installationOf, newestOf } from './copies.ts';

export type RestoreOptions = {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** The copies that are at hand. Running servers send newer ones. */
  readonly copies: Copies;
  readonly actor: Parameters<typeof auditDraft>[0];
  /** Whether to remove another installation that was begun on the store in the meantime. */
  readonly overwrite: boolean;
};

export type RestoreReport = {
  environments: {
    key: string;
    /** `missing` if no server has a copy, `present` if the store had not lost it. */
    outcome: 'restored' | 'present' | 'missing';
    flags: number;
    segments: number;
  }[];
  keys: number;
  /** What cannot be restored, because servers have no copies of it. */
  lost: string[];
};

/** Restores lost data at the request of a caller. The server itself has copies. */
export const restoreData = async (
  services: Pick<Services, 'store' | 'control' | 'registry' | 'clock' | 'random'>,
  caller: Caller,
  { overwrite = false }: { readonly overwrite?: boolean | undefined },
): Promise<RestoreReport> => {
  requireAllEnvironments(caller, 'restoring lost data');
  const copies = copiesOf(services);
  const report = await restoreFromCopies({ ...services, copies, actor: caller, overwrite });
  await services.control.refresh();
  await services.registry.whenReady();
  return report;
};

/**
 * Brings back what a shared store has lost, from the newest copies of all running servers. The control ledger
 * is restored last: until then no environment can be found in the store, so an interrupted restore can be
 * repeated.
 */
export const restoreFromCopies = async (options: RestoreOptions): Promise<RestoreReport> => {
  const { store, overwrite } = options;
  const { recovery } = store;
  if (recovery === undefined) throw nothingLost();
  const stored = await readIntact(store, CONTROL_LEDGER);
  const installation = await lostInstallation(options, recovery, stored);
  const isReplaced = stored !== undefined && epochOf(stored.id) !== installation;
  if (isReplaced && !overwrite) throw otherInstallation();
  if (stored !== undefined && !isReplaced) await requireLoss(store, stored);
  const copies = await collectCopies(options, recovery, installation);
  const control = isReplaced ? copies.control : (stored ?? copies.control);
  if (control === undefined) throw noCopy();
  if (isReplaced) await removeInstallation(store, recovery, stored);
  await recovery.setRemoved(installation, false);
  return restoreLedgers(options, recovery, { ...copies, control });
};

/** Reads a ledger. Returns undefined if the store has lost it, or a part of it, or if it is damaged. */
const readIntact = <Kind extends LedgerKind>(
  store: Store,
  ledger: Ledger<Kind>,
): Promise<Snapshot<Kind> | undefined> =>
  store.read(ledger).catch((error: unknown) => {
    if (isLoss(error)) return undefined;
    throw error;
  });

const isLoss = (error: unknown): boolean =>
  ['missing', 'corrupt'].includes(storeErrorCode(error) ?? '');

/** Returns whether the named contexts of an environment can be read; `none` if it has no such ledger. */
const readContexts = (
  store: Store,
  environment: EnvironmentDocument,
): Promise<'intact' | 'none' | 'damaged'> =>
  store.read(workflowLedger(environment)).then(
    found => (found === undefined ? 'none' : 'intact'),
    (error: unknown) => {
      if (isLoss(error)) return 'damaged';
      throw error;
    },
  );

const nothingLost = () =>
  new PennonError('CONFLICT', 'there is nothing to restore: the store has all of its data');

const noCopy = () =>
  new PennonError(
    'CONFLICT',
    'there is nothing to restore from: no running server has a copy of lost data. Start one that has served it before, with its PENNON_DATA',
  );

const otherInstallation = () =>
  new PennonError(
    'CONFLICT',
    'the store has the data of another installation, which was begun after the loss: add ?overwrite=true to POST /api/v1/restore to remove that and restore the data of this server',
  );

const ledgersOf = ({ records }: Snapshot<'control'>): readonly EnvironmentDocument[] =>
  [...records.environments.values()].map(({ document }) => document);

const requireLoss = async (store: Store, control: Snapshot<'control'>): Promise<void> => {
  for (const environment of ledgersOf(control)) {
    if ((await readIntact(store, flagSetLedger(environment))) === undefined) return;
    if ((await readContexts(store, environment)) === 'damaged') return;
  }
  throw nothingLost();
};

const POLL_MS = 200;
/** How long the running servers may take to mark the store, and to announce newer copies. */
const SERVERS_MS = 2_000;
/** How long the announced copies may take. */
const COPIES_MS = 60_000;

const NEVER = new AbortController().signal;

/** Calls `read` until it returns a value, or the time is over. */
const poll = async <Value>(
  clock: Clock,
  ms: number,
  read: () => Promise<Value | undefined>,
): Promise<Value | undefined> => {
  const deadline = clock.monotonic() + ms;
  for (;;) {
    const value = await read();
    if (value !== undefined || clock.monotonic() >= deadline) return value;
    await pause(clock, POLL_MS, NEVER);
  }
};

/** Returns the installation of the copies at hand; without any, the one that the servers have marked as lost. */
const lostInstallation = async (
  { copies, clock }: RestoreOptions,
  recovery: Recovery,
  stored: Snapshot<'control'> | undefined,
): Promise<string> => {
  const known = installationOf(copies) ?? (stored && epochOf(stored.id));
  const installation = known ?? (await poll(clock, SERVERS_MS, () => recovery.lost()));
  if (installation === undefined) throw noCopy();
  return installation;
};

const collectCopies = async (
  { copies, clock, random }: RestoreOptions,
  recovery: Recovery,
  installation: string,
): Promise<Copies> => {
  await recovery.requestCopies({ id: random(12), installation, heads: headsOf(copies) });
  try {
    await pause(clock, SERVERS_MS, NEVER);
    const offered = await poll(clock, COPIES_MS, () => completeOffers(recovery));
    return newestOf([copies, ...(offered ?? [])]);
  } finally {
    await recovery.endRequest();
  }
};

/** Returns the copies that servers have sent; undefined while one of them is still sending. */
const completeOffers = async (recovery: Recovery): Promise<readonly Copies[] | undefined> => {
  const offers = await recovery.offers();
  const sent = offers.flatMap(({ copies }) => copies ?? []);
  return sent.length * 2 < offers.length ? undefined : sent;
};

const removeInstallation = async (
  store: Store,
  recovery: Recovery,
  control: Snapshot<'control'>,
): Promise<void> => {
  await recovery.setRemoved(epochOf(control.id) ?? '', true);
  for (const environment of ledgersOf(control)) {
    await store.drop(flagSetLedger(environment));
    await store.drop(workflowLedger(environment));
  }
  await store.drop(CONTROL_LEDGER);
};

type RestoredCopies = Copies & { readonly control: Snapshot<'control'> };

const restoreLedgers = async (
  options: RestoreOptions,
  recovery: Recovery,
  copies: RestoredCopies,
): Promise<RestoreReport> => {
  const { control } = copies;
  const environments: RestoreReport['environments'] = [];
  const withoutContexts: string[] = [];
  for (const environment of ledgersOf(control)) {
    const restored = await restoreFlagSet(options, recovery, { environment, copies });
    environments.push(restored);
    const wasLost = restored.outcome !== 'present';
    if (await removeLostContexts(options, environment, wasLost)) withoutContexts.push(restored.key);
  }
  const keys = control.records.keys.size;
  const after = { environments: environments.length, keys };
  const audit = [recovered(options, ALL_ENVIRONMENTS, after)];
  await recovery.restore(CONTROL_LEDGER, control, { versions: {}, audit });
  return { environments, keys, lost: lostParts(control, withoutContexts) };
};

const restoreFlagSet = async (
  options: RestoreOptions,
  recovery: Recovery,
  { environment, copies }: { readonly environment: EnvironmentDocument; readonly copies: Copies },
): Promise<RestoreReport['environments'][number]> => {
  const { key, ledger } = environment;
  const copy = copies.flagSets.get(ledger);
  const after = {
    flags: copy?.records.flags.size ?? 0,
    segments: copy?.records.segments.size ?? 0,
  };
  const isPresent = (await readIntact(options.store, flagSetLedger(environment))) !== undefined;
  if (isPresent || copy === undefined)
    return { key, outcome: isPresent ? 'present' : 'missing', ...after };
  const entry = recovered(options, key, after);
  await recovery.restore(flagSetLedger(environment), copy, {
    versions: versionsOf(entry, copy),
    audit: [entry],
  });
  return { key, outcome: 'restored', ...after };
};

/**
 * Removes what is left of named contexts, of which there are no copies, so that others can be saved. Returns whether
 * an environment has lost its contexts, if it had any.
 */
const removeLostContexts = async (
  { store }: RestoreOptions,
  environment: EnvironmentDocument,
  wasLost: boolean,
): Promise<boolean> => {
  const contexts = await readContexts(store, environment);
  if (contexts === 'damaged') await store.drop(workflowLedger(environment));
  return contexts === 'damaged' || (contexts === 'none' && wasLost);
};

const recovered = (
  { actor, clock }: RestoreOptions,
  environment: string,
  after: object,
): AuditDraft =>
  auditDraft(actor, clock.now(), {
    action: 'environment.recover',
    environment,
    key: environment,
    before: null,
    after,
  });

/** The current documents are the only versions of which there are copies. */
const versionsOf = (entry: AuditDraft, { records }: Snapshot<'flagSet'>) => ({
  flags: [...records.flags.values()].map(({ document }) => versionOf(entry, document)),
  segments: [...records.segments.values()].map(({ document }) => versionOf(entry, document)),
});

const lostParts = (
  { records }: Snapshot<'control'>,
  withoutContexts: readonly string[],
): string[] => [
  'what the store has lost of the audit log, and of the versions of flags and segments before the current ones',
  ...withoutContexts.map(key => `the named contexts of the environment "${key}", if it had any`),
  ...[...records.deletedEnvironments.values()]
    .filter(({ document }) => document.purgedAt === undefined)
    .map(
      ({ document }) =>
        `the flags and named contexts of the deleted environment "${document.environment.key}"`,
    ),
];
