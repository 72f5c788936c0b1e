import type { Grant, Person } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import type { AuditedChange } from '../audit/record.ts';
import { requireAllEnvironments, type Caller } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import type { SignInSettings } from '../config.ts';
import { describeEnvironments, invalid } from '../errors.ts';
import type { Random } from '../random.ts';
import type { Replica } from '../replication/replica.ts';
import type { PersonDocument, Snapshot } from '../store/store.ts';

/** What the use cases of people, groups and invitations share. */
export type PeopleServices = {
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly basePath: string;
  readonly signIn: SignInSettings;
};

export type ControlRecords = Snapshot<'control'>['records'];

/** Throws FORBIDDEN unless the caller is an admin of all environments. */
export const requireManagesPeople = (caller: Caller): void =>
  requireAllEnvironments(caller, 'managing people');

/** Returns a stored person as the API does, without the hash of the password and the subject. */
export const toPerson = ({ password, subject, ...person }: PersonDocument): Person => ({
  ...person,
  hasPassword: password !== undefined,
  ...(subject === undefined ? {} : { issuer: subject.issuer }),
});

/** Throws BAD_REQUEST if a grant is for an environment that does not exist. */
export const requireEnvironmentsOf = (
  { environments }: ControlRecords,
  grants: readonly Grant[],
): void => {
  const known = [...environments.keys()];
  const details = grants.flatMap(({ environment }, at) =>
    environment === ALL_ENVIRONMENTS || environments.has(environment)
      ? []
      : [
          {
            path: `grants.${at}.environment`,
            message: `must be an environment that exists, and "${environment}" does not${describeEnvironments(environment, known)}`,
          },
        ],
  );
  if (details.length > 0) throw invalid(details);
};

/** Returns the audited change of something that belongs to the whole installation. */
export const changeOf = (
  action: AuditedChange['action'],
  key: string,
  before: object | null,
  after: object | null,
): AuditedChange => ({ action, environment: ALL_ENVIRONMENTS, key, before, after });
