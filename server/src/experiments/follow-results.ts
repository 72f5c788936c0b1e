import type { Results } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { onAbort } from '../streaming/on-abort.ts';
import type { StreamRegistry } from '../streaming/stream-registry.ts';
import { findRun, readResults, type ResultsKey, type ResultsServices } from './results.ts';

/** Events are folded as often. */
const LOOK_MS = 15_000;

type FollowServices = ResultsServices & { readonly streams: StreamRegistry };

/** Follows the results of an experiment: the current ones first, then those that differ. */
export async function* followResults(
  services: FollowServices,
  caller: Caller,
  key: ResultsKey,
  requestEnded: AbortSignal | undefined,
): AsyncGenerator<Results, void> {
  const stream = services.streams.open(caller, requestEnded);
  try {
    const { live } = await findRun(services, caller, key);
    const looks = looksAt(services.clock, live, stream.ended);
    let last: string | undefined;
    do {
      const results = await readOrUndefined(services, caller, key, last);
      if (results === undefined || results.id === last) continue;
      last = results.id;
      yield results;
    } while (await looks.next());
  } finally {
    stream.close();
  }
}

/** Later looks that fail are made again; the first one shows why nothing can be followed. */
const readOrUndefined = async (
  services: FollowServices,
  caller: Caller,
  key: ResultsKey,
  last: string | undefined,
): Promise<Results | undefined> => {
  try {
    const { etag: _, ...results } = await readResults(services, caller, key);
    return results;
  } catch (error) {
    if (last === undefined) throw error;
    return undefined;
  }
};

/** Resolves `next` at each time to look again; to false at the end. */
export const looksAt = (clock: Clock, live: LiveFlagSet, ended: AbortSignal) => {
  let isDue = false;
  let wake: () => void = () => undefined;
  const note = () => {
    isDue = true;
    wake();
  };
  const cancel = clock.every(LOOK_MS, note);
  const unsubscribe = live.subscribe(note);
  onAbort(ended, () => {
    cancel();
    unsubscribe();
    wake();
  });
  return {
    async next(): Promise<boolean> {
      if (!isDue && !ended.aborted)
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      isDue = false;
      return !ended.aborted;
    },
  };
};
