import { ALL_ENVIRONMENTS } from '@pennon/schema';

import type { SignInSettings } from '../config.ts';
import { PennonError } from '../errors.ts';
import type { PersonDocument, Snapshot, Writes } from '../store/store.ts';
import { grantsOf } from './grants.ts';

type ControlRecords = Pick<Snapshot<'control'>['records'], 'keys' | 'people' | 'groups'>;
type Changed = Pick<Writes<'control'>, 'keys' | 'people' | 'groups'>;

/**
 * Throws CONFLICT if writes would leave no admin of all environments: a key that does not expire, or a
 * person who can sign in. A role from a group at the provider of OIDC does not count: it can end with the next sign-in.
 */
export const requireAdminAfter = (
  records: ControlRecords,
  { keys, people, groups }: Changed,
  signIn: Pick<SignInSettings, 'passwords' | 'oidc'>,
): void => {
  const after = {
    keys: afterWrites(records.keys, keys),
    people: afterWrites(records.people, people),
    groups: afterWrites(records.groups, groups),
  };
  const hasKey = [...after.keys.values()].some(
    ({ document: { role, environment, expiresAt } }) =>
      role === 'admin' && environment === ALL_ENVIRONMENTS && expiresAt == null,
  );
  const isAdmin = (person: PersonDocument) =>
    canSignIn(person, signIn) &&
    grantsOf(after, { ...person, claims: [] }).get(ALL_ENVIRONMENTS) === 'admin';
  if (hasKey || [...after.people.values()].some(({ document }) => isAdmin(document))) return;
  throw new PennonError(
    'CONFLICT',
    'this is the last admin of all environments: create another admin key, or make another person an admin, first',
  );
};

const canSignIn = (
  { state, password, subject }: PersonDocument,
  { passwords, oidc }: Pick<SignInSettings, 'passwords' | 'oidc'>,
): boolean =>
  state === 'active' &&
  ((passwords && password !== undefined) ||
    (subject !== undefined && subject.issuer === oidc?.issuer));

const afterWrites = <Document>(
  documents: ReadonlyMap<string, { readonly document: Document }>,
  writes: ReadonlyMap<string, Document | null> = new Map(),
): Map<string, { readonly document: Document }> => {
  const after = new Map(documents);
  for (const [key, document] of writes)
    if (document === null) after.delete(key);
    else after.set(key, { document });
  return after;
};
