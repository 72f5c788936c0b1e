import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import { createSizes, measureWrites, type FlagSetSize } from './size.ts';

/** What each bound counts, and the setting that raises it. */
const BOUNDS: Readonly<Record<keyof FlagSetSize, { what: string; setting: string }>> = {
  flags: { what: 'flags', setting: 'PENNON_MAX_FLAGS' },
  segments: { what: 'segments', setting: 'PENNON_MAX_SEGMENTS' },
  flagSetBytes: { what: 'bytes of flags and segments', setting: 'PENNON_MAX_FLAG_SET_BYTES' },
};

/** How a write changes the size of a flag set. */
type Growth = { readonly before: FlagSetSize; readonly after: FlagSetSize };

/**
 * Throws PAYLOAD_TOO_LARGE if a write makes a flag set exceed a bound. One that exceeds it already, because
 * the bound was lowered, can still be changed in every way that does not make it larger.
 */
export const requireWithinBounds = (
  environment: string,
  bounds: FlagSetSize,
  { before, after }: Growth,
): void => {
  for (const name of ['flags', 'segments', 'flagSetBytes'] as const) {
    if (after[name] <= bounds[name] || after[name] <= before[name]) continue;
    const { what, setting } = BOUNDS[name];
    throw new PennonError(
      'PAYLOAD_TOO_LARGE',
      `environment "${environment}" would have ${after[name]} ${what}, and may have at most ${bounds[name]}: ` +
        `delete what is no longer used, or raise ${setting}`,
    );
  }
};

/** Returns the replica of a flag set with writes that keep it within bounds. */
export const withinBounds = (
  environment: string,
  replica: Replica<'flagSet'>,
  bounds: FlagSetSize,
): Replica<'flagSet'> => {
  const sizes = createSizes();
  replica.subscribe(
    event => {
      if (event.type === 'change') sizes.follow(event.snapshot, event.change);
      else sizes.keepOnly(event.snapshot);
    },
    async event => {
      if (event.type === 'change') await measureWrites(event.change.writes);
      else await sizes.of(event.snapshot);
    },
  );
  return {
    ...replica,
    // The commit expects the snapshot that the plan was made on, so concurrent writes never exceed a bound.
    write: planWrite =>
      replica.write(async snapshot => {
        const plan = await planWrite(snapshot);
        if (Object.keys(plan.writes).length === 0) return plan;
        requireWithinBounds(environment, bounds, {
          before: await sizes.of(snapshot),
          after: await sizes.after(snapshot, plan),
        });
        return plan;
      }),
  };
};
