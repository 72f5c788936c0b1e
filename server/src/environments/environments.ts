import { Environment, type EnvironmentCreate, type EnvironmentPatch } from '@pennon/schema';

import type { AuditedChange } from '../audit/record.ts';
import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf, requireAllEnvironments } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { describeEnvironments, PennonError } from '../errors.ts';
import type { Registry } from '../flag-set/registry.ts';
import { flagSetLedger } from '../flag-set/registry.ts';
import type { FlagSetSize } from '../flag-set/size.ts';
import type { Random } from '../random.ts';
import type { Replica } from '../replication/replica.ts';
import { differences } from '../resources/differences.ts';
import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import type { EnvironmentDocument, Snapshot, Store } from '../store/store.ts';
import { StoreError } from '../store/store.ts';

export type EnvironmentServices = {
  readonly store: Store;
  readonly control: Replica<'control'>;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: FlagSetSize;
};

const LEDGER_ID_LENGTH = 16;

/** Returns the document of a new environment. The random id of its ledger is never used again. */
export const newEnvironment = (
  input: EnvironmentCreate,
  createdAt: number,
  random: Random,
): EnvironmentDocument => ({
  ...merged({ createdAt: formatInstant(createdAt) }, input),
  ledger: random(LEDGER_ID_LENGTH),
});

/** Returns an environment with the fields of a patch; null removes one. */
const merged = (current: Partial<Environment>, patch: EnvironmentPatch): Environment =>
  parseOrThrow(Environment, mergePatch(current, patch, {}));

/** Creates the empty flag set of an environment that is not in the control ledger yet. */
export const createLedger = async (
  store: Store,
  environment: EnvironmentDocument,
): Promise<void> => {
  await store.commit(flagSetLedger(environment), { expect: 'none', writes: {}, audit: [] });
};

/**
 * Creates an environment with an empty flag set. The flag set is written before the document that names
 * it, so an environment never refers to missing data.
 */
export const createEnvironment = async (
  services: EnvironmentServices,
  caller: Caller,
  input: EnvironmentCreate,
): Promise<Environment> => {
  const { store, control, registry, clock, random } = services;
  requireAllEnvironments(caller, 'creating an environment');
  await control.refresh();
  requireUnusedKey(control.current(), input.key);
  const document = newEnvironment(input, clock.now(), random);
  await createLedger(store, document);
  await writeEnvironment(services, caller, document);
  await registry.whenReady();
  return toEnvironment(document);
};

const writeEnvironment = async (
  { store, control, clock }: EnvironmentServices,
  caller: Caller,
  document: EnvironmentDocument,
): Promise<void> => {
  try {
    await control.write(snapshot => {
      requireUnusedKey(snapshot, document.key);
      return {
        writes: { environments: new Map([[document.key, document]]) },
        audit: [auditDraft(caller, clock.now(), environmentCreated(document))],
        result: () => undefined,
      };
    });
  } catch (error) {
    // After a StoreError the document may have been written, so its data must stay.
    if (!(error instanceof StoreError)) await store.drop(flagSetLedger(document));
    throw error;
  }
};

/** Changes the given fields of an environment: undefined leaves a field as it is, null removes it. */
export const updateEnvironment = async (
  { control, clock }: Pick<EnvironmentServices, 'control' | 'clock'>,
  caller: Caller,
  patch: EnvironmentPatch,
): Promise<Environment> => {
  const key = environmentOf(caller, patch.key);
  return control.write(({ records }) => {
    const current = records.environments.get(key)?.document;
    if (current === undefined) throw environmentNotFound(key, records);
    const before = toEnvironment(current);
    const after = merged(before, patch);
    if (isSameEnvironment(before, after)) return { writes: {}, audit: [], result: () => before };
    const change = { action: 'environment.update', environment: key, key, before, after } as const;
    return {
      writes: { environments: new Map([[key, { ...after, ledger: current.ledger }]]) },
      audit: [auditDraft(caller, clock.now(), change)],
      result: () => after,
    };
  });
};

/** Whether two environments have the same fields; null is the same as absent. */
export const isSameEnvironment = (before: Environment, after: Environment): boolean =>
  differences(before, after, []).length === 0;

export const environmentNotFound = (
  key: string,
  { environments }: Snapshot<'control'>['records'],
): PennonError =>
  new PennonError(
    'NOT_FOUND',
    `environment "${key}" does not exist${describeEnvironments(key, [...environments.keys()])}`,
  );

/** Removes the ledger id from a stored environment. */
export const toEnvironment = ({
  ledger: _ledger,
  ...environment
}: EnvironmentDocument): Environment => environment;

export const environmentCreated = (document: EnvironmentDocument): AuditedChange => ({
  action: 'environment.create',
  environment: document.key,
  key: document.key,
  before: null,
  after: toEnvironment(document),
});

const requireUnusedKey = ({ records }: Snapshot<'control'>, key: string): void => {
  if (!records.environments.has(key)) return;
  throw new PennonError('CONFLICT', `environment "${key}" already exists: choose another key`);
};
