import type { Runtime } from '@pennon/sync';

/**
 * How many streams a page opens to one origin. With HTTP/1.1, browsers have six connections to an origin for
 * all requests of a page, and queue the rest.
 */
const MAX_STREAMS = 2;

/** Called when a stream may be opened. Each applicant has its own function. */
type OnPlace = () => void;

type Places = { readonly taken: Set<OnPlace>; readonly waiting: Set<OnPlace> };

const places = new Map<string, Places>();

const placesOf = (url: string): Places => {
  // A relative URL is one of the page.
  const origin = /^\w+:\/\/[^/]*/.exec(url)?.[0].toLowerCase() ?? '';
  const found = places.get(origin) ?? { taken: new Set(), waiting: new Set() };
  places.set(origin, found);
  return found;
};

/** Returns whether a stream may be opened now. Otherwise `onPlace` is called when a place is given back. */
export const requestPlace = (url: string, onPlace: OnPlace): boolean => {
  const { taken, waiting } = placesOf(url);
  const isFree = taken.size < MAX_STREAMS;
  (isFree ? taken : waiting).add(onPlace);
  return isFree;
};

/** Gives a place, or the wait for it, back. A stream that is replaced at once gets its place again. */
export const releasePlace = (url: string, onPlace: OnPlace, { setTimer }: Runtime): void => {
  const { taken, waiting } = placesOf(url);
  waiting.delete(onPlace);
  if (taken.delete(onPlace) && waiting.size > 0) setTimer(0, () => fillPlaces({ taken, waiting }));
};

const fillPlaces = ({ taken, waiting }: Places): void => {
  for (const onPlace of waiting) {
    if (taken.size >= MAX_STREAMS) return;
    waiting.delete(onPlace);
    taken.add(onPlace);
    onPlace();
  }
};
