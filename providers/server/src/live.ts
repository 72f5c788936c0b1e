import type { Patterns } from '@pennon/engine/core';

import type { Content } from './flag-file.ts';
import { changedFlags, createView, keepSameContent, needsPatternsNow } from './view.ts';
import type { View } from './view.ts';

/** The flags of the moment. */
export type Live = {
  readonly view: () => View | undefined;
  /**
   * Makes these the flags of the moment. Answers why they cannot be: then those before serve on. One at a
   * time: whoever calls waits for the answer.
   */
  readonly take: (content: Content) => Promise<string | undefined>;
};

/** Parsing has filled the turn of the event loop in which flags came; what is made of them gets another. */
const turn = (): Promise<void> => new Promise(resolve => void setImmediate(resolve));

/** Without them, the flags that need them answer just that, until the next ones come and try again. */
const loadPatterns = (): Promise<Patterns | undefined> =>
  import('@pennon/engine/patterns').then(
    ({ patterns }) => patterns,
    () => undefined,
  );

/** `onChange` is told the keys of flags whose answers may differ from now on. */
export const createLive = (onChange: (flagsChanged: string[]) => void): Live => {
  let view: View | undefined;
  let patterns: Patterns | undefined;
  let wantsPatterns = false;
  return {
    view: () => view,
    async take(given) {
      await turn();
      const content = keepSameContent(view, given);
      wantsPatterns ||= needsPatternsNow(view, content);
      if (wantsPatterns) patterns ??= await loadPatterns();
      const next = createView(content, view, patterns);
      const { refused, problems } = next.compiled;
      if (refused) return problems.map(({ message }) => message).join('; ');
      const flagsChanged = changedFlags(view, next);
      view = next;
      if (flagsChanged.length > 0) onChange(flagsChanged);
      return undefined;
    },
  };
};
