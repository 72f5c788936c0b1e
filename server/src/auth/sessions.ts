import { timingSafeEqual } from 'node:crypto';

import { msUntil, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import type {
  KeyDocument,
  PersonDocument,
  SessionDocument,
  Snapshot,
  TokenDocument,
} from '../store/store.ts';
import { callerWith, hashSecret, withBehalf, type Visit } from './authenticate.ts';
import { createCaller, type Caller, type Credential } from './caller.ts';
import { activePerson, grantsOf, grantsOfToken } from './grants.ts';

type ControlRecords = Snapshot<'control'>['records'];

/** Ids and secrets are letters and digits. */
const SEPARATOR = '-';

/** Returns what a cookie or a link contains: an id and a secret. */
export const tokenOf = (id: string, secret: string): string => id + SEPARATOR + secret;

/** Returns the document that a token opens: its id finds it, and its secret has the hash. */
export const findByToken = <Document extends { readonly hash: string }>(
  documents: ReadonlyMap<string, { readonly document: Document }>,
  token: string,
): Document | undefined => {
  const [id = '', secret = ''] = token.split(SEPARATOR);
  const found = documents.get(id)?.document;
  return found !== undefined && isEqual(found.hash, hashSecret(secret)) ? found : undefined;
};

const isEqual = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** Returns the caller of a request with the token of a session. Throws UNAUTHORIZED if the session has ended. */
export type AuthenticateSession = (token: string, visit: Visit) => Caller;

/** Checks sessions against the control ledger in memory, as `createAuthenticate` does with keys. */
export const createAuthenticateSession =
  (control: Replica<'control'>, clock: Clock): AuthenticateSession =>
  (token, visit) => {
    const { records } = control.current();
    const session = findByToken(records.sessions, token);
    if (session === undefined || hasExpired(session, clock)) throw ended();
    const caller = callerOfHolder(records, session, visit, clock);
    const expiresAt = Math.min(Date.parse(session.expiresAt), caller.expiresAt ?? Infinity);
    return { ...caller, credential: { kind: 'session', id: session.id }, expiresAt };
  };

const callerOfHolder = (
  records: ControlRecords,
  session: SessionDocument,
  visit: Visit,
  clock: Clock,
): Caller => {
  const { key, person } = holderOf(records, session);
  if (key !== undefined) return callerWith(key, visit, clock);
  if (person === undefined) throw ended();
  return callerOfPerson(records, person, session, visit);
};

/** Returns the caller for a person who has signed in. */
export const callerOfPerson = (
  records: ControlRecords,
  person: PersonDocument,
  session: Pick<SessionDocument, 'id'>,
  visit: Visit,
): Caller =>
  createCaller(
    {
      actor: withBehalf({ kind: 'person', id: person.id, name: person.name }, visit),
      credential: { kind: 'session', id: session.id },
      expiresAt: undefined,
      visitor: visit.visitor,
    },
    grantsOf(records, person),
  );

type Holder = {
  readonly key?: KeyDocument | undefined;
  readonly person?: PersonDocument | undefined;
};

/** Returns who signed in: a key, unless it was deleted or has another secret since then, or an active person. */
export const holderOf = (
  records: ControlRecords,
  { key: signedIn, person }: SessionDocument,
): Holder => {
  if (person !== undefined) return { person: activePerson(records, person) };
  const key = records.keys.get(signedIn?.id ?? '')?.document;
  return { key: key?.hash === signedIn?.hash ? key : undefined };
};

/** Whether a session can be used. */
export const isOpen = (
  records: ControlRecords,
  session: SessionDocument,
  clock: Clock,
): boolean => {
  const { key, person } = holderOf(records, session);
  return !hasExpired(session, clock) && (key ?? person) !== undefined;
};

export const hasExpired = ({ expiresAt }: { readonly expiresAt: string }, clock: Clock): boolean =>
  msUntil(Date.parse(expiresAt), clock) === 0;

/**
 * Returns what the rights of a caller depend on, or undefined if its key or session has ended. While it stays the same,
 * so do the rights.
 */
export const authorityOf = (
  records: ControlRecords,
  { kind, id }: Credential,
): string | undefined => {
  if (kind === 'key') return authorityOfKey(records, id);
  const session = records.sessions.get(id)?.document;
  const { key, person } = session === undefined ? {} : holderOf(records, session);
  return key?.hash ?? (person && JSON.stringify([...grantsOf(records, person)]));
};

const authorityOfKey = (records: ControlRecords, id: string): string | undefined => {
  const key = records.keys.get(id)?.document;
  if (key !== undefined) return key.hash;
  const token = records.tokens.get(id)?.document;
  return token && authorityOfToken(records, token);
};

const authorityOfToken = (records: ControlRecords, token: TokenDocument): string =>
  JSON.stringify([token.hash, ...grantsOfToken(records, token)]);

const ended = (): PennonError =>
  new PennonError('UNAUTHORIZED', 'the session has ended: sign in again');
