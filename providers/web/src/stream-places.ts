import type { Runtime } from '@pennon/sync';

/**
 * How many streams a page opens to one server, and all visible pages of one origin together. With HTTP/1.1, browsers
 * have six connections to an origin for all requests of all pages, and queue the rest.
 */
const MAX_STREAMS = 2;
const MAX_STREAMS_OF_PAGES = 4;

/** Called when a stream may be opened. Each applicant has its own function. */
type OnPlace = () => void;

type Places = { readonly taken: Set<OnPlace>; readonly waiting: Set<OnPlace> };

/** All copies of this package in a page share its places, also those of other versions. */
const PLACES = Symbol.for('pennon.web.stream-places');
const page: typeof globalThis & { [PLACES]?: Map<string, Places> } = globalThis;

const placesOf = (origin: string): Places => {
  const places = (page[PLACES] ??= new Map<string, Places>());
  const found = places.get(origin) ?? { taken: new Set(), waiting: new Set() };
  places.set(origin, found);
  return found;
};

export type StreamPlace = readonly [
  /** Whether a stream may be opened now. */
  isFree: boolean,
  /** Gives the place, or the wait for it, back. A stream that is replaced at once gets its place again. */
  release: () => void,
];

/** Requests a place for a stream. Calls `onChange` when a stream may be opened, or no longer be open. */
export const requestPlace = (
  url: string,
  onChange: (isFree: boolean) => void,
  { setTimer }: Runtime,
): StreamPlace => {
  const { origin } = new URL(url);
  const { taken, waiting } = placesOf(origin);
  const isFree = taken.size < MAX_STREAMS;
  let releaseLock = isFree ? holdLock(origin, onChange) : () => {};
  const onPlace = () => {
    releaseLock = holdLock(origin, onChange);
    onChange(true);
  };
  (isFree ? taken : waiting).add(onPlace);
  const fillPlaces = () => {
    for (const next of waiting) {
      if (taken.size >= MAX_STREAMS) return;
      waiting.delete(next);
      taken.add(next);
      next();
    }
  };
  return [
    isFree,
    () => {
      releaseLock();
      waiting.delete(onPlace);
      if (taken.delete(onPlace) && waiting.size > 0) setTimer(0, fillPlaces);
    },
  ];
};

/** Returns the locks that all pages of one origin share, or undefined outside of a page and without HTTPS. */
const locksOfPages = (): LockManager | undefined =>
  typeof document === 'undefined' ? undefined : navigator.locks;

/**
 * Holds one of the locks of all pages as soon as one is free. A page starts as if it had one, which is so nearly
 * always: `onChange` is called with false if there is none, and with true when it gets one after that. Returns a
 * function that gives the lock back.
 */
const holdLock = (origin: string, onChange: (isFree: boolean) => void): (() => void) => {
  const locks = locksOfPages();
  const waiting = new AbortController();
  const { signal } = waiting;
  let release = () => {};
  let isDenied = false;
  const onLock = () => {
    // Another one was faster.
    if (signal.aborted) return undefined;
    waiting.abort();
    if (isDenied) onChange(true);
    return new Promise<void>(resolve => (release = resolve));
  };
  const onDenied = () => {
    isDenied = !signal.aborted;
    if (isDenied) onChange(false);
  };
  const ignore = () => {};
  for (let index = 0; index < MAX_STREAMS_OF_PAGES; index += 1)
    locks?.request(`pennon:${origin}:${index}`, { signal }, onLock).catch(ignore);
  // Browsers process requests in order, so the free locks have been granted before this resolves.
  locks?.query().then(onDenied, ignore);
  return () => {
    waiting.abort();
    release();
  };
};
