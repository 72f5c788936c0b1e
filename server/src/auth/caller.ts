import type { Actor, Role } from '@pennon/schema';
import { ALL_ENVIRONMENTS, Key } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import type { Permission } from './permissions.ts';
import { describeRoles, hasPermission, higherRole } from './permissions.ts';

/** Roles by environment, or by `*` for all environments. */
export type Grants = ReadonlyMap<string, Role>;

/** What authenticates a caller: an API key, or the session of a browser. */
export type Credential = { readonly kind: 'key' | 'session'; readonly id: string };

/** What does not depend on the roles of a caller. */
type Identity = {
  readonly actor: Actor;
  readonly credential: Credential;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** The address of the request, or its IPv6 network: what counts as one visitor. */
  readonly visitor: string;
  /** From X-Change-Comment: why the caller makes the change. */
  readonly comment?: string | undefined;
  /** Whether its evaluations of single flags are exposures. */
  readonly exposes?: boolean | undefined;
};

/** The holder of an API key or of a session, for one request. */
export type Caller = Identity & {
  readonly grants: Grants;
  /** Returns the role in an environment, if the caller has one there. */
  readonly roleIn: (environment: string) => Role | undefined;
  /** The role in all environments, if there is one. */
  readonly everywhere: Role | undefined;
  /** Where the caller has a role: `*`, or environments in the order of their keys. */
  readonly environments: readonly string[];
};

export const createCaller = (identity: Identity, grants: Grants): Caller => {
  const everywhere = grants.get(ALL_ENVIRONMENTS);
  return {
    ...identity,
    grants,
    roleIn: environment => higherRole(grants.get(environment), everywhere),
    everywhere,
    environments: everywhere === undefined ? [...grants.keys()].toSorted() : [ALL_ENVIRONMENTS],
  };
};

/** Whether the caller has a permission in an environment. */
export const hasPermissionIn = (
  caller: Caller,
  permission: Permission,
  environment: string,
): boolean => {
  const role = caller.roleIn(environment);
  return role !== undefined && hasPermission(role, permission);
};

/** Whether the caller has a permission in one environment at least. */
export const hasPermissionAnywhere = ({ grants }: Caller, permission: Permission): boolean => {
  for (const role of grants.values()) if (hasPermission(role, permission)) return true;
  return false;
};

/** A caller of something that reads one environment and writes another, as far as it may do each. */
export type CopyCallers = { readonly caller: Caller; readonly reader: Caller };

/** Throws FORBIDDEN if the caller lacks a permission in an environment. */
export const requirePermissionIn = (
  caller: Caller,
  permission: Permission,
  environment: string,
): void => {
  if (!hasPermissionIn(caller, permission, environment)) throw lacks(caller, permission);
};

/**
 * Returns the caller without the roles that lack a permission, so that a use case can only reach environments where
 * the caller has it. Throws FORBIDDEN if no role has it.
 */
export const limitToPermission = (caller: Caller, permission: Permission): Caller => {
  if (!hasPermissionAnywhere(caller, permission)) throw lacks(caller, permission);
  if (caller.grants.size === 1) return caller;
  const grants = [...caller.grants].filter(([, role]) => hasPermission(role, permission));
  return createCaller(caller, new Map(grants));
};

/** Returns the caller with its role in one environment only. */
export const limitToEnvironment = (caller: Caller, environment: string): Caller =>
  createCaller(caller, limitedTo(caller.grants, environment));

/** Returns the part of some grants that is for one environment, or for `*` all of them. */
export const limitedTo = (grants: Grants, environment: string): Grants => {
  if (environment === ALL_ENVIRONMENTS) return grants;
  const role = higherRole(grants.get(environment), grants.get(ALL_ENVIRONMENTS));
  return new Map(role === undefined ? [] : [[environment, role]]);
};

const lacks = (caller: Caller, permission: Permission): PennonError =>
  new PennonError(
    'FORBIDDEN',
    caller.actor.kind === 'key'
      ? `a key with role ${describeGrants(caller)} lacks the permission "${permission}": use a key with role ${describeRoles(permission)}`
      : `this requires the permission "${permission}", which comes with the role ${describeRoles(permission)}; you have ${describeGrants(caller)}`,
  );

const describeGrants = ({ grants }: Caller): string => {
  const roles = [...new Set(grants.values())];
  return roles.length === 0 ? 'no role' : roles.map(role => `"${role}"`).join(' and ');
};

/** Whether the caller has a role in this environment. */
export const canAccess = (caller: Caller, environment: string): boolean =>
  caller.roleIn(environment) !== undefined;

/**
 * Throws FORBIDDEN if a URL names an environment where the caller has no role, so that a body for it is not read. A
 * name that is not valid is for the schema of the route to reject.
 */
export const requireReach = (caller: Caller, named: unknown): void => {
  if (typeof named !== 'string' || canAccess(caller, named)) return;
  if (Key.safeParse(named).success) throw noAccess(caller, named);
};

/** Throws FORBIDDEN if the caller does not have its role in all environments. */
export const requireAllEnvironments = (caller: Caller, what: string): void => {
  if (caller.everywhere !== undefined) return;
  const holder = caller.actor.kind === 'key' ? 'a key' : 'a role';
  throw new PennonError('FORBIDDEN', `${what} requires ${holder} for all environments ("*")`);
};

/** Returns the environment of a request: the requested one, or the only one where the caller has a role. */
export const environmentOf = (caller: Caller, requested: string | undefined): string => {
  if (requested !== undefined) {
    if (canAccess(caller, requested)) return requested;
    throw noAccess(caller, requested);
  }
  const [only = ALL_ENVIRONMENTS, ...others] = caller.environments;
  if (only !== ALL_ENVIRONMENTS && others.length === 0) return only;
  throw environmentMissing(caller);
};

const environmentMissing = (caller: Caller): PennonError => {
  const holder =
    caller.actor.kind === 'key' && caller.everywhere !== undefined
      ? 'a key for all environments'
      : 'a caller with roles in several environments';
  return new PennonError('BAD_REQUEST', `${holder} needs an environment: set "environment"`, {
    details: [{ path: 'environment', message: 'is required for a key of all environments' }],
  });
};

const noAccess = ({ actor, environments }: Caller, requested: string): PennonError =>
  new PennonError(
    'FORBIDDEN',
    actor.kind === 'key' && environments.length === 1
      ? `this key is for environment "${environments[0]}" only: leave out "environment", or use another key`
      : `your roles do not allow this in environment "${requested}": use one of ${environments.map(each => `"${each}"`).join(', ')}`,
  );

/** Whether only flags that are `clientVisible` exist for the caller: client keys are public. */
export const seesOnlyVisible = ({ grants }: Pick<Caller, 'grants'>): boolean => {
  for (const role of grants.values()) if (role === 'client') return true;
  return false;
};
