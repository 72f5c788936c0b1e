import type { Logger } from '@openfeature/server-sdk';
import {
  BOOLEAN,
  connectionProblem,
  durationProblem,
  formProblem,
  isJsonObject,
  isKey,
  LOGGER,
  LONGEST_TIMER_MS,
  originProblem,
  unknownOption,
} from '@pennon/sync';
import type { OptionForm, Runtime } from '@pennon/sync';

import type { LocalFlags } from './flag-file.ts';
import { CACHE_FILE, isPath, PATH, sameFileProblem } from './paths.ts';
import { parseProxy, proxyFor } from './proxy.ts';

type CommonOptions = {
  /** How long `initialize` waits for flags, in milliseconds. Default: 2,000. */
  readonly initTimeoutMs?: number | undefined;
  /**
   * Receives warnings: flags that may be out of date, malformed flags, files that cannot be read or written.
   * Default: the logger of OpenFeature.
   */
  readonly logger?: Logger | undefined;
};

type InitialFlagsOptions = {
  /**
   * The flags to start with if the server or the file provides none: the path of a JSON or YAML file, or an
   * object. Either a flag set in the format of `GET /api/v1/flag-set`, or flags in the short form.
   */
  readonly bootstrap?: string | object | undefined;
};

/** How the exposures of experiments, and what the application tracks, are sent. */
export type EventOptions = {
  /** `false` sends nothing. */
  readonly enabled?: boolean | undefined;
  /** How long an event waits for others, in milliseconds. Default: 5,000. */
  readonly flushMs?: number | undefined;
  /** How many events may wait. Default: 10,000. */
  readonly queue?: number | undefined;
  /** Sends the SHA-256 of units. The server then cannot verify which variants they should get. */
  readonly hashUnits?: boolean | undefined;
};

type ServerOptions = CommonOptions &
  InitialFlagsOptions & {
    /** Required if the key is for all environments; otherwise the key implies it. */
    readonly environment?: string | undefined;
    /** `in-process` (default) evaluates flags in this process; `remote` evaluates them on the server. */
    readonly mode?: 'in-process' | 'remote' | undefined;
    /** `false` polls instead of opening a stream. */
    readonly stream?: boolean | undefined;
    /** The interval between polls without a stream, in milliseconds. Default: 30,000. */
    readonly pollIntervalMs?: number | undefined;
    /** Keeps the last known good flags, to start without the server. Each provider needs its own file. */
    readonly cacheFile?: string | undefined;
    /** Remote mode: how long results are cached, in milliseconds. Default: 60,000. */
    readonly cacheTtlMs?: number | undefined;
    /** Remote mode: how many results are cached. Default: 10,000; 0 turns the cache off. */
    readonly cacheEntries?: number | undefined;
    /** Remote mode: how long an evaluation waits for the server, in milliseconds. Default: 2,000. */
    readonly requestTimeoutMs?: number | undefined;
    /** Headers to add to each request, such as those that a proxy requires. */
    readonly headers?: Readonly<Record<string, string>> | undefined;
    /**
     * The URL of an HTTP proxy, such as `http://proxy:3128`, which may contain a user and a password. Default: the
     * environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
     */
    readonly proxy?: string | undefined;
    /**
     * Sends all requests, such as a `fetch` that trusts another authority. It decides about proxies, and whether
     * connections are used again after a pause. Default: connections of this provider.
     */
    readonly fetch?: Runtime['fetch'] | undefined;
    /** `false` does not report how often this process evaluates each flag. */
    readonly usage?: boolean | undefined;
    /** How exposures and tracking events are sent. */
    readonly events?: EventOptions | undefined;
  };

/** Flags from a server. */
export type OnlineOptions = ServerOptions & {
  /** The address of the server, such as `https://flags.example.com`. */
  readonly url: string;
  /** An API key with the role `server`. */
  readonly key: string;
};

/** Flags from a file, without any network. */
export type OfflineOptions = CommonOptions &
  InitialFlagsOptions & {
    /**
     * The path of a JSON file, or of a YAML file if it ends in .yaml or .yml. Either a flag set in the format
     * of `GET /api/v1/flag-set`, or flags in the short form. Edits take effect within a second.
     */
    readonly offlineFile: string;
  };

/** Flags for tests, without a server or a file. */
export type FlagsOptions = CommonOptions & {
  /** The flags by key, each a value or a flag in the short form. `setFlags` replaces them. */
  readonly flags: LocalFlags;
};

/** `url` and `key` are by default the environment variables PENNON_URL and PENNON_KEY. */
export type PennonProviderOptions =
  | (ServerOptions & { readonly url?: string | undefined; readonly key?: string | undefined })
  | OfflineOptions
  | FlagsOptions;

/** The options with the defaults that environment variables provide. */
export type ResolvedOptions = OnlineOptions | OfflineOptions | FlagsOptions;

export const isOffline = (options: PennonProviderOptions): options is OfflineOptions =>
  'offlineFile' in options && options.offlineFile !== undefined;

export const isLocal = (options: PennonProviderOptions): options is FlagsOptions =>
  'flags' in options && options.flags !== undefined;

export const isRemote = (options: ResolvedOptions): options is OnlineOptions =>
  'url' in options && options.mode === 'remote';

const fail = (message: string): never => {
  throw new TypeError(`PennonProvider: ${message}`);
};

/** The options that are milliseconds, with the longest. What uses a timer is limited by it. */
const DURATIONS = {
  initTimeoutMs: Infinity,
  pollIntervalMs: LONGEST_TIMER_MS,
  cacheTtlMs: Infinity,
  requestTimeoutMs: LONGEST_TIMER_MS,
};

const failIf = (problem: string | undefined): void => {
  if (problem !== undefined) fail(problem);
};

/** The options of `refresh`. */
export type RefreshOptions = {
  /** How long to wait for the server, in milliseconds. Default: 2,000. */
  readonly timeoutMs?: number | undefined;
};

const REFRESH_TIMEOUT_MS = 2_000;

/** Returns how long a refresh may take. Throws if the options can never work. */
export const refreshTimeout = (options: RefreshOptions): number => {
  if (!isJsonObject(options)) fail('refresh: pass an object, such as { timeoutMs: 500 }');
  const problem = unknownOption(options, ['timeoutMs']);
  if (problem !== undefined) fail(`refresh: ${problem}`);
  failIf(durationProblem(options, { timeoutMs: Infinity }));
  return options.timeoutMs ?? REFRESH_TIMEOUT_MS;
};

const FORMS: Readonly<Record<string, OptionForm>> = {
  mode: [value => value === 'in-process' || value === 'remote', '"in-process" or "remote"'],
  environment: [isKey, 'the key of an environment, such as "production"'],
  stream: BOOLEAN,
  usage: BOOLEAN,
  cacheFile: CACHE_FILE,
  offlineFile: PATH,
  bootstrap: [value => isPath(value) || isJsonObject(value), `an object with flags, or ${PATH[1]}`],
  cacheEntries: [
    value => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
    'a whole number of at least 0',
  ],
  events: [isJsonObject, 'an object, such as { enabled: false }'],
  logger: LOGGER,
};

const EVENT_FORMS: Readonly<Record<keyof EventOptions, OptionForm>> = {
  enabled: BOOLEAN,
  flushMs: [
    value => typeof value === 'number' && value >= 1 && value <= LONGEST_TIMER_MS,
    `a number of milliseconds of at least 1, and at most ${LONGEST_TIMER_MS}`,
  ],
  queue: [
    value => typeof value === 'number' && Number.isSafeInteger(value) && value > 0,
    'a whole number of at least 1',
  ],
  hashUnits: BOOLEAN,
};

/** Returns what is wrong with the option `events`, or undefined. */
const eventsProblem = (options: PennonProviderOptions): string | undefined => {
  const events = 'events' in options ? (options.events ?? {}) : {};
  const problem =
    unknownOption(events, Object.keys(EVENT_FORMS)) ?? formProblem(events, EVENT_FORMS);
  return problem && `"events": ${problem}`;
};

/** All options. TypeScript rejects a table that lacks one. */
const OPTIONS: Record<keyof OnlineOptions | keyof OfflineOptions | keyof FlagsOptions, true> = {
  url: true,
  key: true,
  environment: true,
  mode: true,
  cacheFile: true,
  bootstrap: true,
  initTimeoutMs: true,
  stream: true,
  pollIntervalMs: true,
  cacheTtlMs: true,
  cacheEntries: true,
  requestTimeoutMs: true,
  headers: true,
  proxy: true,
  fetch: true,
  usage: true,
  events: true,
  logger: true,
  offlineFile: true,
  flags: true,
};

/** The environment variables of the process. */
type Variables = Readonly<Record<string, string | undefined>>;

/** Returns the options with `url` and `key`. Empty variables count as missing. */
const withVariables = (
  options: Exclude<PennonProviderOptions, OfflineOptions | FlagsOptions>,
  variables: Variables,
): OnlineOptions => {
  const url = options.url ?? (variables['PENNON_URL'] || undefined);
  const key = options.key ?? (variables['PENNON_KEY'] || undefined);
  if (url === undefined)
    return fail(
      'pass "url" and "key" (or set PENNON_URL and PENNON_KEY), "offlineFile" or "flags"',
    );
  if (key === undefined) return fail('pass "key", or set PENNON_KEY');
  const names = {
    url: options.url === undefined ? 'PENNON_URL' : '"url"',
    key: options.key === undefined ? 'PENNON_KEY' : '"key"',
  };
  failIf(connectionProblem({ ...options, url, key }, names));
  return { ...options, url, key, proxy: resolveProxy(url, options, variables) };
};

/** Returns the URL of the proxy to use, if any. */
const resolveProxy = (
  url: string,
  { proxy, fetch }: ServerOptions,
  variables: Variables,
): string | undefined => {
  if (fetch !== undefined && proxy === undefined) return undefined;
  if (fetch !== undefined) return fail('pass either "fetch" or "proxy", not both');
  const setting = proxyFor(url, proxy, variables);
  if (setting === undefined) return undefined;
  return (
    parseProxy(setting.value) ??
    fail(
      `${setting.name} must be the URL of an HTTP proxy, such as "http://proxy:3128", with a port that "fetch" does not block`,
    )
  );
};

const COMMON = ['initTimeoutMs', 'logger'];

/** Fails if an option has no effect, because the flags come from elsewhere. */
const validateOrigin = (options: PennonProviderOptions): void => {
  if (isLocal(options)) failIf(originProblem(options, 'flags', COMMON));
  else if (isOffline(options))
    failIf(originProblem(options, 'offlineFile', [...COMMON, 'bootstrap']));
};

/** Returns a warning for each option that has no effect beside the others. */
export const optionWarnings = (options: ResolvedOptions): readonly string[] => {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const names = given.map(([name]) => name);
  if (!isRemote(options))
    return names
      .filter(name => REMOTE_OPTIONS.has(name))
      .map(name => `the option "${name}" has no effect unless "mode" is "remote"`);
  return options.cacheEntries === 0 && names.includes('cacheTtlMs')
    ? ['the option "cacheTtlMs" has no effect, because "cacheEntries" is 0']
    : [];
};

const REMOTE_OPTIONS = new Set(['cacheTtlMs', 'cacheEntries', 'requestTimeoutMs']);

/**
 * Returns the options with the defaults that environment variables provide. Throws on options that can never
 * work, so the stack trace shows the code that passed them.
 */
export const resolveOptions = (
  options: PennonProviderOptions,
  variables: Variables,
): ResolvedOptions => {
  failIf(unknownOption(options, Object.keys(OPTIONS)));
  failIf(durationProblem(options, DURATIONS));
  failIf(formProblem(options, FORMS));
  failIf(eventsProblem(options));
  validateOrigin(options);
  failIf(sameFileProblem(options));
  if (isOffline(options) || isLocal(options)) return options;
  return withVariables(options, variables);
};
