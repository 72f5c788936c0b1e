import { findDependents, patternProblem } from '@pennon/engine';

import type { Turns } from '../turns.ts';
import { findUsages } from './attribute-types.ts';
import type { FlagSetView, LiveFlagSet } from './live-flag-set.ts';
import { searchedText } from './searched-text.ts';
import { bytesOf } from './size.ts';

/**
 * Compiles the flags in the background, and finds what lists and writes need of each of them, so that the first
 * requests after a start or an import are as fast as later ones.
 */
export const keepWarm = (live: LiveFlagSet, turns: Turns): void => {
  let runs = 0;
  const warmUp = async () => {
    runs += 1;
    const run = runs;
    for (const work of worksOf(live.view())) {
      work();
      if (turns.isOver()) await turns.next();
      if (run !== runs || live.closed.aborted) return;
    }
  };
  void warmUp();
  live.subscribe(event => {
    if (event.type === 'set') void warmUp();
  });
};

/** Yields what is done for a view, in small steps. */
function* worksOf({ snapshot, flagSet, compiled }: FlagSetView): Generator<() => void> {
  for (const key of compiled.flagKeys) yield () => compiled.problemsOf(key);
  yield () => findDependents(flagSet);
  yield () => findUsages(flagSet);
  yield () => patternProblem(flagSet);
  for (const { document } of snapshot.records.flags.values()) {
    yield () => {
      searchedText(document);
      bytesOf(document);
    };
  }
}
