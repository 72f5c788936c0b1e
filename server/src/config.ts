import { describeIssues } from '@pennon/schema';
import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';

import { BLOCKED_PORTS, isHost } from './addresses.ts';
import { OIDC_SETTINGS, oidcOf, oidcProblems, type OidcSettings } from './oidc-settings.ts';
import { PREFIX } from './store/redis/keys.ts';
import {
  locateStore,
  storeUrlProblem,
  type StoreLocation,
  type StoreSetting,
} from './store/stores.ts';

const numberText = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const wholeNumber = (min: number, max: number, fallback: number) =>
  numberText(min, max).default(fallback);

const wholeNumberOrUnset = (min: number, max: number) => numberText(min, max).optional();

const MAX_LOG_MIB = 1_048_576;

const MIN_ADMIN_KEY_LENGTH = 24;
/** An entry takes at most a sixteenth of the cache. */
const MIN_CACHE_BYTES = 1_048_576;

/** Paths that would hide a probe, or that are probably the whole path of a route. */
const PATH_OF_ROUTE =
  /^\/(healthz|readyz)(\/|$)|\/(healthz|readyz|metrics|docs|trpc|openapi\.json|api\/v1)$/;

/** Some programs read `NAME="value"` in a file with the quotes. */
const isQuoted = (text: string): boolean => /^(["']).*\1$/s.test(text);

const storeUrl = (setting: StoreSetting) =>
  z.string().superRefine((url, context) => {
    const message = storeUrlProblem(setting, url);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** Every setting, by environment variable. A test compares them with the table in the README. */
export const Settings = z.object({
  PORT: wholeNumber(0, 65_535, 4400)
    .refine(
      port => !BLOCKED_PORTS.has(port),
      'must be a port to which browsers and fetch connect, such as 4400; they block this one',
    )
    .describe('Port to listen on; 0 picks a free one.'),
  HOST: z
    .string()
    .refine(
      isHost,
      'must be an IP address or a host name without a scheme, port or brackets, such as 0.0.0.0; the port is in PORT',
    )
    .default('127.0.0.1')
    .describe('Address to listen on, or a name, which stands for all its addresses.'),
  PENNON_DATA: storeUrl('PENNON_DATA')
    .default('./pennon-data')
    .describe('Directory of the embedded store, or `:memory:` to store nothing on disk.'),
  REDIS_URL: storeUrl('REDIS_URL')
    .optional()
    .describe('Address of a shared Redis, instead of the embedded store.'),
  PENNON_REDIS_PREFIX: z
    .string()
    .regex(PREFIX, 'must be 1 to 64 letters, digits or ._:-')
    .default('pennon')
    .describe('Prefix of all keys in Redis, so that several installations can share one Redis.'),
  PENNON_EVENTS_REDIS_URL: storeUrl('REDIS_URL')
    .optional()
    .describe('Address of a Redis for the events of experiments; if unset, that of `REDIS_URL`.'),
  PENNON_EVENTS_LOG_MIB: wholeNumberOrUnset(1, MAX_LOG_MIB).describe(
    'MiB of the log of events of an environment; if unset, 256 in Redis and 2048 in the embedded store. Events that are not counted yet are kept beyond it.',
  ),
  PENNON_EVENTS_UNITS: z
    .enum(['hashed', 'clear'], 'must be "hashed" or "clear"')
    .default('hashed')
    .describe(
      'With `clear`, the log and its export also have the units themselves, to join them in a warehouse.',
    ),
  PENNON_AUDIT_MAX_ENTRIES: wholeNumber(0, 1_000_000_000, 0).describe(
    'Approximate number of audit entries that Redis keeps per environment; 0 keeps all.',
  ),
  PENNON_WORKERS: wholeNumber(1, 64, 1).describe(
    'Server processes on one port; more than one requires Redis.',
  ),
  PENNON_ADMIN_KEY: z
    .string()
    .min(MIN_ADMIN_KEY_LENGTH, `must have at least ${MIN_ADMIN_KEY_LENGTH} characters`)
    .max(512, 'must have at most 512 characters')
    .regex(/^[\x21-\x7e]+$/, 'must consist of visible ASCII characters without spaces')
    .refine(key => !isQuoted(key), 'must not have quotes around it')
    .optional()
    .describe(
      'The `*` admin key. If unset, the first start writes one to `admin-key` in PENNON_DATA, or prints it with `:memory:`.',
    ),
  PENNON_INIT: z
    .enum(['empty'], 'must be "empty", or unset')
    .optional()
    .describe(
      'With `empty`, a start on a Redis that has lost its data begins with empty data, in place of waiting for a restore.',
    ),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Level of the log.'),
  PENNON_RATE_LIMIT: wholeNumber(0, 1_000_000, 5_000).describe(
    'Requests per second and key, for client keys per key and address; 0 disables the limit.',
  ),
  PENNON_TRUST_PROXY: wholeNumber(0, 16, 0).describe(
    'Number of proxies in front of the server; their X-Forwarded-For is trusted.',
  ),
  PENNON_BASE_PATH: z
    .string()
    .max(200, 'must have at most 200 characters')
    .regex(
      /^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/,
      'must begin with "/", not end with it, and have only letters, digits and -._~ between, such as "/flags"; leave it unset to serve at the root',
    )
    .refine(
      path => !PATH_OF_ROUTE.test(path),
      'must be the path above all routes, such as "/flags", not the path of a route of Pennon',
    )
    .optional()
    .describe('Path below which everything is served, such as `/flags`, behind a proxy.'),
  PENNON_BODY_LIMIT: wholeNumber(1_024, 64 * 1_048_576, 1_048_576).describe(
    'Largest request body in bytes.',
  ),
  PENNON_MAX_FLAGS: wholeNumber(1, 1_000_000, 20_000).describe(
    'Maximum number of flags in an environment.',
  ),
  PENNON_MAX_SEGMENTS: wholeNumber(1, 1_000_000, 10_000).describe(
    'Maximum number of segments in an environment.',
  ),
  PENNON_MAX_FLAG_SET_BYTES: wholeNumber(1_024, 256 * 1_048_576, 64 * 1_048_576).describe(
    'Maximum bytes of the flags and segments of an environment, as JSON.',
  ),
  PENNON_MAX_STREAMS: wholeNumber(1, 1_000_000, 10_000).describe(
    'Maximum number of open streams; if unset, at most two thirds of the connections.',
  ),
  PENNON_MAX_STREAMS_PER_ADDRESS: wholeNumber(0, 1_000_000, 0).describe(
    'Maximum number of open streams of client keys of one address; 0 is a quarter of all.',
  ),
  PENNON_MAX_CONNECTIONS: wholeNumber(1, 1_000_000, 15_000).describe(
    'Maximum number of open connections, streams included.',
  ),
  PENNON_MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(0, 1_000_000, 0).describe(
    'Maximum number of open connections of one address; 0 is half of all, and no limit with PENNON_TRUST_PROXY.',
  ),
  PENNON_IPV6_PREFIX: wholeNumber(16, 128, 64).describe(
    'Leading bits of an IPv6 address that are one visitor for limits by address.',
  ),
  PENNON_READY_MAX_SOURCE_AGE: wholeNumber(0, 86_400, 60).describe(
    'Seconds without the store after which `/readyz` responds with 503; 0 stays ready.',
  ),
  PENNON_CACHE_ENTRIES: wholeNumber(0, 1_000_000, 10_000).describe(
    'Bulk evaluations cached for a minute; 0 disables the cache.',
  ),
  PENNON_CACHE_BYTES: wholeNumber(0, 16_384 * 1_048_576, 64 * 1_048_576)
    .refine(
      bytes => bytes === 0 || bytes >= MIN_CACHE_BYTES,
      `must be 0, or at least ${MIN_CACHE_BYTES} to hold any evaluation`,
    )
    .describe('Memory of the cached bulk evaluations in bytes; 0 disables the cache.'),
  PENNON_CLIENT_RULE_IDS: wholeNumber(0, 1, 0).describe(
    '1 adds the ids of rules to results for client keys, to debug.',
  ),
  PENNON_SESSION_HOURS: wholeNumber(1, 8_760, 12).describe(
    'Hours after which a browser must sign in again.',
  ),
  PENNON_PASSWORDS: z
    .enum(['on', 'off'], 'must be "on" or "off"')
    .default('on')
    .describe('`off` lets people sign in without passwords only.'),
  ...OIDC_SETTINGS,
  PENNON_INSECURE_COOKIES: wholeNumber(0, 1, 0).describe(
    '1 lets browsers sign in over plain HTTP from other machines; anyone on the network can then take over a session.',
  ),
  PENNON_CONSOLE: z
    .enum(['on', 'off'], 'must be "on" or "off"')
    .default('on')
    .describe('With `off`, the server neither builds nor serves the console at `/`.'),
  PENNON_SHUTDOWN_GRACE: wholeNumber(0, 300, 5).describe(
    'Seconds that the server continues to serve after SIGTERM, while /readyz fails; 0 stops at once.',
  ),
});

type SettingValues = z.infer<typeof Settings>;
type SettingName = keyof SettingValues;

export type Config = {
  readonly port: number;
  readonly host: string;
  readonly store: StoreLocation;
  readonly workers: number;
  readonly adminKey: string | undefined;
  /** Whether to begin with empty data even if the store has lost data. */
  readonly beginsEmpty: boolean;
  readonly logLevel: z.infer<typeof Settings>['LOG_LEVEL'];
  readonly limits: Limits;
  readonly signIn: SignInSettings;
  readonly shutdownGraceMs: number;
  /** Empty, or a path such as `/flags`. */
  readonly basePath: string;
  readonly hasConsole: boolean;
  /** Whether the log of events has the units themselves beside their hashes. */
  readonly keepsUnits: boolean;
};

/** The limits of one server. */
export type Limits = {
  readonly requestsPerSecond: number;
  readonly trustedProxies: number;
  readonly bodyBytes: number;
  /** Of one environment. */
  readonly flags: number;
  readonly segments: number;
  readonly flagSetBytes: number;
  readonly streams: number;
  /** With client keys; 0 for a part of all. */
  readonly streamsPerAddress: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** How many leading bits of an IPv6 address are one visitor. */
  readonly ipv6Prefix: number;
  readonly cachedEvaluations: number;
  /** How old the data of a server may be that is ready; 0 for any age. */
  readonly readySourceAgeSeconds: number;
  readonly cacheBytes: number;
  readonly showsRuleIdsToClients: boolean;
};

/** How people sign in at the console. */
export type SignInSettings = {
  /** How long a session lasts. */
  readonly sessionHours: number;
  /** Whether people may sign in with passwords. */
  readonly passwords: boolean;
  /** Whether browsers may send the cookie over plain HTTP. */
  readonly allowsInsecureCookies: boolean;
  /** Undefined if people cannot sign in with a provider of OpenID Connect. */
  readonly oidc: OidcSettings | undefined;
};

/** An invalid setting. The message contains the name of the variable and never its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Variables of the providers, of the command line client and of the server's own workers. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  'PENNON_KEY',
  'PENNON_WORKER_ANNOUNCES',
  'PENNON_WORKER_CONSOLE',
]);

/** Kubernetes sets these in each container, for each service that has a name such as `pennon`. */
const isServiceLink = (name: string, value: string): boolean =>
  /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
  (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));

const SETTING_NAMES = Settings.keyof().options;
const withoutPrefix = (name: string): string => name.replace(/^PENNON_/, '');

/** Returns the most similar of some names, or undefined when none is similar. */
export const similarName = (name: string, names: readonly string[]): string | undefined => {
  const nearest = closest(name, names);
  return distance(name, nearest) > name.length / 2 ? undefined : nearest;
};

/** Returns the setting with the most similar name, or undefined when none is similar. */
const similarSetting = (name: string): string | undefined => {
  const similar = similarName(withoutPrefix(name.toUpperCase()), SETTING_NAMES.map(withoutPrefix));
  return SETTING_NAMES.find(each => withoutPrefix(each) === similar);
};

/** Settings that are secret, and so cannot be on a command line, which every user can read. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  'PENNON_ADMIN_KEY',
  'PENNON_OIDC_CLIENT_SECRET',
]);

/** Returns the flag of a setting, without its dashes: `log-level` for LOG_LEVEL, `data` for PENNON_DATA. */
export const flagOf = (setting: string): string =>
  withoutPrefix(setting).toLowerCase().replaceAll('_', '-');

/** Returns a problem for each variable that looks like a setting and is not one. */
const unknownVariables = (env: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(env)
    .filter(([name]) => /^PENNON_/i.test(name) && !(name in Settings.shape))
    .filter(([name, value = '']) => !OTHER_VARIABLES.has(name) && !isServiceLink(name, value))
    .map(([name]) => {
      const similar = similarSetting(name);
      return `${name}: is not a setting${similar === undefined ? '' : `; did you mean ${similar}?`}`;
    });

/** Reads the settings. An empty variable is unset. Throws a ConfigError that lists every invalid setting. */
export const readConfig = (env: Readonly<Record<string, string | undefined>>): Config => {
  const values = Object.fromEntries(
    Object.keys(Settings.shape).flatMap(name => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = Settings.safeParse(values);
  const issues = parsed.success ? [] : describeIssues(parsed.error);
  const problems = [
    ...issues.map(({ path, message }) => `${path}: ${message}`),
    ...unknownVariables(env),
  ];
  requireNone(problems);
  if (!parsed.success) throw parsed.error;
  const settings = withStreams(parsed.data, Object.hasOwn(values, 'PENNON_MAX_STREAMS'));
  const store = locateStore(settings);
  requireNone(combinationProblems(settings, store));
  return {
    port: settings.PORT,
    host: settings.HOST,
    store,
    workers: settings.PENNON_WORKERS,
    adminKey: settings.PENNON_ADMIN_KEY,
    beginsEmpty: settings.PENNON_INIT === 'empty',
    logLevel: settings.LOG_LEVEL,
    basePath: settings.PENNON_BASE_PATH ?? '',
    hasConsole: settings.PENNON_CONSOLE === 'on',
    keepsUnits: settings.PENNON_EVENTS_UNITS === 'clear',
    shutdownGraceMs: settings.PENNON_SHUTDOWN_GRACE * 1_000,
    signIn: {
      sessionHours: settings.PENNON_SESSION_HOURS,
      passwords: settings.PENNON_PASSWORDS === 'on',
      allowsInsecureCookies: settings.PENNON_INSECURE_COOKIES === 1,
      oidc: oidcOf(settings),
    },
    limits: {
      requestsPerSecond: settings.PENNON_RATE_LIMIT,
      trustedProxies: settings.PENNON_TRUST_PROXY,
      bodyBytes: settings.PENNON_BODY_LIMIT,
      flags: settings.PENNON_MAX_FLAGS,
      segments: settings.PENNON_MAX_SEGMENTS,
      flagSetBytes: settings.PENNON_MAX_FLAG_SET_BYTES,
      streams: settings.PENNON_MAX_STREAMS,
      streamsPerAddress: settings.PENNON_MAX_STREAMS_PER_ADDRESS,
      connections: settings.PENNON_MAX_CONNECTIONS,
      connectionsPerAddress: connectionsPerAddress(settings),
      ipv6Prefix: settings.PENNON_IPV6_PREFIX,
      cachedEvaluations: settings.PENNON_CACHE_ENTRIES,
      readySourceAgeSeconds: settings.PENNON_READY_MAX_SOURCE_AGE,
      cacheBytes: settings.PENNON_CACHE_BYTES,
      showsRuleIdsToClients: settings.PENNON_CLIENT_RULE_IDS === 1,
    },
  };
};

/** Which part of all connections are streams at most, unless a setting has their number. */
const STREAMS_SHARE = 2 / 3;

/** Lowers the number of streams, if it is not given, so that connections remain for requests. */
const withStreams = (settings: SettingValues, isGiven: boolean): SettingValues => {
  if (isGiven) return settings;
  const share = Math.max(1, Math.floor(settings.PENNON_MAX_CONNECTIONS * STREAMS_SHARE));
  return { ...settings, PENNON_MAX_STREAMS: Math.min(settings.PENNON_MAX_STREAMS, share) };
};

/** Behind a proxy, all connections are from its address. */
const connectionsPerAddress = (settings: SettingValues): number => {
  if (settings.PENNON_MAX_CONNECTIONS_PER_ADDRESS > 0)
    return settings.PENNON_MAX_CONNECTIONS_PER_ADDRESS;
  return settings.PENNON_TRUST_PROXY > 0
    ? Number.POSITIVE_INFINITY
    : Math.ceil(settings.PENNON_MAX_CONNECTIONS / 2);
};

const requireNone = (problems: readonly string[]): void => {
  if (problems.length > 0) throw new ConfigError(`invalid setting: ${problems.join('; ')}`);
};

const DEFAULTS = Settings.parse({});

const NEED_REDIS = [
  'PENNON_REDIS_PREFIX',
  'PENNON_EVENTS_REDIS_URL',
  'PENNON_AUDIT_MAX_ENTRIES',
  'PENNON_INIT',
  'PENNON_READY_MAX_SOURCE_AGE',
] as const satisfies readonly SettingName[];

/** Two bounds of one cache. Either disables it. */
const CACHE_BOUNDS = [
  ['PENNON_CACHE_ENTRIES', 'PENNON_CACHE_BYTES'],
  ['PENNON_CACHE_BYTES', 'PENNON_CACHE_ENTRIES'],
] as const satisfies readonly (readonly [SettingName, SettingName])[];

/** Limits of a part, the limit of the whole, and why the part cannot have more. */
const PARTS = [
  ['PENNON_MAX_STREAMS', 'PENNON_MAX_CONNECTIONS', 'each stream is a connection'],
  ['PENNON_MAX_STREAMS_PER_ADDRESS', 'PENNON_MAX_STREAMS', 'that is the limit of all addresses'],
  [
    'PENNON_MAX_CONNECTIONS_PER_ADDRESS',
    'PENNON_MAX_CONNECTIONS',
    'that is the limit of all addresses',
  ],
] as const satisfies readonly (readonly [SettingName, SettingName, string])[];

/** Returns a problem for each setting that has no effect with the others. */
const combinationProblems = (settings: SettingValues, store: StoreLocation): string[] => [
  ...(store.isShared ? [] : problemsWithoutRedis(settings)),
  ...cacheProblems(settings),
  ...oidcProblems(settings),
  ...PARTS.filter(([part, whole]) => settings[part] > settings[whole]).map(
    ([part, whole, reason]) =>
      `${part}: must be at most ${whole}, which is ${settings[whole]}, because ${reason}`,
  ),
];

const isSet = (settings: SettingValues, name: SettingName): boolean =>
  settings[name] !== DEFAULTS[name];

const problemsWithoutRedis = (settings: SettingValues): string[] => [
  ...(isSet(settings, 'PENNON_WORKERS')
    ? [
        'PENNON_WORKERS: more than one process requires a shared store; set REDIS_URL, or set it to 1',
      ]
    : []),
  ...NEED_REDIS.filter(name => isSet(settings, name)).map(
    name => `${name}: has no effect without Redis; set REDIS_URL, or remove it`,
  ),
];

const cacheProblems = (settings: SettingValues): string[] =>
  CACHE_BOUNDS.filter(
    ([name, other]) => settings[other] === 0 && settings[name] > 0 && isSet(settings, name),
  ).map(([name, other]) => `${name}: has no effect with ${other}=0; remove one of them`);
