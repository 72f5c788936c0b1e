import { StoreError, type StoreErrorCode } from '../store.ts';
import { FORMAT } from './keys.ts';

/** Whether Redis replied with an error, so the command was certainly not executed. */
export const isErrorReply = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ReplyError';

/** Error replies of Redis by their first word, with what to do about them. */
const ERROR_REPLIES: Readonly<Record<string, { code: StoreErrorCode; remedy: string }>> = {
  PENNONNEWER: {
    code: 'newer',
    remedy: `the data was written by a newer Pennon; this version reads format ${FORMAT}. Start that version or a newer one`,
  },
  PENNONLOST: {
    code: 'missing',
    remedy: 'Redis has lost the data. Restore it from a server that has a copy',
  },
  PENNONSTAGED: {
    code: 'unavailable',
    remedy: 'a part of the change was lost on its way. Nothing was written; try again',
  },
  PENNONCORRUPT: {
    code: 'corrupt',
    remedy:
      'the data is not valid. Pennon has not changed it: run "pennon restore", or restore a backup of Redis',
  },
  WRONGTYPE: {
    code: 'corrupt',
    remedy:
      'a key of Pennon contains something else. Run "pennon restore"; if another application uses the key, set PENNON_REDIS_PREFIX to an unused prefix',
  },
  OOM: {
    code: 'full',
    remedy: 'Redis is out of memory. Nothing was written; raise its maxmemory or free some',
  },
  MISCONF: {
    code: 'readonly',
    remedy: 'Redis cannot write to its disk and rejects writes. See its log',
  },
  READONLY: {
    code: 'unavailable',
    remedy:
      'this Redis is a replica; if the master has not just changed, set REDIS_URL to the master',
  },
  NOREPLICAS: {
    code: 'unavailable',
    remedy: 'fewer replicas are connected than Redis requires for a write',
  },
  NOAUTH: { code: 'unavailable', remedy: 'set the password in REDIS_URL' },
  WRONGPASS: { code: 'unavailable', remedy: 'check user and password in REDIS_URL' },
  NOPERM: { code: 'unavailable', remedy: 'give the user of REDIS_URL this permission' },
};

/** Converts an error reply. Replies that the table does not list may be temporary. */
export const errorFromReply = (url: string, { message }: Error): StoreError => {
  const [firstWord = ''] = message.split(' ');
  const known = ERROR_REPLIES[firstWord];
  const remedy = known === undefined ? '' : `: ${known.remedy}`;
  return new StoreError(
    known?.code ?? 'unavailable',
    `${url} returned "${truncate(message)}"${remedy}`,
  );
};

/** The data has a format that this version cannot read. */
export const newerFormat = (url: string, format: string): StoreError =>
  errorFromReply(url, new Error(`PENNONNEWER ${format}`));

/** What another application writes to the keys of a ledger comes back as fast as it is removed. */
export const foreignData = (url: string): StoreError =>
  errorFromReply(url, new Error('PENNONCORRUPT another application writes to the keys of Pennon'));

/** Redis copies its data from a master, and may have lost it without notice. */
export const isReplica = (url: string): StoreError =>
  new StoreError(
    'unavailable',
    `${url} is a replica, so it refuses writes, and its data may be out of date: set REDIS_URL to the master, or to the Sentinels that know it`,
  );

/** Redis cannot be reached. Nothing was sent, so nothing was done. */
export const unreachable = (url: string, reason: string): StoreError =>
  new StoreError('unavailable', `${url} cannot be reached (${truncate(reason)})`);

/** Redis did not reply to a read. */
export const noReply = (url: string, reason: string): StoreError =>
  new StoreError('unavailable', `${url} did not reply (${truncate(reason)})`);

/** Redis did not reply to a commit, which may have been made completely and may still be made. */
export const commitUnknown = (url: string): StoreError =>
  new StoreError('unavailable', `${url} ${COMMIT_UNKNOWN}`, {
    clientMessage: `the store ${COMMIT_UNKNOWN}`,
  });

const COMMIT_UNKNOWN =
  'did not reply in time, so it is not known whether the change was made: check before you try again';

export const storeClosed = (): StoreError => new StoreError('unavailable', 'the store is closed');

const MAX_REASON_LENGTH = 300;

const truncate = (reason: string): string =>
  reason.length > MAX_REASON_LENGTH ? `${reason.slice(0, MAX_REASON_LENGTH)}…` : reason;
