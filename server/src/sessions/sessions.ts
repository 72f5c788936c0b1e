import { ALL_ENVIRONMENTS, type Session } from '@pennon/schema';

import { auditDraft, type AuditedChange } from '../audit/record.ts';
import { hashSecret } from '../auth/authenticate.ts';
import { hasPermissionIn, type Caller } from '../auth/caller.ts';
import { findByToken, holderOf, isOpen, tokenOf } from '../auth/sessions.ts';
import { formatInstant, type Clock } from '../clock.ts';
import type { SignInSettings } from '../config.ts';
import { PennonError } from '../errors.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import type { Random } from '../random.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { SessionDocument, Snapshot } from '../store/store.ts';

type ControlRecords = Snapshot<'control'>['records'];

export type SessionServices = {
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly signIn: Pick<SignInSettings, 'sessionHours'>;
};

/** A new session, with what its cookie contains. */
export type SignedIn = { readonly token: string; readonly expiresAt: number };

const ID_LENGTH = 12;
/** More than 256 bits. */
const SECRET_LENGTH = 50;
const HOUR_MS = 3_600_000;
/** How many sessions one key or person has. A further one ends the oldest. */
const MAX_SESSIONS = 50;
/** The roles of the keys that can use the console. */
const ROLES: ReadonlySet<string> = new Set(['admin', 'editor', 'viewer']);

/** Starts a session of the key that a caller has shown. */
export const signInWithKey = (services: SessionServices, caller: Caller): Promise<SignedIn> => {
  requireConsoleRole(caller);
  return startSession(services, caller, ({ keys, tokens }) => {
    const { id } = caller.credential;
    if (tokens.has(id)) throw tokenCannotSignIn();
    const key = keys.get(id)?.document;
    if (key === undefined) throw new PennonError('UNAUTHORIZED', 'the key was revoked');
    return { key: { id, hash: key.hash }, via: 'key' };
  });
};

const requireConsoleRole = ({ grants }: Caller): void => {
  const other = [...grants.values()].find(role => !ROLES.has(role));
  if (other === undefined) return;
  throw new PennonError(
    'FORBIDDEN',
    `a key with role "${other}" cannot sign in: use a key with role "admin", "editor" or "viewer"`,
  );
};

const tokenCannotSignIn = () =>
  new PennonError('FORBIDDEN', 'a personal token cannot sign in: sign in as the person it is of');

/** Who signs in, and how. */
type Holder = Pick<SessionDocument, 'key' | 'person' | 'via'>;

/** Starts a session of the holder, as `findHolder` finds it when the session is written. */
export const startSession = (
  services: SessionServices,
  caller: Pick<Caller, 'actor'>,
  findHolder: (records: ControlRecords) => Holder,
): Promise<SignedIn> =>
  services.control.write(({ records }) => {
    const { session, secret } = newSession(services, findHolder(records));
    return {
      writes: {
        sessions: new Map([...outdatedSessions(services, records, session), [session.id, session]]),
      },
      audit: [auditDraft(caller, services.clock.now(), sessionCreated(session))],
      result: () => ({
        token: tokenOf(session.id, secret),
        expiresAt: Date.parse(session.expiresAt),
      }),
    };
  });

export const newSession = (
  { clock, random, signIn }: SessionServices,
  holder: Holder,
): { readonly session: SessionDocument; readonly secret: string } => {
  const now = clock.now();
  const secret = random(SECRET_LENGTH);
  const session = {
    id: random(ID_LENGTH),
    hash: hashSecret(secret),
    ...holder,
    createdAt: formatInstant(now),
    expiresAt: formatInstant(now + signIn.sessionHours * HOUR_MS),
  };
  return { session, secret };
};

/** Returns the deletions of sessions that have ended, and of the oldest ones of a holder that has too many. */
export const outdatedSessions = (
  { clock }: Pick<SessionServices, 'clock'>,
  records: ControlRecords,
  { key, person }: Holder,
): [string, null][] => {
  const all = [...records.sessions.values()].map(({ document }) => document);
  const open = all.filter(session => isOpen(records, session, clock));
  const excess = open
    .filter(session => session.person === person && session.key?.id === key?.id)
    .toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
    .slice(MAX_SESSIONS - 1);
  const ended = all.filter(session => !open.includes(session));
  return [...ended, ...excess].map(({ id }) => [id, null]);
};

/** Ends the session of a token, if there is one. */
export const signOut = async (
  services: Pick<SessionServices, 'control' | 'clock'>,
  caller: Caller,
  token: string,
): Promise<void> => {
  const session = findByToken(services.control.current().records.sessions, token);
  if (session !== undefined) await endSession(services, caller, session.id);
};

const endSession = (
  { control, clock }: Pick<SessionServices, 'control' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<void> =>
  control.write(({ records }) => {
    const session = records.sessions.get(id)?.document;
    return {
      writes: session === undefined ? {} : { sessions: new Map([[id, null]]) },
      audit:
        session === undefined ? [] : [auditDraft(caller, clock.now(), sessionDeleted(session))],
      result: () => undefined,
    };
  });

/** Returns a page of the caller's own sessions, or for an admin of all environments of all sessions. */
export const listSessions = (
  { control, clock }: Pick<SessionServices, 'control' | 'clock'>,
  caller: Caller,
  query: PageQuery,
): Page<Session> => {
  const { records } = control.current();
  const visible = [...records.sessions.values()]
    .map(({ document }) => document)
    .filter(session => isOpen(records, session, clock) && canEnd(caller, session))
    .map(session => toListed(records, caller, session));
  const cursors = cursorsFor(cursorSecret(control), ['sessions', caller.actor.id]);
  return pageOf(visible, ({ createdAt, id }) => createdAt + id, cursors, query);
};

/** Ends a session: one of the caller's own, or for an admin of all environments any. */
export const deleteSession = async (
  services: Pick<SessionServices, 'control' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<void> => {
  const session = services.control.current().records.sessions.get(id)?.document;
  if (session === undefined || !canEnd(caller, session))
    throw new PennonError(
      'NOT_FOUND',
      `session "${id}" does not exist: use the id of a session, from GET /api/v1/sessions`,
    );
  await endSession(services, caller, id);
};

const canEnd = (caller: Caller, { key, person }: SessionDocument): boolean =>
  hasPermissionIn(caller, 'people.manage', ALL_ENVIRONMENTS) ||
  caller.actor.id === (caller.actor.kind === 'person' ? person : key?.id);

export const sessionCreated = (session: SessionDocument): AuditedChange => ({
  action: 'session.create',
  environment: ALL_ENVIRONMENTS,
  key: session.id,
  before: null,
  after: toSession(session),
});

const sessionDeleted = (session: SessionDocument): AuditedChange => ({
  action: 'session.delete',
  environment: ALL_ENVIRONMENTS,
  key: session.id,
  before: toSession(session),
  after: null,
});

/** Removes the hashes from a stored session. */
const toSession = ({ hash: _hash, key, ...session }: SessionDocument) => ({
  ...session,
  ...(key === undefined ? {} : { key: key.id }),
});

const toListed = (records: ControlRecords, caller: Caller, session: SessionDocument): Session => {
  const { key, person } = holderOf(records, session);
  return {
    ...toSession(session),
    name: (key ?? person)?.name ?? '',
    isCurrent: caller.credential.id === session.id,
  };
};
