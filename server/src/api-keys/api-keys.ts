import type { ApiKey, ApiKeyCreate, ApiKeyCreated, ErrorDetail } from '@pennon/schema';
import { ALL_ENVIRONMENTS } from '@pennon/schema';

import { auditDraft } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor, pageOf } from '../page.ts';
import type { Random } from '../random.ts';
import type { Replica } from '../replication/replica.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { KeyRecord } from '../store/store.ts';
import { hashSecret } from '../auth/authenticate.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments } from '../auth/caller.ts';

export type KeyParts = {
  readonly control: Replica<'control'>;
  readonly clock: Clock;
  readonly random: Random;
};

/** 40 letters and digits: about 206 bits. */
const SECRET_LENGTH = 40;
const ID_LENGTH = 12;
/** An offset can push an formatInstant past what four digits of a year can say. */
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

/** Creates a key and answers it with its secret, which is shown only this once. */
export const createKey = (
  { control, clock, random }: KeyParts,
  caller: Caller,
  input: ApiKeyCreate,
): Promise<ApiKeyCreated> => {
  const now = clock.now();
  requireEnvironment(caller, input.environment);
  refuseImpossible(input, now);
  const secret = `pennon_${input.role}_${random(SECRET_LENGTH)}`;
  const record: KeyRecord = {
    id: random(ID_LENGTH),
    name: input.name,
    role: input.role,
    environment: input.environment,
    ...(input.expiresAt == null ? {} : { expiresAt: formatInstant(Date.parse(input.expiresAt)) }),
    ...(input.allowedOrigins == null ? {} : { allowedOrigins: input.allowedOrigins }),
    createdAt: formatInstant(now),
    hash: hashSecret(secret),
  };
  return control.write(({ records }) => {
    if (input.environment !== ALL_ENVIRONMENTS && !records.environments.has(input.environment)) {
      throw invalid([
        { path: 'environment', message: `environment "${input.environment}" does not exist` },
      ]);
    }
    return {
      writes: { keys: new Map([[record.id, record]]) },
      audit: [
        auditDraft(caller, now, 'key.create', record.environment, record.id, null, shown(record)),
      ],
      result: () => ({ ...shown(record), secret }),
    };
  });
};

/** The keys that the caller manages, oldest first. */
export const listKeys = (
  control: Replica<'control'>,
  caller: Caller,
  query: PageQuery,
): Page<ApiKey> => {
  const all = [...control.current().records.keys.values()]
    .map(({ document }) => shown(document))
    .filter(key => manages(caller, key.environment));
  const cursors = cursorsFor(cursorSecret(control), ['keys', caller.environment]);
  return pageOf(all, key => key.createdAt + key.id, cursors, query);
};

/** Revokes a key; its open streams end with it. */
export const deleteKey = (
  { control, clock }: KeyParts,
  caller: Caller,
  id: string,
): Promise<void> =>
  control.write(({ records }) => {
    const key = records.keys.get(id)?.document;
    if (key === undefined || !manages(caller, key.environment)) {
      throw new PennonError('NOT_FOUND', `there is no key with id "${id}"`);
    }
    if (isLastAdmin(records.keys, id)) {
      throw new PennonError(
        'CONFLICT',
        'this is the last admin key for all environments: create another first',
      );
    }
    return {
      writes: { keys: new Map([[id, null]]) },
      audit: [auditDraft(caller, clock.now(), 'key.delete', key.environment, id, shown(key), null)],
      result: () => undefined,
    };
  });

/** A key without its hash. */
export const shown = ({ hash: _hash, ...key }: KeyRecord): ApiKey => key;

const manages = (caller: Caller, environment: string): boolean =>
  caller.environment === ALL_ENVIRONMENTS || caller.environment === environment;

const requireEnvironment = (caller: Caller, environment: string): void => {
  if (environment === ALL_ENVIRONMENTS)
    requireAllEnvironments(caller, 'creating a key for all environments');
  if (manages(caller, environment)) return;
  throw new PennonError(
    'FORBIDDEN',
    `this key manages keys of environment "${caller.environment}" only`,
  );
};

/** What no key can be, wherever it comes from. */
export const invalidCombinations = ({
  role,
  environment,
  allowedOrigins,
}: Pick<ApiKey, 'role' | 'environment' | 'allowedOrigins'>): ErrorDetail[] => [
  ...(environment === ALL_ENVIRONMENTS && (role === 'server' || role === 'client')
    ? [{ path: 'environment', message: `a "${role}" key belongs to one environment` }]
    : []),
  ...(allowedOrigins != null && role !== 'client'
    ? [{ path: 'allowedOrigins', message: 'only a "client" key can be bound to origins' }]
    : []),
];

const refuseImpossible = (input: ApiKeyCreate, now: number): void => {
  const details = invalidCombinations(input);
  if (input.expiresAt != null && Date.parse(input.expiresAt) > LAST_INSTANT) {
    details.push({ path: 'expiresAt', message: 'must be in the year 9999 or before, in UTC' });
  }
  if (input.expiresAt != null && Date.parse(input.expiresAt) <= now) {
    details.push({ path: 'expiresAt', message: 'must be in the future' });
  }
  if (details.length > 0) throw invalid(details);
};

const isLastAdmin = (keys: ReadonlyMap<string, { document: KeyRecord }>, id: string): boolean => {
  const admins = [...keys.values()].filter(
    ({ document }) =>
      document.role === 'admin' &&
      document.environment === ALL_ENVIRONMENTS &&
      document.expiresAt == null,
  );
  return admins.length === 1 && admins[0]?.document.id === id;
};
