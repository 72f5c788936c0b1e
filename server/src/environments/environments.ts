import type { Environment, EnvironmentCreate } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';
import { shown } from '../api-keys/api-keys.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor, pageOf } from '../page.ts';
import type { Random } from '../random.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { EnvironmentRecord, Snapshot, Store } from '../store/store.ts';
import { isTransient, StoreError } from '../store/store.ts';
import type { Registry } from '../flag-set/registry.ts';
import { flagSetLedger } from '../flag-set/registry.ts';

export type EnvironmentParts = {
  readonly store: Store;
  readonly control: Replica<'control'>;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
};

const LEDGER_ID_LENGTH = 16;

/** A record for a new environment. Its ledger's random name is never used again. */
export const newEnvironment = (
  input: EnvironmentCreate,
  at: number,
  random: Random,
): EnvironmentRecord => ({
  key: input.key,
  ...(input.description == null ? {} : { description: input.description }),
  createdAt: formatInstant(at),
  ledger: random(LEDGER_ID_LENGTH),
});

/** Makes the empty flag set of an environment that nobody knows yet. */
export const createLedger = async (store: Store, environment: EnvironmentRecord): Promise<void> => {
  await store.commit(flagSetLedger(environment), { expect: 'none', writes: {}, audit: [] });
};

/** Creates an environment with an empty flag set. The data comes first, then the name for it. */
export const createEnvironment = async (
  { store, control, registry, clock, random }: EnvironmentParts,
  caller: Caller,
  input: EnvironmentCreate,
): Promise<Environment> => {
  requireAllEnvironments(caller, 'creating an environment');
  await control.refresh();
  refuseExisting(control.current(), input.key);
  const now = clock.now();
  const record = newEnvironment(input, now, random);
  await createLedger(store, record);
  const created = await control
    .write(snapshot => {
      refuseExisting(snapshot, input.key);
      const after = publicOf(record);
      return {
        writes: { environments: new Map([[record.key, record]]) },
        audit: [auditDraft(caller, now, 'environment.create', record.key, record.key, null, after)],
        result: () => after,
      };
    })
    .catch(async (error: unknown) => {
      // Where it is not known whether the name was made, the data must stay: the name may be there.
      if (!(error instanceof StoreError)) await store.drop(flagSetLedger(record));
      throw error;
    });
  await registry.settled();
  return created;
};

/** The environments that the caller's key reaches, by key. */
export const listEnvironments = (
  control: Replica<'control'>,
  caller: Caller,
  query: PageQuery,
): Page<Environment> => {
  const all = [...control.current().records.environments.values()]
    .map(({ document }) => publicOf(document))
    .filter(({ key }) => caller.environment === ALL_ENVIRONMENTS || caller.environment === key);
  const cursors = cursorsFor(cursorSecret(control), ['environments', caller.environment]);
  return pageOf(all, ({ key }) => key, cursors, query);
};

/** Removes an environment with its flag set and its keys; their streams end. */
export const deleteEnvironment = async (
  { store, control, registry, clock }: EnvironmentParts,
  caller: Caller,
  key: string,
): Promise<void> => {
  requireAllEnvironments(caller, 'deleting an environment');
  const removed = await control.write(({ records }) => {
    const record = records.environments.get(key)?.document;
    if (record === undefined)
      throw new PennonError('NOT_FOUND', `environment "${key}" does not exist`);
    const now = clock.now();
    const keys = [...records.keys.values()]
      .map(({ document }) => document)
      .filter(({ environment }) => environment === key);
    return {
      writes: {
        environments: new Map([[key, null]]),
        keys: new Map(keys.map(({ id }) => [id, null])),
      },
      audit: [
        auditDraft(caller, now, 'environment.delete', key, key, publicOf(record), null),
        ...keys.map(gone => auditDraft(caller, now, 'key.delete', key, gone.id, shown(gone), null)),
      ],
      result: () => record,
    };
  });
  await registry.settled();
  // It is gone with its name; what may stay behind is data that nobody can find any more.
  await store.drop(flagSetLedger(removed)).catch((error: unknown) => {
    if (!isTransient(error)) throw error;
  });
};

/** An environment without the name of its ledger. */
export const publicOf = ({ ledger: _ledger, ...environment }: EnvironmentRecord): Environment =>
  environment;

const refuseExisting = ({ records }: Snapshot<'control'>, key: string): void => {
  if (!records.environments.has(key)) return;
  throw new PennonError('CONFLICT', `environment "${key}" exists already`);
};
