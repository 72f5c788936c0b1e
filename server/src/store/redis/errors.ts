import { StoreError, type StoreErrorCode } from '../store.ts';
import { FORMAT } from './keys.ts';

/** Redis answered, and said no: what was asked was certainly not done. */
export const isRefusal = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ReplyError';

/** What Redis refuses with, by the first word of its answer, and what to do about it. */
const REFUSALS: Readonly<Record<string, { code: StoreErrorCode; remedy: string }>> = {
  PENNONNEWER: {
    code: 'newer',
    remedy: `the data was written by a newer Pennon; this version reads format ${FORMAT}. Start that version or a newer one`,
  },
  PENNONCORRUPT: {
    code: 'corrupt',
    remedy: 'the data is not sound. Pennon has left it as it is: restore a backup of Redis',
  },
  WRONGTYPE: {
    code: 'corrupt',
    remedy: 'a key of Pennon holds something else. Set PENNON_REDIS_PREFIX to a prefix of its own',
  },
  OOM: {
    code: 'full',
    remedy: 'Redis has no memory left. Nothing was written; raise its maxmemory or free some',
  },
  MISCONF: {
    code: 'readonly',
    remedy: 'Redis cannot write to its disk and takes no writes. Look at its log',
  },
  READONLY: {
    code: 'unavailable',
    remedy: 'this Redis is a replica; the master may just have changed',
  },
  NOREPLICAS: {
    code: 'unavailable',
    remedy: 'fewer replicas follow than Redis wants before it takes a write',
  },
  NOAUTH: { code: 'unavailable', remedy: 'set the password in REDIS_URL' },
  WRONGPASS: { code: 'unavailable', remedy: 'check user and password in REDIS_URL' },
  NOPERM: { code: 'unavailable', remedy: 'give the user of REDIS_URL this permission' },
};

/** The StoreError that an answer of Redis amounts to. What is not in the table may pass by itself. */
export const refused = (place: string, { message }: Error): StoreError => {
  const [code = ''] = message.split(' ');
  const known = REFUSALS[code];
  const remedy = known === undefined ? '' : `: ${known.remedy}`;
  return new StoreError(known?.code ?? 'unavailable', `${place} said "${short(message)}"${remedy}`);
};

/** The data is of a format that this version does not read. */
export const newer = (place: string, format: string): StoreError =>
  refused(place, new Error(`PENNONNEWER ${format}`));

/** Redis cannot be reached: nothing was sent, so nothing was done. */
export const away = (place: string, reason: string): StoreError =>
  new StoreError('unavailable', `${place} cannot be reached (${short(reason)})`);

/** Sent and not answered, for something that only reads. */
export const silent = (place: string, reason: string): StoreError =>
  new StoreError('unavailable', `${place} did not answer (${short(reason)})`);

/** Sent and not answered: it may have been done, as a whole, and may still be done. */
export const unsettled = (place: string): StoreError =>
  new StoreError(
    'unavailable',
    `${place} did not answer in time, so it is not known whether the change was made: look before you try again`,
  );

export const closed = (): StoreError => new StoreError('unavailable', 'the store is closed');

const LONGEST_REASON = 300;

const short = (reason: string): string =>
  reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON)}…` : reason;

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
