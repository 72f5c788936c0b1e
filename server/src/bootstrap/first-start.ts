import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { createLedger, environmentCreated, newEnvironment } from '../environments/environments.ts';
import { flagSetLedger } from '../flag-set/registry.ts';
import { hashSecret } from '../auth/authenticate.ts';
import { keyCreated } from '../api-keys/api-keys.ts';
import type { Random } from '../random.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyRecord, Store } from '../store/store.ts';
import { CONTROL_LEDGER } from '../store/store.ts';

/** The environments that empty data begins with. */
const FIRST_ENVIRONMENTS = ['development', 'production'];

/** The server itself, where it and no key makes a change. */
const SYSTEM = { keyId: 'system', name: 'system', onBehalfOf: undefined };

/** The key of PENNON_ADMIN_KEY, or of the first start, always has this id. */
export const ADMIN_ID = 'admin';

const adminRecord = (secret: string, at: number): KeyRecord => ({
  id: ADMIN_ID,
  name: 'admin',
  role: 'admin',
  environment: ALL_ENVIRONMENTS,
  createdAt: formatInstant(at),
  hash: hashSecret(secret),
});

/**
 * Makes the control ledger with the first environments and the admin key, all in one commit. Where
 * another server was first, its data stands and ours is removed. Answers whether this call made it.
 */
export const createControl = async (
  { store, clock, random }: { store: Store; clock: Clock; random: Random },
  adminKey: string,
): Promise<boolean> => {
  const now = clock.now();
  const environments = FIRST_ENVIRONMENTS.map(key => newEnvironment({ key }, now, random));
  for (const environment of environments) await createLedger(store, environment);
  const admin = adminRecord(adminKey, now);
  const outcome = await store.commit(CONTROL_LEDGER, {
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
  if (!outcome.committed) {
    for (const environment of environments) await store.drop(flagSetLedger(environment));
  }
  return outcome.committed;
};

/** Makes this secret the admin key, in place of the one set before. */
export const setAdminKey = (
  control: Replica<'control'>,
  clock: Clock,
  secret: string,
): Promise<void> =>
  control.write(({ records }) => {
    const before = records.keys.get(ADMIN_ID)?.document;
    const after = adminRecord(secret, clock.now());
    if (before?.hash === after.hash) return { writes: {}, audit: [], result: () => undefined };
    return {
      writes: { keys: new Map([[ADMIN_ID, after]]) },
      audit: [auditDraft(SYSTEM, clock.now(), keyCreated(after, before))],
      result: () => undefined,
    };
  });
