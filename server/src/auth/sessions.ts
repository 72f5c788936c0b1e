import { timingSafeEqual } from 'node:crypto';

import { msUntil, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyDocument, SessionDocument, Snapshot } from '../store/store.ts';
import { callerWith, hashSecret, type Visit } from './authenticate.ts';
import type { Caller, Credential } from './caller.ts';

type ControlRecords = Snapshot<'control'>['records'];

/** Ids and secrets are letters and digits. */
const SEPARATOR = '-';

/** Returns what the cookie of a session contains. */
export const tokenOf = (id: string, secret: string): string => id + SEPARATOR + secret;

/** Returns the caller of a request with the token of a session. Throws UNAUTHORIZED if the session has ended. */
export type AuthenticateSession = (token: string, visit: Visit) => Caller;

/** Checks sessions against the control ledger in memory, as `createAuthenticate` does with keys. */
export const createAuthenticateSession =
  (control: Replica<'control'>, clock: Clock): AuthenticateSession =>
  (token, visit) => {
    const { records } = control.current();
    const session = findSession(records, token);
    const key = session && holderOf(records, session);
    if (session === undefined || key === undefined || hasExpired(session, clock)) throw ended();
    const caller = callerWith(key, visit, clock);
    const expiresAt = Math.min(Date.parse(session.expiresAt), caller.expiresAt ?? Infinity);
    return { ...caller, credential: { kind: 'session', id: session.id }, expiresAt };
  };

/** Returns the session that a token opens, even if it has expired. */
export const findSession = (
  { sessions }: ControlRecords,
  token: string,
): SessionDocument | undefined => {
  const [id = '', secret = ''] = token.split(SEPARATOR);
  const session = sessions.get(id)?.document;
  return session !== undefined && isEqual(session.hash, hashSecret(secret)) ? session : undefined;
};

const isEqual = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** Returns the key that signed in, unless it was deleted or has another secret since then. */
export const holderOf = (
  { keys }: ControlRecords,
  { key: { id, hash } }: SessionDocument,
): KeyDocument | undefined => {
  const key = keys.get(id)?.document;
  return key?.hash === hash ? key : undefined;
};

export const hasExpired = ({ expiresAt }: SessionDocument, clock: Clock): boolean =>
  msUntil(Date.parse(expiresAt), clock) === 0;

/**
 * Returns what the rights of a caller depend on, or undefined if its key or session has ended. While it stays the same,
 * so do the rights.
 */
export const authorityOf = (
  records: ControlRecords,
  { kind, id }: Credential,
): string | undefined => {
  if (kind === 'key') return records.keys.get(id)?.document.hash;
  const session = records.sessions.get(id)?.document;
  return session && holderOf(records, session)?.hash;
};

const ended = (): PennonError =>
  new PennonError('UNAUTHORIZED', 'the session has ended: sign in again');
