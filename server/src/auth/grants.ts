import type { Grant, Group, Role } from '@pennon/schema';

import type { PersonDocument, TokenDocument } from '../store/store.ts';
import { limitedTo, type Grants } from './caller.ts';
import { higherRole, lowerRole } from './permissions.ts';

/** People and groups by their keys, as the control ledger has them. */
type ControlRecords = {
  readonly people: ReadonlyMap<string, { readonly document: PersonDocument }>;
  readonly groups: ReadonlyMap<string, { readonly document: Group }>;
};

/** Returns the roles of a person: the highest of their own and of those of their groups. */
export const grantsOf = ({ groups }: ControlRecords, person: PersonDocument): Grants => {
  const all = new Map<string, Role>();
  const add = ({ environment, role }: Grant) =>
    all.set(environment, higherRole(all.get(environment), role));
  for (const grant of person.grants) add(grant);
  for (const { document } of groups.values())
    if (isMember(document, person)) for (const grant of document.grants) add(grant);
  return all;
};

/** Whether a person is in a group: as one of its members, or by a group that their provider of OIDC has put them in. */
const isMember = ({ members, claims }: Group, person: PersonDocument): boolean =>
  members.includes(person.id) || claims.some(claim => person.claims?.includes(claim) === true);

/** Returns the roles of a personal token: in each environment the lower one of its own and of its person's. */
export const grantsOfToken = (records: ControlRecords, token: TokenDocument): Grants => {
  const person = activePerson(records, token.person);
  const held = person === undefined ? new Map<string, Role>() : grantsOf(records, person);
  const reached = limitedTo(held, token.environment);
  return new Map(
    Array.from(reached, ([environment, role]) => [environment, lowerRole(role, token.role)]),
  );
};

/** Returns a person who may sign in. */
export const activePerson = (
  { people }: ControlRecords,
  id: string,
): PersonDocument | undefined => {
  const person = people.get(id)?.document;
  return person?.state === 'active' ? person : undefined;
};
