import { describeIssues } from '@pennon/schema';
import { z } from 'zod';

import { PREFIX } from './store/redis/keys.ts';
import { parseRedisUrl, type RedisAddress } from './store/redis/url.ts';

const wholeNumber = (min: number, max: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`))
    .default(fallback);

const KEY_LENGTH = 24;

/** The form is said in the message, and the URL never: it may hold a password. */
const redisUrl = z.string().transform((url, context): RedisAddress => {
  const parsed = parseRedisUrl(url);
  if ('address' in parsed) return parsed.address;
  context.addIssue({ code: 'custom', message: parsed.problem });
  return z.NEVER;
});

/** Every setting, by environment variable. The README's table lists them all; a test compares. */
export const Settings = z.object({
  PORT: wholeNumber(0, 65_535, 4400).describe('Port to listen on; 0 picks a free one.'),
  HOST: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  PENNON_DATA: z
    .string()
    .min(1)
    .default('./pennon-data')
    .describe('Directory of the embedded store.'),
  REDIS_URL: redisUrl
    .optional()
    .describe('Where the shared Redis is, in place of the embedded store.'),
  PENNON_REDIS_PREFIX: z
    .string()
    .regex(PREFIX, 'must be 1 to 64 letters, digits or ._:-')
    .default('pennon')
    .describe('What all keys in Redis begin with: several installations can share one Redis.'),
  PENNON_AUDIT_MAX_ENTRIES: wholeNumber(0, 1_000_000_000, 0).describe(
    'Audit entries that Redis keeps of each environment, about; 0 keeps them all.',
  ),
  PENNON_WORKERS: wholeNumber(1, 64, 1).describe(
    'Server processes on the one port; more than one takes Redis.',
  ),
  PENNON_ADMIN_KEY: z
    .string()
    .min(KEY_LENGTH, `must have at least ${KEY_LENGTH} characters`)
    .max(512, 'must have at most 512 characters')
    .regex(/^[\x21-\x7e]+$/, 'must consist of visible ASCII characters without spaces')
    .optional()
    .describe(
      'The `*` admin key. Unset, the first start writes one to `admin-key` in PENNON_DATA.',
    ),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('How much is logged.'),
  PENNON_RATE_LIMIT: wholeNumber(0, 1_000_000, 5_000).describe(
    'Requests a second by key, and for client keys by key and address; 0 turns it off.',
  ),
  PENNON_TRUST_PROXY: wholeNumber(0, 16, 0).describe(
    'How many proxies stand in front; their X-Forwarded-For is believed.',
  ),
  PENNON_BODY_LIMIT: wholeNumber(1_024, 64 * 1_048_576, 1_048_576).describe(
    'Largest request body in bytes.',
  ),
  PENNON_MAX_STREAMS: wholeNumber(1, 1_000_000, 10_000).describe('Open streams of this server.'),
  PENNON_MAX_CONNECTIONS: wholeNumber(1, 1_000_000, 15_000).describe(
    'Open connections of this server, streams included.',
  ),
  PENNON_CACHE_ENTRIES: wholeNumber(0, 1_000_000, 10_000).describe(
    'Bulk answers kept for a minute; 0 turns the cache off.',
  ),
});

export type Config = {
  readonly port: number;
  readonly host: string;
  readonly dataDirectory: string;
  /** Undefined: the embedded store. */
  readonly redis: RedisConfig | undefined;
  readonly workers: number;
  readonly adminKey: string | undefined;
  readonly logLevel: z.infer<typeof Settings>['LOG_LEVEL'];
  readonly limits: Limits;
};

export type RedisConfig = {
  readonly address: RedisAddress;
  readonly prefix: string;
  readonly auditMaxEntries: number | undefined;
};

/** What one server takes on at the most. */
export type Limits = {
  readonly requestsPerSecond: number;
  readonly trustedProxies: number;
  readonly bodyBytes: number;
  readonly streams: number;
  readonly connections: number;
  readonly cachedAnswers: number;
};

/** A setting that cannot be used; the message names the variable and never its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the settings. An empty variable counts as unset. Throws a ConfigError that names each culprit. */
export const readConfig = (env: Readonly<Record<string, string | undefined>>): Config => {
  const set = Object.fromEntries(
    Object.keys(Settings.shape).flatMap(name => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = Settings.safeParse(set);
  if (!parsed.success) {
    const said = describeIssues(parsed.error).map(({ path, message }) => `${path}: ${message}`);
    throw new ConfigError(`wrong setting: ${said.join('; ')}`);
  }
  const settings = parsed.data;
  refuseWorkersAlone(settings);
  return {
    port: settings.PORT,
    host: settings.HOST,
    dataDirectory: settings.PENNON_DATA,
    redis: redisOf(settings),
    workers: settings.PENNON_WORKERS,
    adminKey: settings.PENNON_ADMIN_KEY,
    logLevel: settings.LOG_LEVEL,
    limits: {
      requestsPerSecond: settings.PENNON_RATE_LIMIT,
      trustedProxies: settings.PENNON_TRUST_PROXY,
      bodyBytes: settings.PENNON_BODY_LIMIT,
      streams: settings.PENNON_MAX_STREAMS,
      connections: settings.PENNON_MAX_CONNECTIONS,
      cachedAnswers: settings.PENNON_CACHE_ENTRIES,
    },
  };
};

const redisOf = (settings: z.infer<typeof Settings>): RedisConfig | undefined =>
  settings.REDIS_URL && {
    address: settings.REDIS_URL,
    prefix: settings.PENNON_REDIS_PREFIX,
    auditMaxEntries: settings.PENNON_AUDIT_MAX_ENTRIES || undefined,
  };

/** One process owns the embedded store. */
const refuseWorkersAlone = ({ PENNON_WORKERS, REDIS_URL }: z.infer<typeof Settings>): void => {
  if (PENNON_WORKERS === 1 || REDIS_URL !== undefined) return;
  throw new ConfigError(
    'wrong setting: PENNON_WORKERS: several processes need the shared store; set REDIS_URL, or leave it at 1',
  );
};
