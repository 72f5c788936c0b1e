import type { Content } from './flag-file.ts';
import { changedFlags, createView } from './view.ts';
import type { View } from './view.ts';

/** The flags of the moment. */
export type Live = {
  readonly view: () => View | undefined;
  /** Makes these the flags of the moment. Answers why they cannot be: then those before serve on. */
  readonly take: (content: Content) => string | undefined;
};

/** `onChange` is told the keys of flags whose answers may differ from now on. */
export const createLive = (onChange: (flagsChanged: string[]) => void): Live => {
  let view: View | undefined;
  return {
    view: () => view,
    take(content) {
      const next = createView(content, view);
      const { refused, problems } = next.compiled;
      if (refused) return problems.map(({ message }) => message).join('; ');
      const flagsChanged = changedFlags(view, next);
      view = next;
      if (flagsChanged.length > 0) onChange(flagsChanged);
      return undefined;
    },
  };
};
