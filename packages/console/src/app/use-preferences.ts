import { useSyncExternalStore } from 'react';

import {
  applyPreferences,
  readPreferences,
  storePreferences,
  type Preferences,
} from './preferences.ts';

let current: Preferences | undefined;
const listeners = new Set<() => void>();

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Returns what the person has chosen in this browser. */
export const currentPreferences = (): Preferences => (current ??= readPreferences(localStorage));

/** Stores the preferences, and applies them to the page. */
export const changePreferences = (change: Partial<Preferences>): void => {
  const previous = currentPreferences();
  current = { ...previous, ...change };
  storePreferences(localStorage, current);
  // All texts are in the language that the page was loaded with.
  if (current.language !== previous.language) location.reload();
  applyPreferences(current, document.documentElement);
  for (const listener of listeners) listener();
};

export const usePreferences = (): Preferences =>
  useSyncExternalStore(subscribe, currentPreferences);
