import type { Environment, EnvironmentCreate } from '@pennon/schema';

import type { AuditedChange } from '../audit/record.ts';
import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Registry } from '../flag-set/registry.ts';
import { flagSetLedger } from '../flag-set/registry.ts';
import type { FlagSetSize } from '../flag-set/size.ts';
import type { Random } from '../random.ts';
import type { Replica } from '../replication/replica.ts';
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
  key: input.key,
  ...(input.description == null ? {} : { description: input.description }),
  createdAt: formatInstant(createdAt),
  ledger: random(LEDGER_ID_LENGTH),
});

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
