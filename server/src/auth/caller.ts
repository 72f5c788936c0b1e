import type { Actor, Role } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import type { Permission } from './permissions.ts';
import { describeRoles, hasPermission } from './permissions.ts';

/** The holder of an API key, for one request. */
export type Caller = {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  /** One environment, or `*`. */
  readonly environment: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** From X-On-Behalf-Of; unverified. */
  readonly onBehalfOf: string | undefined;
  /** The address of the request, or its IPv6 network: what counts as one visitor. */
  readonly visitor: string;
  /** From X-Change-Comment: why the caller makes the change. */
  readonly comment?: string | undefined;
};

export const actorOf = (caller: Pick<Caller, 'keyId' | 'name' | 'onBehalfOf'>): Actor => ({
  id: caller.keyId,
  name: caller.name,
  ...(caller.onBehalfOf === undefined ? {} : { onBehalfOf: caller.onBehalfOf }),
});

/** Throws FORBIDDEN if the caller's role lacks the permission. */
export const requirePermission = (caller: Caller, permission: Permission): void => {
  if (hasPermission(caller.role, permission)) return;
  throw new PennonError(
    'FORBIDDEN',
    `a key with role "${caller.role}" lacks the permission "${permission}": use a key with role ${describeRoles(permission)}`,
  );
};

/** Whether the caller's key is for this environment, or for all. */
export const canAccess = (caller: Caller, environment: string): boolean =>
  caller.environment === ALL_ENVIRONMENTS || caller.environment === environment;

/** Throws FORBIDDEN if the key is not for all environments. */
export const requireAllEnvironments = (caller: Caller, what: string): void => {
  if (caller.environment === ALL_ENVIRONMENTS) return;
  throw new PennonError('FORBIDDEN', `${what} requires a key for all environments ("*")`);
};

/** Returns the environment of a request: that of the key, or for a `*` key the requested one. */
export const environmentOf = (caller: Caller, requested: string | undefined): string => {
  if (caller.environment === ALL_ENVIRONMENTS) {
    if (requested !== undefined) return requested;
    throw new PennonError(
      'BAD_REQUEST',
      'a key for all environments needs an environment: set "environment"',
      {
        details: [{ path: 'environment', message: 'is required for a key of all environments' }],
      },
    );
  }
  if (requested === undefined || requested === caller.environment) return caller.environment;
  throw new PennonError(
    'FORBIDDEN',
    `this key is for environment "${caller.environment}" only: leave out "environment", or use another key`,
  );
};

/** Whether only flags that are `clientVisible` exist for the caller: client keys are public. */
export const seesOnlyVisible = (caller: Caller): boolean => caller.role === 'client';
