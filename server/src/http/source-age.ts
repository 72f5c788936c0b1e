import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import { SOURCE_STALE_MS } from '../replication/source-age.ts';
import type { Services } from '../services.ts';

export const SOURCE_AGE = 'Pennon-Source-Age-Ms';

type Requested = { readonly environment?: string | undefined };

const ageMs = ({ registry }: Services, caller: Caller, { environment }: Requested): number =>
  registry.find(environmentOf(caller, environment)).sourceAgeMs();

const ageHeader = (ms: number) => ({ [SOURCE_AGE.toLowerCase()]: String(Math.round(ms)) });

/** Returns the header that reports how old the data of this server are. Bodies and entity tags do not depend on it. */
export const sourceAge = (services: Services, caller: Caller, requested: Requested) =>
  ageHeader(ageMs(services, caller, requested));

/**
 * Returns the same header for a poll. If the data may be out of date, the connection is closed, so that the next
 * poll may reach another server behind the same load balancer.
 */
export const sourceAgeOfPoll = (services: Services, caller: Caller, requested: Requested) => {
  const ms = ageMs(services, caller, requested);
  return { ...ageHeader(ms), ...(ms > SOURCE_STALE_MS && { connection: 'close' }) };
};
