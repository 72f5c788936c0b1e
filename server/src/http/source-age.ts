import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { SOURCE_STALE_MS } from '../replication/source-age.ts';

export const SOURCE_AGE = 'Pennon-Source-Age-Ms';
const NAME = SOURCE_AGE.toLowerCase();

/** Returns the header that reports how old the data of this server are. Bodies and entity tags do not depend on it. */
export const sourceAge = (
  ...lives: readonly Pick<LiveFlagSet, 'sourceAgeMs'>[]
): readonly [name: string, value: string] => [
  NAME,
  String(Math.round(Math.max(...lives.map(live => live.sourceAgeMs())))),
];

/**
 * Whether the data may be out of date. A poll then closes its connection, so that the next one may reach another
 * server behind the same load balancer.
 */
export const isStale = (live: LiveFlagSet): boolean => live.sourceAgeMs() > SOURCE_STALE_MS;
