import { dependentSteps, patternProblem } from '@pennon/engine';

import type { Steps } from '../slices.ts';
import type { Turns } from '../turns.ts';
import { usageSteps } from './attribute-types.ts';
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
    for (const _ of warmUpSteps(live.view())) {
      if (turns.isOver()) await turns.next();
      if (run !== runs || live.closed.aborted) return;
    }
  };
  void warmUp();
  live.subscribe(event => {
    if (event.type === 'set') void warmUp();
  });
};

function* warmUpSteps({ snapshot, flagSet, compiled }: FlagSetView): Steps<void> {
  for (const key of compiled.flagKeys) {
    compiled.problemsOf(key);
    yield;
  }
  yield* dependentSteps(flagSet);
  yield* usageSteps(flagSet);
  patternProblem(flagSet);
  yield;
  for (const { document } of snapshot.records.flags.values()) {
    searchedText(document);
    bytesOf(document);
    yield;
  }
}
