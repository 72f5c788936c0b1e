import type { FlagSet, LastError, World } from '@pennon/follow';

import { createCacheFile } from './cache-file.ts';
import { findFallback } from './fallback.ts';
import type { Fallback } from './fallback.ts';
import { followFile, followServer } from './feed.ts';
import type { Feed, FeedStanding, Freshness } from './feed.ts';
import type { Content } from './flag-file.ts';
import { isOffline } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
import { changedFlags, createView } from './view.ts';
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
const problemsIn = ({ compiled }: View): string =>
  compiled.problems
    .map(({ flagKey, path, message }) => `flag "${flagKey}": ${path} ${message}`)
    .join('; ');

/** Begins with the copies that there are, and goes on with the source. */
export const openFlags = (
  options: PennonProviderOptions,
  world: World,
  { onChange, onStanding }: Listening,
): Flags => {
  let view: View | undefined;
  let readable = true;
  let feed: Feed | undefined;
  let fallback: Fallback | undefined;
  let lastError: LastError | undefined;
  let closed = false;

  const note = (message: string) => {
    lastError = { message, status: undefined, at: world.now() };
  };

  /** Makes these the flags of the moment; those of a format that this release cannot read change nothing. */
  const take = (content: Content): boolean => {
    const next = createView(content, view);
    readable = !next.compiled.refused;
    if (!readable) {
      note(next.compiled.problems.map(({ message }) => message).join('; '));
      return false;
    }
    const flagsChanged = changedFlags(view, next);
    view = next;
    if (flagsChanged.length > 0) onChange(flagsChanged);
    return true;
  };

  const cacheFile =
    isOffline(options) || options.cacheFile === undefined
      ? undefined
      : createCacheFile(options.cacheFile, note);

  /** A copy of another environment, left over from other options, is worse than none. */
  const isOurs = ({ environment: found }: Content): boolean => {
    const wanted = isOffline(options) ? undefined : options.environment;
    if (wanted === undefined || typeof found !== 'string' || found === wanted) return true;
    note(`a copy of the environment "${found}" is of no use in "${wanted}"`);
    return false;
  };

  const openFeed = (): Feed => {
    if (!isOffline(options)) {
      const onContent = (content: FlagSet) => {
        if (take(content)) cacheFile?.save(content);
        // The follower is content, and will not speak up.
        else onStanding();
      };
      return followServer(options, initialOf(fallback), { onContent, onStanding }, world);
    }
    const onContent = (content: Content) => {
      const problems = take(content) && view !== undefined ? problemsIn(view) : '';
      if (problems !== '') note(`${options.offlineFile}: ${problems}`);
    };
    return followFile(options.offlineFile, { onContent, onStanding }, world);
  };

  const begin = async (): Promise<void> => {
    fallback = await findFallback(options, ({ content }) => isOurs(content) && take(content), note);
    // What a copy said is no news of the source.
    readable = true;
    if (!closed) feed = openFeed();
  };
  void begin();

  return {
    view: () => view,
    standing: () => (readable ? (feed?.standing() ?? 'waiting') : 'unusable'),
    freshness() {
      const now = feed?.freshness();
      const isFallback = now === undefined || now.source === 'none' || now.source === 'initial';
      return {
        mode: now?.mode ?? (closed ? 'stopped' : 'connecting'),
        revision: view?.revision,
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
