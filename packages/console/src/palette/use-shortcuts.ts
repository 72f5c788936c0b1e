import { useNavigate } from '@tanstack/react-router';
import { useLayoutEffect } from 'react';

import { isSingleLetter } from '../app/single-letters.ts';

/** The pages that `g` and a letter open. */
export const GO_TO = {
  f: '/flags',
  s: '/segments',
  x: '/experiments',
  r: '/experiments/ramps',
  c: '/compare',
  t: '/try',
  a: '/audit',
  e: '/settings/environments',
} as const;

const isPage = (key: string): key is keyof typeof GO_TO => Object.hasOwn(GO_TO, key);

/** How long after `g` the second letter counts. */
const SEQUENCE_MS = 1_500;

export type ShortcutDialog = 'palette' | 'help';

const opensPalette = ({ key, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): boolean =>
  key.toLowerCase() === 'k' && (ctrlKey || metaKey) && !altKey && !shiftKey;

/** Opens dialogs and pages by the keyboard. `onOpen` must stay the same function. */
export const useShortcuts = (onOpen: (dialog: ShortcutDialog) => void): void => {
  const navigate = useNavigate();
  useLayoutEffect(() => {
    let pressedG = Number.NEGATIVE_INFINITY;
    const press = (event: KeyboardEvent): void => {
      if (opensPalette(event)) {
        event.preventDefault();
        onOpen('palette');
        return;
      }
      if (!isSingleLetter(event)) return;
      const { key, timeStamp } = event;
      const isSecond = timeStamp - pressedG < SEQUENCE_MS;
      pressedG = key === 'g' ? timeStamp : Number.NEGATIVE_INFINITY;
      if (isSecond && isPage(key)) void navigate({ to: GO_TO[key] });
      else if (key === '?') onOpen('help');
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [navigate, onOpen]);
};
