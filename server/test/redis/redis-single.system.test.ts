import { describeStore } from '../store/suite.ts';
import { useRedis } from './setup.ts';
import { openForSuite } from './store.ts';

const redis = useRedis();

describeStore('the Redis store on a single Redis', () => openForSuite(redis().url));
