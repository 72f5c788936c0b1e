import { afterAll } from 'vitest';

import { describeStore } from '../store/suite.ts';
import { startRedis } from './processes.ts';
import { openForSuite } from './store.ts';

const redis = await startRedis();
afterAll(() => redis.remove());

describeStore('the Redis store on a single Redis', () =>
  openForSuite(`redis://127.0.0.1:${redis.port}`),
);
