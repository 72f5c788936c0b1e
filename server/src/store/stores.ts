import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { createMemoryEventStore } from './memory-event-store.ts';
import { openMemoryStore } from './memory.ts';
import { openRedisStore } from './redis/index.ts';
import { describeAddress, parseRedisUrl, REDIS_URL_FORMS, type RedisAddress } from './redis/url.ts';
import { databaseExists, openSqliteStore } from './sqlite/index.ts';
import { StoreError, type Store } from './store.ts';

const MEMORY = ':memory:';

/** The location of a server's data, and the properties of the store there. */
export type StoreLocation = {
  /** For people; contains no credentials. */
  readonly description: string;
  /**
   * Whether several server processes can use the data. They need the same admin key, and a server can
   * start before the store is available.
   */
  readonly isShared: boolean;
  /** The data directory, if the data is in one. */
  readonly data?: { readonly directory: string; readonly exists: () => boolean } | undefined;
  /** The directory of snapshots of the data. Undefined when the store needs none, or nothing is on disk. */
  readonly snapshotDirectory?: string | undefined;
  readonly open: (deps: StoreDeps) => Promise<Store>;
};

export type StoreDeps = {
  readonly random: Random;
  readonly clock: Clock;
  readonly onWarning: (message: string) => void;
};

export type StoreSetting = 'REDIS_URL' | 'PENNON_DATA';

export type StoreSettings = {
  readonly REDIS_URL?: string | undefined;
  readonly PENNON_DATA: string;
  readonly PENNON_REDIS_PREFIX: string;
  /** The Redis of the events, if it is another one. */
  readonly PENNON_EVENTS_REDIS_URL?: string | undefined;
  /** Undefined for the default of the store. */
  readonly PENNON_EVENTS_LOG_MIB?: number | undefined;
  /** 0 keeps all entries. */
  readonly PENNON_AUDIT_MAX_ENTRIES: number;
};

type StoreType = {
  /** The setting that selects this store. */
  readonly setting: StoreSetting;
  /** Why a URL is invalid, if it is. Contains no part of the URL, which may contain a password. */
  readonly problem: (url: string) => string | undefined;
  readonly locate: (url: string, settings: StoreSettings) => StoreLocation;
};

const MIB = 1_048_576;

const logBytes = ({ PENNON_EVENTS_LOG_MIB: size }: StoreSettings): number | undefined =>
  size === undefined ? undefined : size * MIB;

const redis: StoreType = {
  setting: 'REDIS_URL',
  problem(url) {
    const parsed = parseRedisUrl(url);
    return 'problem' in parsed ? parsed.problem : undefined;
  },
  locate(url, settings) {
    const address = redisAddress(url);
    const eventsUrl = settings.PENNON_EVENTS_REDIS_URL;
    const eventsAddress = eventsUrl === undefined ? undefined : redisAddress(eventsUrl);
    const description = describeAddress(address);
    const prefix = settings.PENNON_REDIS_PREFIX;
    const auditMaxEntries = settings.PENNON_AUDIT_MAX_ENTRIES || undefined;
    const directory = directoryOf(settings.PENNON_DATA);
    return {
      description,
      isShared: true,
      snapshotDirectory: directory && snapshotDirectory(directory, `${description} ${prefix}`),
      async open(deps) {
        if (directory !== undefined) requireDirectory(directory);
        const eventLogBytes = logBytes(settings);
        return openRedisStore({
          ...deps,
          address,
          eventsAddress,
          prefix,
          auditMaxEntries,
          eventLogBytes,
        });
      },
    };
  },
};

const sqlite: StoreType = {
  setting: 'PENNON_DATA',
  problem: url => directoryProblem(url),
  locate(url, settings) {
    const directory = directoryOf(url) ?? url;
    return {
      description: directory,
      isShared: false,
      data: { directory, exists: () => databaseExists(directory) },
      async open({ random, onWarning }) {
        requireDirectory(directory);
        return openSqliteStore({ directory, random, onWarning, eventLogBytes: logBytes(settings) });
      },
    };
  },
};

const memory: StoreType = {
  setting: 'PENNON_DATA',
  problem: () => undefined,
  locate: (_, settings) => ({
    description: 'memory, until the server stops',
    isShared: false,
    open: async ({ random }) =>
      openMemoryStore({ random, events: createMemoryEventStore(logBytes(settings)) }),
  }),
};

/** Every type of store, by the scheme of its URL. A path has the scheme ''. */
const STORE_TYPES: Readonly<Record<string, StoreType>> = {
  '': sqlite,
  'file:': sqlite,
  [MEMORY]: memory,
  'redis:': redis,
  'rediss:': redis,
  'redis+sentinel:': redis,
  'rediss+sentinel:': redis,
  'redis+cluster:': redis,
  'rediss+cluster:': redis,
};

const storeTypeOf = (url: string, setting: StoreSetting): StoreType | undefined => {
  const scheme =
    url === MEMORY ? url : (/^(?:[a-z][a-z0-9+.-]+)?:/i.exec(url)?.[0].toLowerCase() ?? '');
  const store = STORE_TYPES[scheme];
  return store?.setting === setting ? store : undefined;
};

const FORMS: Readonly<Record<StoreSetting, string>> = {
  REDIS_URL: REDIS_URL_FORMS,
  PENNON_DATA: 'must be a directory, a file: URL or :memory:; use REDIS_URL for Redis',
};

/** Returns why the value of a setting is not the URL of a store, or undefined when it is. */
export const storeUrlProblem = (setting: StoreSetting, url: string): string | undefined => {
  const store = storeTypeOf(url, setting);
  return store === undefined ? FORMS[setting] : store.problem(url);
};

/** Returns the location of the data for settings without problems. REDIS_URL has priority. */
export const locateStore = (settings: StoreSettings): StoreLocation => {
  const { REDIS_URL, PENNON_DATA } = settings;
  const [setting, url]: [StoreSetting, string] =
    REDIS_URL === undefined ? ['PENNON_DATA', PENNON_DATA] : ['REDIS_URL', REDIS_URL];
  const store = storeTypeOf(url, setting);
  if (store === undefined) throw new Error(`${setting} ${FORMS[setting]}`);
  return store.locate(url, settings);
};

const redisAddress = (url: string): RedisAddress => {
  const parsed = parseRedisUrl(url);
  if ('address' in parsed) return parsed.address;
  throw new Error(`REDIS_URL ${parsed.problem}`);
};

const isFileUrl = (url: string): boolean => /^file:/i.test(url);

/** Returns the directory of a path or a `file:` URL; undefined when the URL is invalid or is not a path. */
const directoryOf = (url: string): string | undefined => {
  if (url === MEMORY) return undefined;
  if (!isFileUrl(url)) return resolve(url);
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
};

/** Only a shell replaces `~` and variables, and only outside quotes. */
const directoryProblem = (url: string): string | undefined => {
  if (directoryOf(url) === undefined || /^file:(?!\/\/)|^file:.*[?#]/i.test(url))
    return 'must be a valid file: URL with an absolute path and nothing after it, such as file:///var/lib/pennon';
  if (/^\s|\s$|\p{Cc}/u.test(url))
    return 'must have no white space at its start or end, and no control characters';
  if (/^(["']).*\1$/.test(url)) return 'must not have quotes around it';
  return /^[~$]/.test(url) ? 'must be a path without "~" and variables' : undefined;
};

/** Snapshots are separate for each Redis and prefix, because they are different data. */
const snapshotDirectory = (directory: string, name: string): string => {
  const id = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return join(directory, `snapshots-${id}`);
};

/** Throws if the path, or the part of it that exists, is not a directory. */
export const requireDirectory = (path: string): void => {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return requireDirectory(dirname(path));
  if (stats.isDirectory()) return;
  throw new StoreError('readonly', `PENNON_DATA: ${path} is not a directory`);
};
