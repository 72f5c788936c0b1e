import { afterAll } from 'vitest';

import { describeStore } from '../store/suite.ts';
import { startCluster } from './processes.ts';
import { openForSuite } from './store.ts';

const redis = await startCluster();
afterAll(() => redis.remove());

describeStore('the Redis store on a Cluster of three masters', () => openForSuite(redis.url));
