import crypto, { randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

import { LRUCache } from 'lru-cache';

import type { Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';

/** Hashes and checks passwords. Both take long on purpose, so only a few are done at the same time. */
export type Passwords = {
  /** Returns what is stored of a password. Throws TOO_MANY_REQUESTS if too many are being hashed. */
  hash(password: string): Promise<string>;
  /**
   * Whether a password has this hash. Without a hash it takes as long and returns false. Counts failures for a subject,
   * and throws TOO_MANY_REQUESTS while that has to wait.
   */
  verify(password: string, hash: string | undefined, subject: string): Promise<boolean>;
};

const SALT_BYTES = 16;
const HASH_BYTES = 32;
const ARGON2 = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SCRYPT = { N: 32_768, r: 8, p: 3, maxmem: 67_108_864 } as const;
const MAX_AT_ONCE = 2;
/** Node.js before 24.7 lacks argon2. */
const ALGORITHM = 'argon2' in crypto ? 'argon2id' : 'scrypt';

const scrypt = promisify<string, Buffer, number, crypto.ScryptOptions, Buffer>(crypto.scrypt);

const derive = async (algorithm: string, password: string, salt: Buffer): Promise<Buffer> => {
  const message = password.normalize('NFKC');
  if (algorithm === 'scrypt') return scrypt(message, salt, HASH_BYTES, SCRYPT);
  if (algorithm !== ALGORITHM) throw needsNewerNode();
  const argon2 = promisify(crypto.argon2);
  return argon2('argon2id', { ...ARGON2, message, nonce: salt, tagLength: HASH_BYTES });
};

const needsNewerNode = (): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    'this server cannot check the password: it needs Node.js 24.7 or newer, as the server that stored it has',
  );

export const createPasswords = (clock: Clock): Passwords => {
  const inTurn = createTurns();
  const failures = createFailures(clock);
  const hashNow = async (password: string): Promise<string> => {
    const salt = randomBytes(SALT_BYTES);
    const hash = await derive(ALGORITHM, password, salt);
    return [ALGORITHM, salt.toString('base64url'), hash.toString('base64url')].join('$');
  };
  let unknown: Promise<string> | undefined;
  /** Returns what the passwords of unknown people are compared with. */
  const unknownHash = () => (unknown ??= hashNow(randomBytes(SALT_BYTES).toString('hex')));
  return {
    hash: password => inTurn(() => hashNow(password)),
    async verify(password, hash, subject) {
      failures.requireNoWait(subject);
      const isRight = await inTurn(async () => isHashOf(password, hash ?? (await unknownHash())));
      failures.note(subject, isRight && hash !== undefined);
      return isRight && hash !== undefined;
    },
  };
};

const isHashOf = async (password: string, stored: string): Promise<boolean> => {
  const [algorithm = '', salt = '', hash = ''] = stored.split('$');
  const expected = Buffer.from(hash, 'base64url');
  const derived = await derive(algorithm, password, Buffer.from(salt, 'base64url'));
  return derived.length === expected.length && timingSafeEqual(derived, expected);
};

const createTurns = () => {
  let running = 0;
  return async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (running >= MAX_AT_ONCE)
      throw tooMany('the server checks other passwords at the moment: try again', 1);
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
    }
  };
};

const FREE_FAILURES = 5;
const MAX_WAIT_SECONDS = 900;
const MAX_SUBJECTS = 10_000;

/** Failures in memory. Each after the first ones doubles the wait. */
const createFailures = (clock: Clock) => {
  const bySubject = new LRUCache<string, { count: number; until: number }>({ max: MAX_SUBJECTS });
  return {
    requireNoWait(subject: string): void {
      const ms = (bySubject.get(subject)?.until ?? 0) - clock.monotonic();
      if (ms > 0) throw tooMany('too many wrong passwords: wait before the next one', ms / 1_000);
    },
    note(subject: string, isRight: boolean): void {
      if (isRight) return void bySubject.delete(subject);
      const count = (bySubject.get(subject)?.count ?? 0) + 1;
      const seconds =
        count < FREE_FAILURES ? 0 : Math.min(MAX_WAIT_SECONDS, 2 ** (count - FREE_FAILURES));
      bySubject.set(subject, { count, until: clock.monotonic() + seconds * 1_000 });
    },
  };
};

const tooMany = (message: string, seconds: number): PennonError =>
  new PennonError('TOO_MANY_REQUESTS', message, {
    retryAfterSeconds: Math.max(1, Math.ceil(seconds)),
  });
