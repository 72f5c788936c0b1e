type CommonOptions = {
  /**
   * The flags to start with if the server or the file provides none: the path of a JSON or YAML file, or an
   * object. Either a flag set in the format of `GET /api/v1/flag-set`, or flags in the short form.
   */
  readonly bootstrap?: string | object | undefined;
  /** How long `initialize` waits for flags, in milliseconds. Default: 2,000. */
  readonly initTimeoutMs?: number | undefined;
};

/** Flags from a server. */
export type OnlineOptions = CommonOptions & {
  /** The address of the server, such as `https://flags.example.com`. */
  readonly url: string;
  /** An API key with the role `server`. */
  readonly key: string;
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
};

/** Flags from a file, without any network. */
export type OfflineOptions = CommonOptions & {
  /**
   * The path of a JSON file, or of a YAML file if it ends in .yaml or .yml. Either a flag set in the format of
   * `GET /api/v1/flag-set`, or flags in the short form. Edits take effect within a second.
   */
  readonly offlineFile: string;
};

export type PennonProviderOptions = OnlineOptions | OfflineOptions;

export const isOffline = (options: PennonProviderOptions): options is OfflineOptions =>
  'offlineFile' in options && options.offlineFile !== undefined;

export const isRemote = (options: PennonProviderOptions): options is OnlineOptions =>
  !isOffline(options) && options.mode === 'remote';

const fail = (message: string): never => {
  throw new TypeError(`PennonProvider: ${message}`);
};

const DURATIONS = ['initTimeoutMs', 'pollIntervalMs', 'cacheTtlMs', 'requestTimeoutMs'] as const;

const validateDurations = (options: Partial<OnlineOptions>): void => {
  for (const name of DURATIONS) {
    const value = options[name];
    if (value !== undefined && !(typeof value === 'number' && value > 0)) {
      fail(`"${name}" must be a number of milliseconds greater than 0`);
    }
  }
};

const MODES = new Set<unknown>(['in-process', 'remote', undefined]);

const validateServer = ({ url, key, mode }: OnlineOptions): void => {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    fail('"url" must be the address of a server, such as "https://flags.example.com"');
  }
  if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key)) {
    fail('"key" must be an API key: visible ASCII characters, no spaces');
  }
  if (!MODES.has(mode)) fail('"mode" must be "in-process" or "remote"');
};

/** Throws on options that can never work, so the stack trace shows the code that passed them. */
export const validateOptions = (options: PennonProviderOptions): void => {
  validateDurations(options);
  if (!isOffline(options)) return validateServer(options);
  if ('url' in options && options.url !== undefined) {
    fail('pass either "url" or "offlineFile", not both');
  }
};
