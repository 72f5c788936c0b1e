import { systemClock } from '../../clock.ts';
import { secureRandom } from '../../random.ts';
import type { OpenedEventStore, RedisEvents } from '../events-location.ts';
import { openConnections } from './connections.ts';
import { eventsOn } from './events.ts';
import { keysUnder } from './keys.ts';

/** How long the first calls wait for Redis. After that they fail with the reason. */
const FIRST_CONNECTION_MS = 3_000;

/** The events in Redis, with connections of their own. */
export const openRedisEventStore = async ({
  address,
  prefix,
  tls,
  logBytes,
}: RedisEvents): Promise<OpenedEventStore> => {
  const connections = openConnections({ address, tls, clock: systemClock });
  await connections.waitUntilReady(FIRST_CONNECTION_MS);
  return {
    store: eventsOn({ connections, keys: keysUnder(prefix), random: secureRandom, logBytes }),
    close: connections.close,
  };
};
