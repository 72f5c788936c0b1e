import { secureRandom } from '../../src/random.ts';
import { describeContexts } from '../contexts-suite.ts';
import { describeOverview } from '../overview-suite.ts';
import { describePromotion } from '../promotion-suite.ts';
import { useRedis } from './setup.ts';
import { openStore as openRedisStore } from './store.ts';

const redis = useRedis();
const openStore = () => openRedisStore(redis().url, { prefix: `management-${secureRandom(8)}` });

describeOverview('the Redis store', openStore);
describeContexts('the Redis store', openStore);
describePromotion('the Redis store', openStore);
