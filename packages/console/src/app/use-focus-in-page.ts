import { useEffect } from 'react';

/**
 * Gives the page the focus if the element that had it is removed, such as the button of a row that was deleted.
 * Otherwise the next Tab would start at the top of the document, and screen readers would be silent.
 */
export const useFocusInPage = (id: string): void => {
  useEffect(() => {
    let focused: Element | undefined;
    const note = ({ target }: FocusEvent): void => {
      focused = target instanceof Element ? target : undefined;
    };
    const check = (): void => {
      if (focused === undefined || focused.isConnected) return;
      focused = undefined;
      // Dialogs and menus return the focus themselves, right after they are removed.
      queueMicrotask(() => {
        if (document.activeElement === document.body)
          document.getElementById(id)?.focus({ preventScroll: true });
      });
    };
    const observer = new MutationObserver(check);
    document.addEventListener('focusin', note);
    observer.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener('focusin', note);
      observer.disconnect();
    };
  }, [id]);
};
