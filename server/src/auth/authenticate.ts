import { createHash, timingSafeEqual } from 'node:crypto';

import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyRecord } from '../store/store.ts';
import type { Caller } from './caller.ts';

/** The request headers that say who is calling. */
export type Credentials = {
  readonly authorization?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly origin?: string | undefined;
  readonly onBehalfOf?: string | undefined;
};

export type Authenticate = (credentials: Credentials) => Caller;

/** SHA-256 of a secret in hexadecimal. Secrets are long and random, so a slow hash would add nothing. */
export const hashSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('hex');

const LONGEST_SECRET = 512;
const LONGEST_NAME = 200;

/**
 * Checks keys against the control ledger in memory, so that a revoked key is refused at once.
 * Throws UNAUTHORIZED for a missing, unknown or expired key, FORBIDDEN for a foreign origin.
 */
export const createAuthenticate = (control: Replica<'control'>, clock: Clock): Authenticate => {
  let byHash = indexByHash(control);
  control.subscribe(() => {
    byHash = indexByHash(control);
  });

  return credentials => {
    const hash = hashSecret(secretOf(credentials));
    const key = byHash.get(hash);
    if (key === undefined || !sameHash(key.hash, hash)) throw unauthorized('the key is unknown');
    const expiresAt = key.expiresAt == null ? undefined : Date.parse(key.expiresAt);
    if (expiresAt !== undefined && expiresAt <= clock.now())
      throw unauthorized('the key has expired');
    refuseForeignOrigin(key, credentials.origin);
    return {
      keyId: key.id,
      name: key.name,
      role: key.role,
      environment: key.environment,
      expiresAt,
      onBehalfOf: nameOf(credentials.onBehalfOf),
    };
  };
};

/** A name is cut between characters, so that it stays a text that every store and reader can hold. */
const nameOf = (header: string | undefined): string | undefined => {
  const name = header?.trim();
  return name ? Array.from(name).slice(0, LONGEST_NAME).join('') : undefined;
};

const indexByHash = (control: Replica<'control'>): ReadonlyMap<string, KeyRecord> =>
  new Map(
    [...control.current().records.keys.values()].map(({ document }) => [document.hash, document]),
  );

const sameHash = (a: string, b: string): boolean =>
  timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'));

const secretOf = ({ authorization, apiKey }: Credentials): string => {
  const bearer =
    authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (authorization !== undefined && bearer === undefined) {
    throw unauthorized('the Authorization header must read "Bearer <key>"');
  }
  if (bearer !== undefined && apiKey !== undefined && bearer !== apiKey) {
    throw unauthorized('Authorization and X-API-Key carry different keys: send one');
  }
  const secret = bearer ?? apiKey;
  if (!secret) {
    throw unauthorized(
      'send a key in the header "Authorization: Bearer <key>" or "X-API-Key: <key>"',
    );
  }
  if (secret.length > LONGEST_SECRET) throw unauthorized('the key is unknown');
  return secret;
};

const refuseForeignOrigin = (key: KeyRecord, origin: string | undefined): void => {
  if (origin === undefined || key.allowedOrigins == null) return;
  if (key.allowedOrigins.includes(origin)) return;
  throw new PennonError('FORBIDDEN', 'this key is not for pages of this origin');
};

const unauthorized = (message: string): PennonError => new PennonError('UNAUTHORIZED', message);
