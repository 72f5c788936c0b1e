import type { Patterns } from '@pennon/engine/core';

import type { Content } from './flag-file.ts';
import { takeOver, wantsPatterns } from './take-over.ts';
import { turn } from './turns.ts';
import { changedFlags, createView } from './view.ts';
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
  return {
    view: () => view,
    async take(given) {
      // Parsing has filled the turn in which they came.
      await turn();
      const taken = await takeOver(view?.taken, given);
      if (wantsPatterns(taken)) patterns ??= await loadPatterns();
      const next = createView(taken, view, patterns);
      // Asking for problems compiles every flag, so that it is done only where nothing else is.
      if (next.compiled.refused)
        return next.compiled.problems.map(({ message }) => message).join('; ');
      await turn();
      const flagsChanged = changedFlags(view, next);
      view = next;
      if (flagsChanged.length > 0) onChange(flagsChanged);
      return undefined;
    },
  };
};
