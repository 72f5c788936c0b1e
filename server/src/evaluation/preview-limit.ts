import type { Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import { createAmounts } from '../amounts.ts';

/** How many previews and comparisons may be in progress: each keeps a flag set, a request and a response. */
const MAX_OF_SERVER = 6;
/** How many of them one key or person may have, so that others have room. */
const MAX_OF_CALLER = 3;

/** Runs a preview. Throws TOO_MANY_REQUESTS if too many are in progress. */
export type LimitPreviews = <Result>(
  caller: Pick<Caller, 'actor'>,
  preview: () => Promise<Result>,
) => Promise<Result>;

export const createPreviewLimit = (): LimitPreviews => {
  const inProgress = createAmounts();
  return async ({ actor }, preview) => {
    const holders = [
      { key: `${actor.kind} ${actor.id}`, name: `this ${actor.kind}`, max: MAX_OF_CALLER },
      { key: 'all', name: 'this server', max: MAX_OF_SERVER },
    ];
    for (const { key, name, max } of holders)
      if (inProgress.of(key) >= max) throw tooMany(name, max);
    for (const { key } of holders) inProgress.add(key, 1);
    try {
      return await preview();
    } finally {
      for (const { key } of holders) inProgress.add(key, -1);
    }
  };
};

const tooMany = (name: string, max: number): PennonError =>
  new PennonError(
    'TOO_MANY_REQUESTS',
    `${name} has ${max} previews in progress, which is its limit: try again later`,
    { retryAfterSeconds: 1 },
  );
