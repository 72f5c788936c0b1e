import { readSearch, type FlagsSearch } from './flags-search.ts';

/** What a view shows: the search and the order of the list. */
export type ViewSearch = Pick<FlagsSearch, 'q' | 'sort'>;

/** A search of the list that a person has named in this browser. */
export type SavedView = { readonly name: string; readonly search: ViewSearch };

const KEY = 'pennon-views';
export const MAX_VIEWS = 30;
export const MAX_NAME_LENGTH = 60;

/** Returns the saved views by name. What is not a view, which something else may have stored, is left out. */
export const readViews = (storage: Pick<Storage, 'getItem'>): readonly SavedView[] => {
  const stored = parse(storage.getItem(KEY));
  return Array.isArray(stored) ? stored.flatMap(viewOf).slice(0, MAX_VIEWS) : [];
};

const parse = (text: string | null): unknown => {
  try {
    return JSON.parse(text ?? '[]');
  } catch {
    return [];
  }
};

const viewOf = (value: unknown): SavedView[] => {
  if (typeof value !== 'object' || value === null || !('name' in value)) return [];
  const { name } = value;
  if (typeof name !== 'string' || name === '') return [];
  const { q, sort } = readSearch({ ...value });
  return [{ name: name.slice(0, MAX_NAME_LENGTH), search: { q, sort } }];
};

/** Stores the views, sorted by name. Does nothing if the browser stores nothing. */
const store = (storage: Pick<Storage, 'setItem'>, views: readonly SavedView[]): void => {
  const sorted = views.toSorted((a, b) => a.name.localeCompare(b.name));
  const texts = sorted.map(({ name, search }) => ({ name, ...search }));
  try {
    storage.setItem(KEY, JSON.stringify(texts));
  } catch {
    // The storage is full, or the browser has none for this site.
  }
};

/** Saves a view, in place of the one with this name. Returns false if there are too many. */
export const saveView = (
  storage: Pick<Storage, 'getItem' | 'setItem'>,
  view: SavedView,
): boolean => {
  const others = readViews(storage).filter(({ name }) => name !== view.name);
  if (others.length >= MAX_VIEWS) return false;
  store(storage, [...others, view]);
  return true;
};

export const removeView = (storage: Pick<Storage, 'getItem' | 'setItem'>, name: string): void =>
  store(
    storage,
    readViews(storage).filter(view => view.name !== name),
  );

export const isSameView = (a: ViewSearch, b: ViewSearch): boolean =>
  (a.q ?? '') === (b.q ?? '') && a.sort === b.sort;
