import { afterAll } from 'vitest';

import { describeStore } from '../store/suite.ts';
import { startSentinels } from './processes.ts';
import { openForSuite } from './store.ts';

const redis = await startSentinels();
afterAll(() => redis.remove());

describeStore('the Redis store behind Sentinels', () => openForSuite(redis.url));
