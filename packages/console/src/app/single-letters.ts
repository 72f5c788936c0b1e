import { currentPreferences } from './use-preferences.ts';

const isInput = (target: EventTarget | undefined): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');

/** Whether a key that is pressed is a shortcut: not a part of a text, not in a dialog, and not turned off. */
export const isSingleLetter = (event: KeyboardEvent): boolean =>
  !event.defaultPrevented &&
  !event.repeat &&
  !(event.ctrlKey || event.metaKey || event.altKey) &&
  !isInput(event.composedPath()[0]) &&
  document.querySelector('[role="dialog"], [role="menu"], .loading-part') === null &&
  currentPreferences().shortcuts;
