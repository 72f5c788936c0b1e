import { hash } from 'node:crypto';

import type { Actor } from '@pennon/schema';

import { ADMIN_KEY_ID } from './key-id.ts';
import { msUntil, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyDocument, TokenDocument } from '../store/store.ts';
import { createCaller, type Caller } from './caller.ts';
import { grantsOfToken } from './grants.ts';

/** The request headers that identify the caller. */
export type Credentials = {
  readonly authorization?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly origin?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  /** The address of the request, or its IPv6 network. */
  readonly visitor: string;
  /** What the request arrived on. */
  readonly connection?: object;
};

/** Returns the caller. Throws UNAUTHORIZED for an invalid key, FORBIDDEN for a disallowed origin. */
export type Authenticate = (credentials: Credentials) => Caller;

/** Returns the SHA-256 of a secret in hexadecimal. A slow hash would add nothing to long random secrets. */
export const hashSecret = (secret: string): string => hash('sha256', secret, 'hex');

const MAX_SECRET_LENGTH = 512;
const MAX_NAME_LENGTH = 200;

/** Checks keys against the control ledger in memory, so a revoked key is rejected at once. */
export const createAuthenticate = (control: Replica<'control'>, clock: Clock): Authenticate => {
  const hashOf = createSecretHashes();
  let byHash = indexByHash(control);
  let tokensByHash = indexTokens(control);
  control.subscribe(() => {
    byHash = indexByHash(control);
    tokensByHash = indexTokens(control);
  });

  return credentials => {
    // The time of a look-up depends on hashes only, which reveal nothing about other secrets.
    const secretHash = hashOf(secretOf(credentials), credentials.connection);
    const key = byHash.get(secretHash);
    if (key !== undefined) return callerWith(key, credentials, clock);
    const token = tokensByHash.get(secretHash);
    if (token === undefined) throw unauthorized(UNKNOWN_KEY);
    const caller = callerWith(token, credentials, clock);
    return createCaller(caller, grantsOfToken(control.current().records, token));
  };
};

/** What a request states about its caller besides the key. */
export type Visit = Pick<Credentials, 'origin' | 'onBehalfOf' | 'visitor'>;

/** Returns the caller of a request with a key. Throws UNAUTHORIZED if it has expired, FORBIDDEN for the origin. */
export const callerWith = (key: KeyDocument, visit: Visit, clock: Clock): Caller => {
  const expiresAt = key.expiresAt == null ? undefined : Date.parse(key.expiresAt);
  if (expiresAt !== undefined && msUntil(expiresAt, clock) === 0)
    throw unauthorized('the key has expired');
  requireAllowedOrigin(key, visit.origin);
  const { id, name } = key;
  const actor = withBehalf({ kind: 'key', id, name }, visit);
  return createCaller(
    {
      actor,
      credential: { kind: 'key', id },
      expiresAt,
      visitor: visit.visitor,
      exposes: key.exposeOnEvaluate === true,
    },
    new Map([[key.environment, key.role]]),
  );
};

/** Adds the user that a request names as the one that it acts for. */
export const withBehalf = (actor: Actor, { onBehalfOf }: Visit): Actor => {
  const name = nameOf(onBehalfOf);
  return name === undefined ? actor : { ...actor, onBehalfOf: name };
};

/** How many hashes of a connection are kept. One from a proxy may carry several secrets. */
const MAX_HASHES = 8;

/**
 * Returns how to hash a secret. A connection sends the same one with each request, so its hashes are kept as long
 * as it is open. Nothing else keeps a secret.
 */
const createSecretHashes = () => {
  const byConnection = new WeakMap<object, Map<string, string>>();
  return (secret: string, connection: object | undefined): string => {
    if (connection === undefined) return hashSecret(secret);
    const hashes = byConnection.get(connection) ?? new Map<string, string>();
    const known = hashes.get(secret);
    if (known !== undefined) return known;
    const computed = hashSecret(secret);
    if (hashes.size === MAX_HASHES) hashes.clear();
    byConnection.set(connection, hashes.set(secret, computed));
    return computed;
  };
};

/** Truncates a name between code points: half a surrogate pair would not be valid text. */
const nameOf = (header: string | undefined): string | undefined => {
  const name = header?.trim();
  return name ? Array.from(name).slice(0, MAX_NAME_LENGTH).join('') : undefined;
};

/** If another key has the secret of the admin key, the admin key counts. */
const indexByHash = (control: Replica<'control'>): ReadonlyMap<string, KeyDocument> => {
  const { keys } = control.current().records;
  const byHash = new Map([...keys.values()].map(({ document }) => [document.hash, document]));
  const admin = keys.get(ADMIN_KEY_ID)?.document;
  return admin === undefined ? byHash : byHash.set(admin.hash, admin);
};

const indexTokens = (control: Replica<'control'>): ReadonlyMap<string, TokenDocument> =>
  new Map(
    [...control.current().records.tokens.values()].map(({ document }) => [document.hash, document]),
  );

const secretOf = ({ authorization, apiKey }: Credentials): string => {
  const bearer =
    authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (authorization !== undefined && bearer === undefined) {
    throw unauthorized('the Authorization header must be "Bearer <key>"');
  }
  if (bearer !== undefined && apiKey !== undefined && bearer !== apiKey) {
    throw unauthorized('Authorization and X-API-Key contain different keys; send only one');
  }
  const secret = bearer ?? apiKey;
  if (!secret) {
    throw unauthorized(
      'a key is required: send the header "Authorization: Bearer <key>" or "X-API-Key: <key>"',
    );
  }
  if (secret.length > MAX_SECRET_LENGTH) throw unauthorized(UNKNOWN_KEY);
  return secret;
};

const UNKNOWN_KEY = 'the key does not exist or was revoked: use another key';

const requireAllowedOrigin = (key: KeyDocument, origin: string | undefined): void => {
  if (origin === undefined || key.allowedOrigins == null) return;
  if (key.allowedOrigins.includes(origin)) return;
  throw new PennonError('FORBIDDEN', 'this key cannot be used by pages of this origin');
};

const unauthorized = (message: string): PennonError => new PennonError('UNAUTHORIZED', message);
