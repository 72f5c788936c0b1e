import { secureRandom } from '../../src/random.ts';
import { describeRampWrites } from '../ramp-control-suite.ts';
import { useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis();

describeRampWrites('the Redis store', () =>
  openStore(redis().url, { prefix: `ramps-${secureRandom(8)}` }),
);
