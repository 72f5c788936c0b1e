import { systemClock } from '../../src/clock.ts';
import { secureRandom } from '../../src/random.ts';
import { openRedisStore, type RedisOptions } from '../../src/store/redis/index.ts';
import { parseRedisUrl, type RedisAddress } from '../../src/store/redis/url.ts';
import type { Store } from '../../src/store/store.ts';
import type { OpenedStore } from '../store/suite.ts';

export const addressOf = (url: string): RedisAddress => {
  const parsed = parseRedisUrl(url);
  if ('address' in parsed) return parsed.address;
  throw new Error(parsed.problem);
};

/** Opens the store as a server does. */
export const openStore = (url: string, options: Partial<RedisOptions> = {}): Promise<Store> =>
  openRedisStore({
    address: addressOf(url),
    prefix: 'pennon',
    random: secureRandom,
    clock: systemClock,
    ...options,
  });

/** Opens a store for the suite, with its own data under its own prefix. */
export const openForSuite = async (
  url: string,
  options: Partial<RedisOptions> = {},
): Promise<OpenedStore> => {
  const prefix = `test-${secureRandom(8)}`;
  let store = await openStore(url, { prefix, ...options });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openStore(url, { prefix, ...options });
      return store;
    },
    cleanup: () => store.close(),
  };
};
