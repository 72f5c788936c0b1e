import type { FlagSet, LastError, World } from '@pennon/follow';

import { createCacheFile } from './cache-file.ts';
import { findFallback } from './fallback.ts';
import type { Fallback } from './fallback.ts';
import { followFile, followServer } from './feed.ts';
import type { Feed, FeedStanding, Freshness } from './feed.ts';
import type { Content } from './flag-file.ts';
import { createLive } from './live.ts';
import { isOffline } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
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

const later = (a: LastError | undefined, b: LastError | undefined): LastError | undefined =>
  a !== undefined && (b === undefined || a.at > b.at) ? a : b;

/** What is wrong with single flags of a file: whoever edits it wants to know. */
const problemsIn = (path: string, view: View | undefined): string | undefined => {
  const problems = view?.compiled.problems ?? [];
  if (problems.length === 0) return undefined;
  const said = problems.map(
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

/** Begins with the copies that there are, and goes on with the source. */
export const openFlags = (
  options: PennonProviderOptions,
  world: World,
  { onChange, onStanding }: Listening,
): Flags => {
  const live = createLive(onChange);
  let feed: Feed | undefined;
  let fallback: Fallback | undefined;
  let lastError: LastError | undefined;
  /** What the source said last is of a format that this release can read. */
  let isReadable = true;
  let closed = false;

  const note = (message: string) => {
    lastError = { message, status: undefined, at: world.now() };
  };
  /** Whether all is well. */
  const isWell = (trouble: string | undefined): boolean => {
    if (trouble !== undefined) note(trouble);
    return trouble === undefined;
  };

  const cacheFile =
    isOffline(options) || options.cacheFile === undefined
      ? undefined
      : createCacheFile(options.cacheFile, note);

  const takeNews = (content: Content): boolean => {
    isReadable = isWell(live.take(content));
    return isReadable;
  };

  const openFeed = (): Feed => {
    if (isOffline(options)) {
      const onContent = (content: Content) => {
        if (takeNews(content)) isWell(problemsIn(options.offlineFile, live.view()));
      };
      return followFile(options.offlineFile, { onContent, onStanding }, world);
    }
    const onContent = (content: FlagSet) => {
      if (takeNews(content)) cacheFile?.save(content);
      // The follower is content, and will not speak up.
      else onStanding();
    };
    return followServer(options, initialOf(fallback), { onContent, onStanding }, world);
  };

  const begin = async (): Promise<void> => {
    const accept = ({ content }: Fallback) =>
      isWell(whyNotOurs(content, options) ?? live.take(content));
    fallback = await findFallback(options, accept, note);
    if (!closed) feed = openFeed();
  };
  void begin();

  return {
    view: live.view,
    standing: () => (isReadable ? (feed?.standing() ?? 'waiting') : 'unusable'),
    freshness() {
      const now = feed?.freshness();
      const isFallback = now === undefined || now.source === 'none' || now.source === 'initial';
      return {
        mode: now?.mode ?? (closed ? 'stopped' : 'connecting'),
        revision: live.view()?.revision,
        dataAgeMs: now?.dataAgeMs,
        source: isFallback ? (fallback?.source ?? 'none') : now.source,
        lastError: later(lastError, now?.lastError),
      };
    },
    async close() {
      closed = true;
      feed?.stop();
      await cacheFile?.close();
    },
  };
};
