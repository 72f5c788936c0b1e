import type { ApiKey, ApiKeyCreate, ApiKeyCreated, ErrorDetail } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import type { AuditedChange } from '../audit/record.ts';
import { auditDraft } from '../audit/record.ts';
import { hashSecret } from '../auth/authenticate.ts';
import { requireAdminAfter } from '../auth/admins.ts';
import type { Caller } from '../auth/caller.ts';
import { canAccess, requireAllEnvironments } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import type { SignInSettings } from '../config.ts';
import { formatInstant } from '../clock.ts';
import { describeEnvironments, invalid, PennonError } from '../errors.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor, pageOf } from '../page.ts';
import type { Random } from '../random.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyDocument } from '../store/store.ts';
import { findKey, keyIdOf } from '../auth/key-id.ts';

export type KeyServices = {
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly signIn: SignInSettings;
};

/** 40 letters and digits: about 206 bits. */
const SECRET_LENGTH = 40;
const ID_LENGTH = 12;
/** An offset can move an instant past the last year that has four digits. */
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

/** Creates a key and returns it with its secret, which cannot be read again later. */
export const createKey = (
  { control, clock, random }: KeyServices,
  caller: Caller,
  input: ApiKeyCreate,
): Promise<ApiKeyCreated> => {
  const now = clock.now();
  requireManages(caller, input.environment);
  validateKey(input, now);
  const secret = `pennon_${input.role}_${random(SECRET_LENGTH)}`;
  const record = recordOf(input, { id: random(ID_LENGTH), secret, now });
  return control.write(({ records }) => {
    requireEnvironment(caller, records.environments, input.environment);
    return {
      writes: { keys: new Map([[record.id, record]]) },
      audit: [auditDraft(caller, now, keyCreated(record))],
      result: () => ({ ...toApiKey(record), secret }),
    };
  });
};

export const recordOf = (
  { name, role, environment, expiresAt, allowedOrigins, exposeOnEvaluate }: ApiKeyCreate,
  { id, secret, now }: { readonly id: string; readonly secret: string; readonly now: number },
): KeyDocument => ({
  id,
  name,
  role,
  environment,
  ...(expiresAt == null ? {} : { expiresAt: formatInstant(Date.parse(expiresAt)) }),
  ...(allowedOrigins == null ? {} : { allowedOrigins }),
  ...(exposeOnEvaluate === true ? { exposeOnEvaluate } : {}),
  createdAt: formatInstant(now),
  hash: hashSecret(secret),
});

/** Returns a page of the keys that the caller manages, oldest first. */
export const listKeys = (
  control: Replica<'control'>,
  caller: Caller,
  query: PageQuery,
): Page<ApiKey> => {
  const { keys, tokens } = control.current().records;
  const all = [...keys.values(), ...tokens.values()]
    .map(({ document }) => toApiKey(document))
    .filter(key => canAccess(caller, key.environment));
  const cursors = cursorsFor(cursorSecret(control), ['keys', ...caller.environments]);
  return pageOf(all, key => key.createdAt + key.id, cursors, query);
};

/** Revokes a key and ends its open streams. */
export const deleteKey = (
  { control, clock, signIn }: KeyServices,
  caller: Caller,
  id: string,
): Promise<void> =>
  control.write(({ records }) => {
    const token = records.tokens.get(id)?.document;
    const key = findKey(records.keys, id) ?? token;
    if (key === undefined || !canAccess(caller, key.environment)) {
      throw new PennonError(
        'NOT_FOUND',
        `key "${id}" does not exist: use the id of a key, from GET /api/v1/keys`,
      );
    }
    const revoked = new Map([[key.id, null]]);
    const writes = key === token ? { tokens: revoked } : { keys: revoked };
    requireAdminAfter(records, writes, signIn);
    return {
      writes,
      audit: [auditDraft(caller, clock.now(), keyDeleted(key))],
      result: () => undefined,
    };
  });

/** Returns a stored key as the API does, without its hash. */
export const toApiKey = ({ hash: _hash, ...key }: KeyDocument): ApiKey => ({
  ...key,
  id: keyIdOf(key),
});

/** Audits a new key, or one that replaces `before`. The hash is left out. */
export const keyCreated = (key: KeyDocument, before?: KeyDocument): AuditedChange => ({
  action: 'key.create',
  environment: key.environment,
  key: keyIdOf(key),
  before: before === undefined ? null : toApiKey(before),
  after: toApiKey(key),
});

/** Audits a revoked key. The hash is left out. */
export const keyDeleted = (key: KeyDocument): AuditedChange => ({
  action: 'key.delete',
  environment: key.environment,
  key: keyIdOf(key),
  before: toApiKey(key),
  after: null,
});

const requireManages = (caller: Caller, environment: string): void => {
  if (environment === ALL_ENVIRONMENTS)
    requireAllEnvironments(caller, 'creating a key for all environments');
  if (canAccess(caller, environment)) return;
  throw new PennonError(
    'FORBIDDEN',
    `this key manages only the keys of environment "${caller.environments.join('", "')}"`,
  );
};

const requireEnvironment = (
  caller: Caller,
  environments: ReadonlyMap<string, unknown>,
  environment: string,
): void => {
  if (environment === ALL_ENVIRONMENTS || environments.has(environment)) return;
  const known =
    caller.everywhere !== undefined
      ? describeEnvironments(environment, [...environments.keys()])
      : '';
  const message = `must be an environment that exists, and "${environment}" does not${known}`;
  throw invalid([{ path: 'environment', message }]);
};

/** Combinations of fields that are invalid in any key, whether it is created or imported. */
export const invalidCombinations = ({
  role,
  environment,
  allowedOrigins,
  exposeOnEvaluate,
}: Pick<ApiKey, 'role' | 'environment' | 'allowedOrigins' | 'exposeOnEvaluate'>): ErrorDetail[] => [
  ...(environment === ALL_ENVIRONMENTS && (role === 'server' || role === 'client')
    ? [{ path: 'environment', message: `a "${role}" key must belong to one environment` }]
    : []),
  ...(allowedOrigins != null && role !== 'client'
    ? [{ path: 'allowedOrigins', message: 'is allowed only for "client" keys' }]
    : []),
  ...(exposeOnEvaluate === true && role !== 'server' && role !== 'client'
    ? [{ path: 'exposeOnEvaluate', message: 'is allowed only for "server" and "client" keys' }]
    : []),
];

export const validateKey = (input: ApiKeyCreate, now: number): void => {
  const details = invalidCombinations(input);
  if (input.expiresAt != null && Date.parse(input.expiresAt) > LAST_INSTANT) {
    details.push({ path: 'expiresAt', message: 'must not be later than the year 9999 in UTC' });
  }
  if (input.expiresAt != null && Date.parse(input.expiresAt) <= now) {
    details.push({ path: 'expiresAt', message: 'must be in the future' });
  }
  for (const [at, origin] of (input.allowedOrigins ?? []).entries()) {
    if (!origin.includes('*')) continue;
    const message = 'must be a single origin without "*": list each one, or leave the field out';
    details.push({ path: `allowedOrigins.${at}`, message });
  }
  if (details.length > 0) throw invalid(details);
};
