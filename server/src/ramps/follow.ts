import type { RampStatus } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { hashTag } from '../resources/entity-tag.ts';
import type { ResourceKey } from '../resources/resource-type.ts';
import type { StreamRegistry } from '../streaming/stream-registry.ts';
import { looksAt } from '../experiments/follow-results.ts';
import { liveOf, readRampStatus, type StatusServices } from './status.ts';

type FollowServices = StatusServices & { readonly streams: StreamRegistry };

/** Follows how a ramp is doing: first as it is now, then whenever that differs. */
export async function* followRamp(
  services: FollowServices,
  caller: Caller,
  key: ResourceKey,
  requestEnded: AbortSignal | undefined,
): AsyncGenerator<{ readonly id: string; readonly status: RampStatus }, void> {
  const stream = services.streams.open(caller, requestEnded);
  try {
    const looks = looksAt(services.clock, liveOf(services, caller, key), stream.ended);
    let last: string | undefined;
    do {
      const status = await readOrUndefined(services, caller, key, last === undefined);
      const id = status && idOf(status);
      if (status === undefined || id === undefined || id === last) continue;
      last = id;
      yield { id, status };
    } while (await looks.next());
  } finally {
    stream.close();
  }
}

/** Statuses that differ in the time alone are the same. */
const idOf = (status: RampStatus): string => hashTag({ ...status, asOf: undefined });

/** Later looks that fail are made again; the first one shows why nothing can be followed. */
const readOrUndefined = async (
  services: FollowServices,
  caller: Caller,
  key: ResourceKey,
  isFirst: boolean,
): Promise<RampStatus | undefined> => {
  try {
    return await readRampStatus(services, caller, key);
  } catch (error) {
    if (isFirst) throw error;
    return undefined;
  }
};
