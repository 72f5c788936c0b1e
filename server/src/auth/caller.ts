import type { Actor, Role } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import type { Permission } from './permissions.ts';
import { mayDo } from './permissions.ts';

/** Whoever holds an API key, as far as this request goes. */
export type Caller = {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  /** One environment, or `*`. */
  readonly environment: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  readonly onBehalfOf: string | undefined;
};

export const actorOf = (caller: Pick<Caller, 'keyId' | 'name' | 'onBehalfOf'>): Actor => ({
  id: caller.keyId,
  name: caller.name,
  ...(caller.onBehalfOf === undefined ? {} : { onBehalfOf: caller.onBehalfOf }),
});

/** FORBIDDEN unless the caller's role has the permission. */
export const requirePermission = (caller: Caller, permission: Permission): void => {
  if (mayDo(caller.role, permission)) return;
  throw new PennonError(
    'FORBIDDEN',
    `a key with role "${caller.role}" lacks the permission "${permission}"`,
  );
};

/** FORBIDDEN unless the key is for all environments. */
export const requireAllEnvironments = (caller: Caller, what: string): void => {
  if (caller.environment === ALL_ENVIRONMENTS) return;
  throw new PennonError('FORBIDDEN', `${what} takes a key for all environments ("*")`);
};

/** The environment a request is about: the key's own, or for a `*` key the one that it names. */
export const environmentOf = (caller: Caller, asked: string | undefined): string => {
  if (caller.environment === ALL_ENVIRONMENTS) {
    if (asked !== undefined) return asked;
    throw new PennonError(
      'BAD_REQUEST',
      'a key for all environments must name one: set "environment"',
      {
        details: [{ path: 'environment', message: 'is required with a key for all environments' }],
      },
    );
  }
  if (asked === undefined || asked === caller.environment) return caller.environment;
  throw new PennonError('FORBIDDEN', `this key is for environment "${caller.environment}" only`);
};

/** Client keys see only flags that are `clientVisible`. */
export const seesOnlyVisible = (caller: Caller): boolean => caller.role === 'client';
