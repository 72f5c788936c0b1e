/** Where the flags come from before the server has answered, or where it does not. */
type Fallback = {
  /**
   * A file of JSON or YAML, or the same as an object: a flag set as `GET /api/v1/flag-set` answers it, or
   * flags in the short form.
   */
  readonly bootstrap?: string | object | undefined;
  /** How long `initialize` waits for the flags; 2,000 by default. */
  readonly initTimeoutMs?: number | undefined;
};

/** Flags of a server. */
export type OnlineOptions = Fallback & {
  /** Where the server is, such as `https://flags.example.com`. */
  readonly url: string;
  /** An API key of the role `server`. */
  readonly key: string;
  /** Only for a key of all environments, which must name one. */
  readonly environment?: string | undefined;
  /** `in-process`, the default, evaluates here, on flags that follow the server. `remote` asks the server. */
  readonly mode?: 'in-process' | 'remote' | undefined;
  /** False: no stream, only polls. */
  readonly stream?: boolean | undefined;
  /** Between polls while there is no stream; 30,000 by default. */
  readonly pollIntervalMs?: number | undefined;
  /** A file that holds the last flags that were good, for a start without the server. One for each provider. */
  readonly cacheFile?: string | undefined;
  /** Remote: how long an answer is kept; 60,000 by default. */
  readonly cacheTtlMs?: number | undefined;
  /** Remote: how many answers are kept at once; 10,000 by default, 0 keeps none. */
  readonly cacheEntries?: number | undefined;
  /** Remote: how long an evaluation waits for the server; 2,000 by default. */
  readonly requestTimeoutMs?: number | undefined;
};

/** Flags of a file, and no network at all. */
export type OfflineOptions = Fallback & {
  /**
   * JSON, or YAML where its name ends in .yaml or .yml: a flag set as `GET /api/v1/flag-set` answers it, or
   * flags in the short form. Its edits are followed.
   */
  readonly offlineFile: string;
};

export type PennonProviderOptions = OnlineOptions | OfflineOptions;

export const isOffline = (options: PennonProviderOptions): options is OfflineOptions =>
  'offlineFile' in options && options.offlineFile !== undefined;

const refuse = (message: string): never => {
  throw new TypeError(`PennonProvider: ${message}`);
};

const DURATIONS = ['initTimeoutMs', 'pollIntervalMs', 'cacheTtlMs', 'requestTimeoutMs'] as const;

const checkDurations = (options: Partial<OnlineOptions>): void => {
  for (const name of DURATIONS) {
    const value = options[name];
    if (value !== undefined && !(typeof value === 'number' && value > 0)) {
      refuse(`"${name}" must be a number of milliseconds above 0`);
    }
  }
};

const MODES = new Set<unknown>(['in-process', 'remote', undefined]);

const checkServer = ({ url, key, mode }: OnlineOptions): void => {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    refuse('"url" must be the address of a server, such as "https://flags.example.com"');
  }
  if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key)) {
    refuse('"key" must be an API key: visible ASCII characters without spaces');
  }
  if (!MODES.has(mode)) refuse('"mode" must be "in-process" or "remote"');
};

/** Refuses what can never work, while the stack still shows who wrote it. */
export const checkOptions = (options: PennonProviderOptions): void => {
  checkDurations(options);
  if (!isOffline(options)) return checkServer(options);
  if ('url' in options && options.url !== undefined) {
    refuse('give either "url" or "offlineFile": a file is followed without a server');
  }
};
