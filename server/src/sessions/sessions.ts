import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft, type AuditedChange } from '../audit/record.ts';
import { hashSecret } from '../auth/authenticate.ts';
import type { Caller } from '../auth/caller.ts';
import { findSession, hasExpired, holderOf, tokenOf } from '../auth/sessions.ts';
import { formatInstant, type Clock } from '../clock.ts';
import type { SignInSettings } from '../config.ts';
import { PennonError } from '../errors.ts';
import type { Random } from '../random.ts';
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
/** How many sessions one key has. A further one ends the oldest. */
const MAX_SESSIONS = 50;
/** The roles of the keys that can use the console. */
const ROLES: ReadonlySet<string> = new Set(['admin', 'editor', 'viewer']);

/** Starts a session of the key that a caller has shown. */
export const signInWithKey = (services: SessionServices, caller: Caller): Promise<SignedIn> => {
  const { control, random } = services;
  requireConsoleRole(caller);
  const [id, secret] = [random(ID_LENGTH), random(SECRET_LENGTH)];
  return control.write(({ records }) => {
    const key = records.keys.get(caller.credential.id)?.document;
    if (key === undefined) throw new PennonError('UNAUTHORIZED', 'the key was revoked');
    const session = sessionOf(services, { id, secret, key: { id: key.id, hash: key.hash } });
    return {
      writes: { sessions: new Map([...outdated(services, records, session), [id, session]]) },
      audit: [auditDraft(caller, services.clock.now(), sessionCreated(session))],
      result: () => ({
        token: tokenOf(id, secret),
        expiresAt: Date.parse(session.expiresAt),
      }),
    };
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

const sessionOf = (
  { clock, signIn }: SessionServices,
  { id, secret, key }: Pick<SessionDocument, 'id' | 'key'> & { readonly secret: string },
): SessionDocument => {
  const now = clock.now();
  return {
    id,
    hash: hashSecret(secret),
    key,
    via: 'key',
    createdAt: formatInstant(now),
    expiresAt: formatInstant(now + signIn.sessionHours * HOUR_MS),
  };
};

/** Returns the deletions of sessions that have ended, and of the oldest ones of a key that has too many. */
const outdated = (
  { clock }: SessionServices,
  records: ControlRecords,
  { key }: SessionDocument,
): [string, null][] => {
  const all = [...records.sessions.values()].map(({ document }) => document);
  const isCurrent = (session: SessionDocument) =>
    !hasExpired(session, clock) && holderOf(records, session) !== undefined;
  const excess = all
    .filter(session => isCurrent(session) && session.key.id === key.id)
    .toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
    .slice(MAX_SESSIONS - 1);
  return [...all.filter(session => !isCurrent(session)), ...excess].map(({ id }) => [id, null]);
};

/** Ends the session of a token, if there is one. */
export const signOut = async (
  { control, clock }: Pick<SessionServices, 'control' | 'clock'>,
  caller: Caller,
  token: string,
): Promise<void> => {
  await control.write(({ records }) => {
    const session = findSession(records, token);
    return {
      writes: session === undefined ? {} : { sessions: new Map([[session.id, null]]) },
      audit:
        session === undefined ? [] : [auditDraft(caller, clock.now(), sessionDeleted(session))],
      result: () => undefined,
    };
  });
};

const sessionCreated = (session: SessionDocument): AuditedChange => ({
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
  key: key.id,
});
