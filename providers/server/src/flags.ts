import type { FlagSet, Runtime } from '@pennon/sync';

import { createCacheFile } from './cache-file.ts';
import type { CacheFile } from './cache-file.ts';
import { findFallback } from './fallback.ts';
import type { Fallback } from './fallback.ts';
import { followFile, followServer } from './feed.ts';
import type { Feed, FeedStanding, Freshness, Hearing } from './feed.ts';
import type { Content } from './flag-file.ts';
import { createIntake } from './intake.ts';
import { createLive } from './live.ts';
import type { Live } from './live.ts';
import { createNotes, later } from './notes.ts';
import type { Notes } from './notes.ts';
import { isOffline } from './options.ts';
import type { OfflineOptions, OnlineOptions, PennonProviderOptions } from './options.ts';
import { inTurns } from './turns.ts';
import type { View } from './view.ts';

/** The flags of the moment, kept as current as their source allows. */
export type Flags = {
  readonly view: () => View | undefined;
  readonly standing: () => FeedStanding;
  readonly freshness: () => Freshness;
  close(): Promise<void>;
};

export type Listening = {
  /** Told the keys of flags whose answers may differ from now on. */
  readonly onChange: (flagsChanged: string[]) => void;
  /** Told when anything else changed, and after `onChange`. */
  readonly onStanding: () => void;
};

/** What a follower need not be sent again. */
const initialOf = (fallback: Fallback | undefined) => {
  const { content, at } = fallback ?? {};
  return at === undefined || content === undefined || !isWhole(content)
    ? undefined
    : { data: content, at };
};

const isWhole = (content: Content): content is Content & FlagSet =>
  typeof content.id === 'string' &&
  typeof content.revision === 'number' &&
  typeof content.segments === 'object' &&
  content.segments !== null;

/** Compiling is the most that is done to a flag. */
const COMPILED_IN_ONE_TURN = 25;

/** What is wrong with single flags of a file: whoever edits it wants to know. */
const problemsIn = async (path: string, view: View | undefined): Promise<string | undefined> => {
  if (view === undefined) return undefined;
  const { compiled } = view;
  await inTurns(compiled.flagKeys, COMPILED_IN_ONE_TURN, compiled.problemsOf);
  if (compiled.problems.length === 0) return undefined;
  const said = compiled.problems.map(
    ({ flagKey, path: at, message }) => `flag "${flagKey}": ${at} ${message}`,
  );
  return `${path}: ${said.join('; ')}`;
};

/** A copy of another environment, left over from other options, is worse than none. */
const whyNotOurs = (
  { environment: found }: Content,
  options: PennonProviderOptions,
): string | undefined => {
  const wanted = isOffline(options) ? undefined : options.environment;
  return wanted === undefined || typeof found !== 'string' || found === wanted
    ? undefined
    : `a copy of the environment "${found}" is of no use in "${wanted}"`;
};

type Parts = {
  readonly world: Runtime;
  readonly live: Live;
  readonly notes: Notes;
  readonly cacheFile: CacheFile | undefined;
  readonly onStanding: () => void;
};

/** Takes content in. Answers whether it is the flags of the moment now; else it is noted why not. */
const takeIn = async ({ live, notes }: Parts, content: Content): Promise<boolean> =>
  notes.isWell(await live.take(content).catch(String));

/**
 * A feed whose news count when `take` has made them the flags of the moment; it answers whether it could.
 * Until then it stands as it stood before.
 */
const feedInto = <Told extends Content>(
  open: (hearing: Hearing<Told>) => Feed,
  take: (told: Told) => Promise<boolean>,
  onStanding: () => void,
): Feed => {
  let isReadable = true;
  let standing: FeedStanding = 'waiting';
  const look = () => {
    standing = isReadable ? feed.standing() : 'unusable';
    onStanding();
  };
  const takeNews = async (told: Told) => {
    isReadable = await take(told);
  };
  const intake = createIntake(takeNews, look);
  const feed = open({
    onContent: intake.offer,
    onStanding() {
      if (!intake.isBusy()) look();
    },
  });
  return {
    standing: () => standing,
    freshness: feed.freshness,
    stop() {
      feed.stop();
      intake.close();
    },
  };
};

const feedOfFile = ({ offlineFile }: OfflineOptions, parts: Parts): Feed => {
  const { world, live, notes, onStanding } = parts;
  const take = async (content: Content) => {
    const isTaken = await takeIn(parts, content);
    if (isTaken) notes.isWell(await problemsIn(offlineFile, live.view()));
    return isTaken;
  };
  return feedInto(hearing => followFile(offlineFile, hearing, world), take, onStanding);
};

const feedOfServer = (
  options: OnlineOptions,
  fallback: Fallback | undefined,
  parts: Parts,
): Feed => {
  const { world, cacheFile, onStanding } = parts;
  const take = async (flagSet: FlagSet) => {
    const isTaken = await takeIn(parts, flagSet);
    if (isTaken) cacheFile?.save(flagSet);
    return isTaken;
  };
  const initial = initialOf(fallback);
  return feedInto<FlagSet>(
    hearing => followServer(options, initial, hearing, world),
    take,
    onStanding,
  );
};

const openFeed = (
  options: PennonProviderOptions,
  fallback: Fallback | undefined,
  parts: Parts,
): Feed =>
  isOffline(options) ? feedOfFile(options, parts) : feedOfServer(options, fallback, parts);

/** The copy to begin with: ours, and of a format that this release can read. */
const takeFallback = (options: PennonProviderOptions, parts: Parts) => {
  const accept = async ({ content }: Fallback) =>
    parts.notes.isWell(whyNotOurs(content, options)) && takeIn(parts, content);
  return findFallback(options, accept, parts.notes.note);
};

const openCacheFile = (options: PennonProviderOptions, notes: Notes): CacheFile | undefined =>
  isOffline(options) || options.cacheFile === undefined
    ? undefined
    : createCacheFile(options.cacheFile, notes.note);

/** Until the source has told anything, the copy is what there is. */
const freshnessOf = (
  feed: Freshness | undefined,
  fallback: Fallback | undefined,
  { live, notes }: Parts,
): Omit<Freshness, 'mode'> => {
  const isFallback = feed === undefined || feed.source === 'none' || feed.source === 'initial';
  return {
    revision: live.view()?.revision,
    dataAgeMs: feed?.dataAgeMs,
    source: isFallback ? (fallback?.source ?? 'none') : feed.source,
    lastError: later(notes.last(), feed?.lastError),
  };
};

/** Begins with the copies that there are, and goes on with the source. */
export const openFlags = (
  options: PennonProviderOptions,
  world: Runtime,
  { onChange, onStanding }: Listening,
): Flags => {
  const notes = createNotes(world.now);
  const cacheFile = openCacheFile(options, notes);
  const live = createLive(onChange);
  const parts: Parts = { world, live, notes, cacheFile, onStanding };
  let feed: Feed | undefined;
  let fallback: Fallback | undefined;
  let closed = false;

  const begin = async (): Promise<void> => {
    fallback = await takeFallback(options, parts);
    if (!closed) feed = openFeed(options, fallback, parts);
  };
  void begin();

  return {
    view: live.view,
    standing: () => feed?.standing() ?? 'waiting',
    freshness() {
      const now = feed?.freshness();
      const mode = now?.mode ?? (closed ? 'stopped' : 'connecting');
      return { mode, ...freshnessOf(now, fallback, parts) };
    },
    async close() {
      closed = true;
      feed?.stop();
      await cacheFile?.close();
    },
  };
};
