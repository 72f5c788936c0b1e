import { useEffect } from 'react';

import { isSingleLetter } from './single-letters.ts';

/** Does something when a key is pressed that is a shortcut there. */
export const useKey = (key: string, action: () => void): void => {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key !== key || !isSingleLetter(event)) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [key, action]);
};
