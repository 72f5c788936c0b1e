import { followFlagSet, isAuthError } from '@pennon/sync';
import type {
  FlagSet,
  DataSource,
  FollowerMode,
  FollowerStatus,
  LastError,
  Runtime,
} from '@pennon/sync';

import { files } from './files.ts';
import { readFlagFile } from './flag-file.ts';
import type { Content } from './flag-file.ts';
import type { OnlineOptions } from './options.ts';

/** How current the flags are, and why. `file`: they are an offline file's. */
export type Freshness = {
  readonly mode: FollowerMode | 'file';
  readonly revision: number | undefined;
  /** Since the server last said or showed that these are the flags, or since the file was read. */
  readonly dataAgeMs: number | undefined;
  readonly source: DataSource | 'cacheFile' | 'bootstrap' | 'offlineFile';
  /** Kept when all is well again: `mode` says how things are now. */
  readonly lastError: LastError | undefined;
};

export type Hearing<Told extends Content> = {
  /** Told flags whenever they are other than before. */
  readonly onContent: (content: Told) => void;
  /** Told when anything else about the feed changed, and after `onContent`. */
  readonly onStanding: () => void;
};

/**
 * `current`: what it told last is what its source says now. `refused`: the server does not accept the key.
 * `unusable`: the file cannot be read. `waiting` and `away`: for a first answer, and after one failed.
 */
export type FeedStanding = 'waiting' | 'current' | 'away' | 'refused' | 'unusable';

/** Where flags come from, for as long as it is not stopped. */
export type Feed = {
  readonly standing: () => FeedStanding;
  readonly freshness: () => Freshness;
  stop(): void;
};

export type FeedOptions = Pick<
  OnlineOptions,
  'url' | 'key' | 'environment' | 'stream' | 'pollIntervalMs'
>;

const serverStanding = ({ mode, source, lastError }: FollowerStatus): FeedStanding => {
  if (mode === 'disconnected') {
    return lastError !== undefined && isAuthError(lastError) ? 'refused' : 'away';
  }
  return source === 'stream' || source === 'poll' ? 'current' : 'waiting';
};

/** Follows the flag set of a server, from what is known of it already. */
export const followServer = (
  options: FeedOptions,
  initial: { readonly data: FlagSet; readonly at: number } | undefined,
  { onContent, onStanding }: Hearing<FlagSet>,
  world: Runtime,
): Feed => {
  const { url, key, environment, stream, pollIntervalMs } = options;
  const follower = followFlagSet(
    {
      url,
      key,
      environment,
      stream,
      pollIntervalMs,
      initial,
      onData: onContent,
      onStatus: onStanding,
    },
    world,
  );
  return {
    standing: () => serverStanding(follower.status()),
    freshness: () => follower.status(),
    stop: () => follower.stop(),
  };
};

/** Between two looks at the file. Notices of the file system are not relied on: many never come. */
const LOOK_MS = 1_000;

/** What tells one state of a file from another. */
const stampOf = async (path: string): Promise<string> => {
  const { stat } = await files();
  const { mtimeMs, size, ino } = await stat(path);
  return `${mtimeMs} ${size} ${ino}`;
};

/** What is known of a file, and how it stands. */
const createFileState = (now: () => number) => {
  let standing: FeedStanding = 'waiting';
  let readAt: number | undefined;
  let revision: number | undefined;
  let lastError: LastError | undefined;
  return {
    standing: () => standing,
    learn(content: Content) {
      standing = 'current';
      readAt = now();
      revision = typeof content.revision === 'number' ? content.revision : undefined;
    },
    fail(message: string) {
      standing = 'unusable';
      lastError = { message, status: undefined, at: now() };
    },
    freshness: (): Omit<Freshness, 'mode'> => ({
      revision,
      dataAgeMs: readAt === undefined ? undefined : Math.max(0, now() - readAt),
      source: readAt === undefined ? 'none' : 'offlineFile',
      lastError,
    }),
  };
};

/** Reads a file where it is other than it was; undefined where it is not. */
const readerOf = (path: string): (() => Promise<Content | undefined>) => {
  let stamp: string | undefined;
  return async () => {
    const found = await stampOf(path).catch(() => 'missing');
    if (found === stamp) return undefined;
    stamp = found;
    return readFlagFile(path);
  };
};

/** Follows the edits of a file. One that cannot be used is told of, and changes nothing. */
export const followFile = (
  path: string,
  { onContent, onStanding }: Hearing<Content>,
  { now, setTimer }: Pick<Runtime, 'now' | 'setTimer'>,
): Feed => {
  const state = createFileState(now);
  const readIfChanged = readerOf(path);
  let stopped = false;
  let cancel: () => void = () => undefined;

  const learn = (content: Content | undefined) => {
    if (content === undefined || stopped) return;
    state.learn(content);
    onContent(content);
    onStanding();
  };
  const fail = (error: unknown) => {
    if (stopped) return;
    state.fail(error instanceof Error ? error.message : String(error));
    onStanding();
  };
  const look = async (): Promise<void> => {
    await readIfChanged().then(learn).catch(fail);
    if (!stopped) cancel = setTimer(LOOK_MS, () => void look());
  };

  void look();
  return {
    standing: state.standing,
    freshness: () => ({ mode: stopped ? 'stopped' : 'file', ...state.freshness() }),
    stop() {
      stopped = true;
      cancel();
    },
  };
};
