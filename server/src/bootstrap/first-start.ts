import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft, SYSTEM } from '../audit/record.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { createLedger, environmentCreated, newEnvironment } from '../environments/environments.ts';
import { flagSetLedger } from '../flag-set/registry.ts';
import { hashSecret } from '../auth/authenticate.ts';
import { keyCreated } from '../api-keys/api-keys.ts';
import { ADMIN_KEY_ID } from '../auth/key-id.ts';
import type { Random } from '../random.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyDocument, Store } from '../store/store.ts';
import { CONTROL_LEDGER, storeErrorCode } from '../store/store.ts';

/** The environments in a new installation. */
const INITIAL_ENVIRONMENTS = ['development', 'production'];

const adminKeyDocument = (secret: string, createdAt: number): KeyDocument => ({
  id: ADMIN_KEY_ID,
  name: 'admin',
  role: 'admin',
  environment: ALL_ENVIRONMENTS,
  createdAt: formatInstant(createdAt),
  hash: hashSecret(secret),
});

/**
 * Creates the control ledger with the initial environments and the admin key, in one commit. If another
 * server was first, keeps its data and removes ours. So it does if the commit is refused, because a running server
 * has marked the store as the one that lost its data: the next attempt creates environments of its own.
 */
export const initializeStore = async (
  { store, clock, random }: { store: Store; clock: Clock; random: Random },
  adminKey: string,
): Promise<void> => {
  const now = clock.now();
  const environments = INITIAL_ENVIRONMENTS.map(key => newEnvironment({ key }, now, random));
  for (const environment of environments) await createLedger(store, environment);
  const removeEnvironments = async () => {
    for (const environment of environments) await store.drop(flagSetLedger(environment));
  };
  const admin = adminKeyDocument(adminKey, now);
  const commit = store.commit(CONTROL_LEDGER, {
    expect: 'none',
    writes: {
      environments: new Map(environments.map(environment => [environment.key, environment])),
      keys: new Map([[admin.id, admin]]),
    },
    audit: [
      ...environments.map(each => auditDraft(SYSTEM, now, environmentCreated(each))),
      auditDraft(SYSTEM, now, keyCreated(admin)),
    ],
  });
  const { committed } = await commit.catch(async (error: unknown) => {
    if (storeErrorCode(error) === 'missing') await removeEnvironments();
    throw error;
  });
  if (!committed) await removeEnvironments();
};

/** Makes this secret the admin key. The previous one stops working. */
export const setAdminKey = (
  control: Replica<'control'>,
  clock: Clock,
  secret: string,
): Promise<void> =>
  control.write(({ records }) => {
    const before = records.keys.get(ADMIN_KEY_ID)?.document;
    const after = adminKeyDocument(secret, clock.now());
    if (before?.hash === after.hash) return { writes: {}, audit: [], result: () => undefined };
    return {
      writes: { keys: new Map([[ADMIN_KEY_ID, after]]) },
      audit: [auditDraft(SYSTEM, clock.now(), keyCreated(after, before))],
      result: () => undefined,
    };
  });
