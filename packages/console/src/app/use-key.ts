import { useLayoutEffect } from 'react';

import { isSingleLetter } from './single-letters.ts';

/** Does something when a key is pressed that is a shortcut there, as soon as the page is shown. */
export const useKey = (key: string, action: () => void): void => {
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key !== key || !isSingleLetter(event)) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [key, action]);
};
