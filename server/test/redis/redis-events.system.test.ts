import { secureRandom } from '../../src/random.ts';
import { describeEvents } from '../events-suite.ts';
import { useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis();

describeEvents('the Redis store', () =>
  openStore(redis().url, { prefix: `events-${secureRandom(8)}` }),
);
